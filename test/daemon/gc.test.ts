// `pfs gc` with and without a daemon, while programs save, and with the daemon killed in the midst of it.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, isAlive, PFS, type Place, withPlace } from "./harness.ts";

const SMALL = "refused\n";
const LARGE = SMALL.repeat(25_000);

/** A small and a large write that are refused, and given up. */
async function makeGarbage({ env, pfs }: Place): Promise<void> {
  for (const [path, input] of [
    ["small.md", SMALL],
    ["large.md", LARGE],
  ] as const) {
    const write = (bytes: string, ...more: string[]) =>
      spawnSync(process.execPath, [PFS, "write", "my-book", path, "--agent", "ann", ...more], {
        env,
        input: bytes,
        encoding: "utf8",
      });
    assert.equal(write("base\n").status, 0);
    const refused = write(input, "--expect", "0".repeat(64));
    assert.match(refused.stderr, /\.pfs\/conflicts/);
  }
  for (const line of (await pfs("conflicts", "--json")).trim().split("\n"))
    await pfs("resolve", String(JSON.parse(line).id), "--theirs", "--agent", "ann");
}

async function gc({ pfs }: Place, ...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await pfs("gc", "--json", ...args));
}

const ALL = { blobs: 2, files: 0, size_bytes: SMALL.length + LARGE.length, kept_for_remote: 0 };

test("gc: without a daemon; --dry-run changes nothing", () =>
  withPlace(async (place) => {
    const { pfs } = place;
    await pfs("init", "my-book", "--schema", "any");
    assert.equal(await pfs("gc"), "There is nothing to remove.\n");
    await makeGarbage(place);
    assert.deepEqual(await gc(place, "--dry-run"), { dry_run: true, ...ALL });
    assert.equal(await pfs("gc", "--dry-run"), "Would remove 2 blobs and 0 stray files (200 KB).\n");
    assert.deepEqual(await gc(place), { dry_run: false, ...ALL });
    assert.deepEqual((await gc(place)).blobs, 0);
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
  }));

test("gc: beside a daemon, while a program saves; a daemon killed meanwhile leaves a sound store", () =>
  withPlace(async (place) => {
    const { pfs, dir, start } = place;
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, "-o", "agent=ann");
    await makeGarbage(place);
    const writer = start(
      "-e",
      `const fs = require("node:fs");
       for (let at = 0; ; at++) {
         fs.writeFileSync(process.argv[1] + "/w" + (at % 5) + ".md", "save " + at + "\\n");
         fs.writeSync(1, at + "\\n");
       }`,
      dir,
    );
    await writer.until(/^5$/);
    assert.deepEqual(await gc(place), { dry_run: false, ...ALL });
    await makeGarbage(place);
    const { pid } = await place.status();
    const told = once(writer.child, "close");
    const collecting = place.run("gc");
    await eventually("saves go on", () => writer.stdout.length > 50);
    process.kill(pid as number, "SIGKILL");
    await collecting;
    await eventually("the daemon has ended", () => !isAlive(pid as number));
    await told;
    execFileSync("umount", ["-l", dir]);
    await gc(place);
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    const last = Number(writer.stdout.at(-1));
    await pfs("mount", "my-book", dir, "-o", "agent=ann");
    // One more may have been saved and not told.
    const saved = await readFile(join(dir, `w${last % 5}.md`), "utf8");
    assert.equal(saved, `save ${last}\n`);
    await writeFile(join(dir, "after.md"), SMALL);
    assert.equal((await gc(place)).blobs, 0);
  }));
