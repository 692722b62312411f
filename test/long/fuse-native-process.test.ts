// The transport fuse-native through a real daemon: a book mounts, saves and unmounts by it, and what ends either process leaves
// nothing behind.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { eventually, isAlive, LESSON, SAMPLE, withPlace } from "../daemon/harness.ts";

const NATIVE = ["--transport", "fuse-native"];

/** The process that mounts for a daemon. */
function bridgeOf(directory: string): number {
  const found = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words[1]?.includes("bridge-process") === true && words[2]?.includes(`"${directory}"`) === true;
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
  assert.equal(found.length, 1, `one process mounts ${directory}`);
  return Number(found[0]);
}

test("transport fuse-native: saves are checked by the schema, logged and there on a mount beside it; unmounted, its process is gone", () =>
  withPlace(async ({ pfs, run, dir, otherDir, status }) => {
    await pfs("init", "my-book", "--schema", "strict");
    await pfs("import", "my-book", SAMPLE);
    const { stdout, stderr } = await run("mount", "my-book", dir, "-o", "agent=ann", ...NATIVE);
    assert.match(stdout, /\(rw,check=off,transport=fuse-native, agent ann\)/);
    assert.match(stderr, /fuse-native does not say which program saves.*check=off/);
    await pfs("mount", "my-book", otherDir, "-o", "agent=bob");
    assert.deepEqual(
      (await status()).mounts.map(({ options }) => options),
      ["rw,check=off,transport=fuse-native", "rw"],
    );
    await writeFile(join(dir, LESSON), "# From ann\n");
    assert.equal(await readFile(join(otherDir, LESSON), "utf8"), "# From ann\n");
    await writeFile(join(otherDir, LESSON), "# From bob\n");
    assert.equal(await readFile(join(dir, LESSON), "utf8"), "# From bob\n");
    const hash = await readFile(join(dir, ".pfs/manifest.hash"), "utf8");
    assert.equal(hash, await readFile(join(otherDir, ".pfs/manifest.hash"), "utf8"));
    await assert.rejects(writeFile(join(dir, "content/not-a-lesson.exe"), ""), { code: "EINVAL" });
    const log = await pfs("log", "my-book", LESSON);
    assert.match(log, /ann/);
    assert.match(log, /bob/);
    const bridge = bridgeOf(dir);
    await pfs("umount", dir);
    await eventually("its process has ended", () => !isAlive(bridge));
    assert.equal(await mountState(dir), "none");
    await pfs("verify");
  }));

test("transport fuse-native: a daemon that is killed takes its process along, and one that loses it has a mount less, and clears what is left of it", () =>
  withPlace(async ({ pfs, store, dir, status }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, ...NATIVE);
    await writeFile(join(dir, "a.md"), "kept\n");
    const bridge = bridgeOf(dir);
    process.kill((await status()).pid as number, "SIGKILL");
    await eventually("its process has ended", () => !isAlive(bridge));
    assert.equal(await mountState(dir), "stale");
    await pfs("mount", "my-book", dir, ...NATIVE);
    assert.equal(await readFile(join(dir, "a.md"), "utf8"), "kept\n");
    const file = await open(join(dir, "b.md"), "w");
    await file.write("not closed\n");
    process.kill(bridgeOf(dir), "SIGKILL");
    await assert.rejects(file.close(), { code: /^(ENOTCONN|ECONNABORTED)$/ });
    await eventually("the mount is gone", async () => (await status()).mounts.length === 0);
    await eventually("nothing is left of it", async () => (await mountState(dir)) === "none");
    assert.match(readFileSync(join(store, "pfsd.log"), "utf8"), /The process that served .* has ended/);
    await pfs("mount", "my-book", dir);
    assert.equal(await readFile(join(dir, "a.md"), "utf8"), "kept\n");
    assert.equal(await readFile(join(dir, "b.md"), "utf8"), "not closed\n");
  }));

test("transport fuse-native: while its process hangs other mounts are served, it can be unmounted, and the daemon ends", () =>
  withPlace(async ({ pfs, dir, otherDir, status }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, ...NATIVE);
    await pfs("mount", "my-book", otherDir);
    process.kill(bridgeOf(dir), "SIGSTOP");
    await writeFile(join(otherDir, "a.md"), "served\n");
    await pfs("umount", dir);
    assert.deepEqual(
      (await status()).mounts.map(({ directory }) => directory),
      [otherDir],
    );
    await pfs("mount", "my-book", dir, ...NATIVE);
    assert.equal(await readFile(join(dir, "a.md"), "utf8"), "served\n");
    const bridge = bridgeOf(dir);
    process.kill(bridge, "SIGSTOP");
    // Asks the mount, too: the daemon has a thread that waits for it.
    const daemon = (await status()).pid as number;
    assert.match(await pfs("status"), /1 of 2 mounts do not answer/);
    await pfs("stop");
    await eventually("both processes have ended", () => !isAlive(daemon) && !isAlive(bridge));
    assert.equal(await mountState(dir), "none");
    await pfs("verify");
  }));

test("transport fuse-native: what needs to know who asks is refused before anything is mounted", () =>
  withPlace(async ({ pfs, run, dir }) => {
    await pfs("init", "my-book", "--schema", "any");
    for (const [options, reason] of [
      ["check=seen", /goes with check=off only/],
      ["check=require", /goes with check=off only/],
      ["allow_other", /does not go with allow_other/],
    ] as const) {
      const { code, stderr } = await run("mount", "my-book", dir, "-o", options, ...NATIVE);
      assert.notEqual(code, 0);
      assert.match(stderr, reason);
    }
    const { stderr } = await run("mount", "my-book", dir, "--transport", "carrier-pigeon");
    assert.match(stderr, /transport needs kernel or fuse-native/);
    assert.equal(await mountState(dir), "none");
  }));

test("transport fuse-native: programs that read and write much at once are all answered", () =>
  withPlace(async ({ pfs, dir }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, "-o", "agent=ann", ...NATIVE);
    const bytes = Buffer.alloc(16 * 1024 * 1024, "much of it\n");
    const names = ["a", "b", "c", "d", "e", "f"].map((name) => join(dir, `${name}.md`));
    for (const name of names) await writeFile(name, bytes);
    const copies = names.map((name) => promisify(execFile)("cp", [name, `${name}.copy.md`]));
    const reads = names.map((name) => promisify(execFile)("cmp", [name, name.replace("/a.md", "/b.md")]));
    await Promise.all([...copies, ...reads]);
    for (const name of names) assert.ok((await readFile(`${name}.copy.md`)).equals(bytes));
    await pfs("umount", dir);
  }));
