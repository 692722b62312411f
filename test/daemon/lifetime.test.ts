// How daemons begin and end: one per store, in the background or here, killed, stopped.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { appendFile, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { eventually, isAlive, LESSON, PFS, PFSD, SAMPLE, withPlace } from "./harness.ts";

test("D1: a second daemon on the same store is refused, in one sentence with the first one's pid", () =>
  withPlace(async ({ start, run, store }) => {
    const first = start(PFS, "up");
    await first.until(/^Serving the store /);
    const second = start(PFSD);
    assert.equal(await second.exit, 1);
    assert.equal(second.stderr[0], `pfs: The store ${store} is in use by process ${first.pid}.`);
    const third = await run("up");
    assert.equal(third.code, 1);
    assert.match(third.stderr, new RegExp(`in use by process ${first.pid}\\.`));
    assert.equal(isAlive(first.pid), true);
  }));

test("kill -9, and the next mount clears the stale one: nothing that was saved is lost", () =>
  withPlace(async ({ pfs, dir, status }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    await appendFile(join(dir, LESSON), "saved before the kill\n");
    const { pid } = await status();
    process.kill(Number(pid), "SIGKILL");
    await eventually("the daemon has ended", () => !isAlive(Number(pid)));
    assert.equal(await mountState(dir), "stale");
    assert.equal((await status()).pid, null);
    await pfs("mount", "my-book", dir);
    assert.match(await readFile(join(dir, LESSON), "utf8"), /saved before the kill\n$/);
    assert.notEqual((await status()).pid, pid);
    await pfs("stop");
    assert.equal(await mountState(dir), "none");
    assert.match(await pfs("verify"), /^The store is sound/);
  }));

test("umount clears what a killed daemon has left, without a daemon", () =>
  withPlace(async ({ pfs, run, dir, status }) => {
    await pfs("init", "my-book");
    await pfs("mount", "my-book", dir);
    const { pid } = await status();
    process.kill(Number(pid), "SIGKILL");
    await eventually("the daemon has ended", () => !isAlive(Number(pid)));
    await pfs("umount", dir);
    assert.equal(await mountState(dir), "none");
    const again = await run("umount", dir);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /^pfs: Cannot unmount .*: nothing is mounted there\.\n/);
  }));

test("SIGTERM while a book is being mounted leaves no mount behind", () =>
  withPlace(async ({ pfs, start, dir }) => {
    await pfs("init", "my-book");
    for (let round = 0; round < 3; round++) {
      const here = start(PFS, "mount", "-f", "my-book", dir);
      // The kernel has the mount before the daemon serves it: without a pause, to be there in between.
      await new Promise((resolve) => setImmediate(resolve));
      const deadlineMs = performance.now() + 10_000;
      while (!readFileSync("/proc/self/mountinfo", "utf8").includes(` ${dir} `))
        assert.ok(performance.now() < deadlineMs, here.stderr.join("\n"));
      here.child.kill("SIGTERM");
      assert.equal(await here.exit, 0, here.stderr.join("\n"));
      assert.equal(await mountState(dir), "none");
    }
  }));

test("in the foreground it tells saves and refusals as they happen, and SIGTERM unmounts and ends it in order", () =>
  withPlace(async ({ pfs, start, dir, store }) => {
    await pfs("import", "my-book", SAMPLE);
    const here = start(PFS, "mount", "-f", "my-book", dir, "-o", "agent=alice");
    await here.until(/ mounted +my-book on /);
    await appendFile(join(dir, LESSON), "more\n");
    await here.until(new RegExp(`^\\d\\d:\\d\\d:\\d\\d {2}saved +${LESSON} {2}\\(alice, .+\\)$`));
    await assert.rejects(writeFile(join(dir, "notes.txt"), ""), { code: "EINVAL" });
    await here.until(/^\d\d:\d\d:\d\d {2}refused +notes\.txt {2}\(alice, /);
    await here.until(/SCHEMA_VIOLATION: notes\.txt has no place/);
    here.child.kill("SIGTERM");
    assert.equal(await here.exit, 0);
    assert.equal(await mountState(dir), "none");
    assert.deepEqual(
      (await readdir(store)).filter((name) => /sock|wal|shm/.test(name)),
      [],
    );
    assert.deepEqual(here.stderr, []);
  }));

test("mounts asked for at the same time, with no daemon yet, all come to one", () =>
  withPlace(async ({ pfs, run, dir, otherDir, status }) => {
    await pfs("init", "my-book");
    const outcomes = await Promise.all([run("mount", "my-book", dir), run("mount", "my-book", otherDir)]);
    assert.deepEqual(
      outcomes.map(({ code, stderr }) => ({ code, stderr })),
      [
        { code: 0, stderr: "" },
        { code: 0, stderr: "" },
      ],
    );
    assert.equal((await status()).mounts.length, 2);
  }));

test("a mount that fails is explained in one sentence, and leaves no daemon behind that it has started", () =>
  withPlace(async ({ pfs, run, dir, store, status }) => {
    await pfs("init", "my-book");
    const unknown = await run("mount", "no-such-book", dir);
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.stderr,
      /^pfs: There is no book no-such-book in the store .*\n {2}It holds: my-book\.\n$/,
    );
    const nowhere = await run("mount", "my-book", join(dir, "nowhere"));
    assert.equal(nowhere.code, 1);
    assert.match(
      nowhere.stderr,
      /^pfs: Cannot mount .*nowhere: there is no such directory\.\n {2}Make it with /,
    );
    const over = await run("mount", "my-book", join(store, ".."));
    assert.match(over.stderr, /^pfs: Cannot mount .*: the store .* is in it\.\n/);
    assert.equal((await status()).pid, null);
    assert.equal(existsSync(join(store, "pfsd.sock")), false);
  }));

test("a store that is damaged keeps the daemon from starting, and the command says why", () =>
  withPlace(async ({ pfs, run, dir, store }) => {
    await pfs("init", "my-book");
    await writeFile(join(store, "pfs.db"), "garbage\n".repeat(1000));
    const { code, stderr } = await run("mount", "my-book", dir);
    assert.equal(code, 1);
    assert.match(stderr, /^pfs: The store's database .*pfs\.db is damaged: .*\n {2}It was left as it is\. /);
    assert.equal(await readFile(join(store, "pfs.db"), "utf8"), "garbage\n".repeat(1000));
  }));
