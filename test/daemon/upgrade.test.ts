// Stores that earlier releases have written, one for each version of the schema, as a killed daemon left them (test/releases/): they
// open, are migrated, verify, and show what was saved. Beside each store is what `pfs export` of its release gave (SHA256SUMS).
//
// To be made when a release with another schema is out: import examples/sample-book, mount it, change, move, remove and add files,
// a large one and scratch too, export it, kill the daemon; then pack the store and the sums of the export.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execute, withPlace } from "./harness.ts";

const RELEASES = new URL("../releases/", import.meta.url).pathname;
const packs = readdirSync(RELEASES).filter((name) => name.endsWith(".tar.gz"));

test("there is a store of an earlier release", () => assert.ok(packs.includes("schema-1.tar.gz")));

for (const pack of packs) {
  test(`SC-002: a store of ${pack}, left by a killed daemon, opens, verifies and shows what was saved; its history goes on`, () =>
    withPlace(async ({ pfs, top, dir, store }) => {
      execFileSync("tar", ["-xzf", join(RELEASES, pack), "-C", top, "--no-same-owner"]);
      chmodSync(store, 0o700);
      const rows = async (): Promise<Record<string, unknown>[]> =>
        (await pfs("log", "--json", "--reverse"))
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
      const before = await rows();
      assert.ok(before.length > 40);
      assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
      await pfs("mount", "sample-book", dir, "-o", "agent=ben");
      const sums = await execute(
        "sha256sum",
        ["--check", "--quiet", join(top, "SHA256SUMS")],
        process.env,
        dir,
      );
      assert.deepEqual([sums.code, sums.stdout], [0, ""], sums.stderr);
      const files = execFileSync(
        "find",
        [".", "-type", "f", "-not", "-path", "./.pfs/*", "-not", "-name", ".*"],
        { cwd: dir },
      );
      const saved = readFileSync(join(top, "SHA256SUMS"), "utf8").trimEnd().split("\n");
      assert.equal(files.toString().trimEnd().split("\n").length, saved.length);
      assert.equal(readFileSync(join(dir, "content/.other.swp"), "utf8"), "scratch\n");

      const moved =
        saved.map((line) => line.split("  ")[1] ?? "").find((path) => path.endsWith("99-moved.md")) ?? "";
      writeFileSync(join(dir, moved), "# Of today\n");
      const history = await pfs("log", join(dir, moved));
      assert.match(
        history,
        /update .*\(ben, [\s\S]*rename .* → .*\(ann, [\s\S]*update .*\(ann, [\s\S]*create /,
      );
      assert.deepEqual((await rows()).slice(0, before.length), before);
      await pfs("stop");
      assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    }));
}
