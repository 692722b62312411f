// What happens to commits after they are acknowledged: the checkpointing thread, and SQLite's locks on the database.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, LESSON, SAMPLE, withPlace } from "./harness.ts";

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
