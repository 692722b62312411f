// What happens to commits after they are acknowledged: the checkpointing thread, and SQLite's locks on the database.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, execute, LESSON, SAMPLE, withPlace } from "./harness.ts";

test("commits move from the write-ahead log into the database by themselves, while the daemon runs", () =>
  withPlace(async ({ pfs, dir, store }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    const databaseBytes = (): number => statSync(join(store, "pfs.db")).size;
    const before = databaseBytes();
    for (let round = 0; round < 10; round++) await writeFile(join(dir, LESSON), `${round}`.repeat(50_000));
    await eventually("the database has the new bytes", () => databaseBytes() > before + 450_000);
    // Once it is all there the log starts over instead of growing.
    const walBytes = statSync(join(store, "pfs.db-wal")).size;
    for (let round = 0; round < 3; round++) {
      const present = databaseBytes();
      await writeFile(join(dir, LESSON), `again ${round}`.repeat(10_000));
      await eventually("the database has the new bytes", () => databaseBytes() > present);
    }
    assert.ok(statSync(join(store, "pfs.db-wal")).size <= walBytes + 100_000);
  }));

/** Saves without a pause until the log was cut, which is when it starts over; a minute at the most. */
const WITHOUT_PAUSE = `
import os, sys, time
directory, log = sys.argv[1:]
end, largest = time.time() + 60, 0
for number in range(10**9):
    with open(f"{directory}/file-{number % 50}", "wb") as file: file.write(os.urandom(15000))
    if number % 50: continue
    size = os.stat(log).st_size
    if size < largest: break
    if time.time() > end: sys.exit(f"{number} saves, a log of {size} bytes")
    largest = size
`;

test("under a writer that never pauses the write-ahead log starts over all the same", () =>
  withPlace(async ({ pfs, dir, store }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    const { code, stderr } = await execute("python3", ["-c", WITHOUT_PAUSE, dir, join(store, "pfs.db-wal")]);
    assert.equal(code, 0, stderr);
    await pfs("verify");
  }));

test("an import without a daemon lets the write-ahead log start over, too", () =>
  withPlace(async ({ pfs, top, store }) => {
    const source = join(top, "source");
    mkdirSync(source);
    for (let index = 0; index < 1200; index++) writeFileSync(join(source, `${index}`), randomBytes(120_000));
    let largest = 0;
    const watching = setInterval(() => {
      const wal = statSync(join(store, "pfs.db-wal"), { throwIfNoEntry: false });
      largest = Math.max(largest, wal?.size ?? 0);
    }, 20);
    try {
      await pfs("import", "my-book", source);
    } finally {
      clearInterval(watching);
    }
    assert.ok(largest > 0 && largest < 120_000_000, `${largest}`);
  }));

test("SQLite's locks on the database stay in place whatever the daemon is asked to read", () =>
  withPlace(async ({ pfs, dir, store, status }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    const { pid } = await status();
    for (const args of [["verify"], ["log"], ["ls", "my-book"]]) await pfs(...args);
    const inode = statSync(join(store, "pfs.db")).ino;
    // proc_locks(5): kind, advisory, type, process, device:inode. Without one, a stranger that closes the database takes
    // the write-ahead log with it.
    const locks = readFileSync("/proc/locks", "utf8").split("\n");
    const ours = locks.filter((line) => new RegExp(`POSIX .* ${pid} \\S+:${inode} `).test(line));
    assert.ok(ours.length > 0, locks.join("\n"));
  }));
