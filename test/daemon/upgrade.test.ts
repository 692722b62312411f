// Stores that earlier releases have written, as a killed daemon left them (test/releases/): they open, are migrated, verify, and
// show what was saved. schema-1 is from before overlays, conflicts and remotes, and has what `pfs export` gave (SHA256SUMS). The
// others were made with test/releases/make.ts by the last state of the project before the next migration; of 2 to 5 there can be
// none, as they came with 6. Beside each store are its remote and what its release's mounts showed: the base, alice's overlay, the
// open conflict (*.sums).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { newestVersion } from "../../lib/migrations.ts";
import { execute, type Place, withPlace } from "./harness.ts";

const RELEASES = new URL("../releases/", import.meta.url).pathname;
const packs = readdirSync(RELEASES).filter((name) => name.endsWith(".tar.gz"));
const FIRST = "schema-1.tar.gz";
const SOUND = /^The store is sound \(0 warnings\)\.\n$/;

test("there is a store of the newest schema version; `node test/releases/make.ts` makes one", () => {
  assert.ok(packs.includes(FIRST) && packs.includes(`schema-${newestVersion()}.tar.gz`), packs.join());
});

function unpack(pack: string, { top, store }: Place): void {
  execFileSync("tar", ["-xzf", join(RELEASES, pack), "-C", top, "--no-same-owner"]);
  chmodSync(store, 0o700);
}

/** `hash  path` of every file that a directory shows. */
function sumsOf(directory: string): string[] {
  const find = "find . -path ./.pfs -prune -o -type f -not -name info.json -print0 | xargs -0 sha256sum";
  return linesOf(execFileSync("bash", ["-c", find], { cwd: directory, encoding: "utf8" }));
}

function linesOf(text: string): string[] {
  return text.trimEnd().split("\n").sort();
}

async function rowsOf({ pfs }: Place): Promise<Record<string, unknown>[]> {
  const text = await pfs("log", "--json", "--reverse");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test(`SC-002: a store of ${FIRST}, left by a killed daemon, opens, verifies and shows what was saved; its history goes on`, () =>
  withPlace(async (place) => {
    const { pfs, top, dir } = place;
    unpack(FIRST, place);
    const before = await rowsOf(place);
    assert.ok(before.length > 40);
    assert.match(await pfs("verify"), SOUND);
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
    assert.deepEqual((await rowsOf(place)).slice(0, before.length), before);
    await pfs("stop");
    assert.match(await pfs("verify"), SOUND);
  }));

for (const pack of packs.filter((name) => name !== FIRST)) {
  test(`SC-002: a store of ${pack} opens, verifies and shows base, overlay and conflict as its release did; what it had not pushed is pushed`, () =>
    withPlace(async (place) => {
      const { pfs, top, store, dir, otherDir } = place;
      unpack(pack, place);
      // The remote is where the test has put it.
      const database = new Sqlite(join(store, "pfs.db"));
      assert.equal(`schema-${database.pragma("user_version", { simple: true })}.tar.gz`, pack);
      const remote = `file://${top}/remote`;
      assert.equal(
        database.prepare("UPDATE remote SET log_url = ?, blobs_url = ?").run(remote, remote).changes,
        1,
      );
      const rows = "SELECT seq, entry_hash FROM audit_log ORDER BY seq";
      const before = database.prepare(rows).all();
      database.close();

      assert.match(await pfs("verify"), SOUND);
      await pfs("mount", "my-book", dir, "-o", "agent=ben");
      await pfs("mount", "my-book", otherDir, "-o", "user=alice,agent=alice,delete=hide");
      const told = (name: string): string[] => linesOf(readFileSync(join(top, `${name}.sums`), "utf8"));
      const base = told("base");
      assert.ok(base.length > 8);
      const conflict = join(dir, ".pfs/conflicts/1");
      assert.deepEqual(sumsOf(dir), base);
      assert.deepEqual(sumsOf(otherDir), told("alice"));
      assert.deepEqual(sumsOf(conflict), told("conflict"));

      await pfs("resolve", "1", "--merged");
      await pfs("sync", "my-book");
      const shared = sumsOf(dir).filter((line) => !line.endsWith(".swp"));
      await withPlace(async (other) => {
        await other.pfs("clone", remote, "my-book");
        await other.pfs("mount", "my-book", other.dir, "-o", "agent=ann");
        assert.deepEqual(sumsOf(other.dir), shared);
      });
      await pfs("stop");
      assert.match(await pfs("verify"), SOUND);
      const after = new Sqlite(join(store, "pfs.db"), { readonly: true });
      assert.equal(after.pragma("user_version", { simple: true }), newestVersion());
      assert.deepEqual((after.prepare(rows).all() as unknown[]).slice(0, before.length), before);
      after.close();
    }));
}
