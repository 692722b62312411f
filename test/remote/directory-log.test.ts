// The shared log in a directory: what all of them do, and what is its own.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import Sqlite from "better-sqlite3";
import { DirectoryLog } from "../../lib/remote/directory-log.ts";
import { mountSmallDisk, resizeDisk } from "../lib/small-disk.ts";
import { isError, push, readAll, readFiles, SHARED_BOOK, type SuiteLog } from "./log-fixture.ts";
import { testLogs } from "./log-suite.ts";
import { BOOK, hashOf, RowMaker } from "./shared-rows.ts";

function makeRemote(): SuiteLog {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const directory = join(top, "remote");
  const run = (sql: string, tampers: boolean): void => {
    const database = new Sqlite(join(directory, "log.db"));
    try {
      if (tampers) {
        database.pragma("ignore_check_constraints = ON");
        for (const name of ["update", "delete"]) database.exec(`DROP TRIGGER IF EXISTS audit_log_no_${name}`);
      }
      database.exec(sql.replaceAll("{}", ""));
    } finally {
      database.close();
    }
  };
  return {
    open: () => new DirectoryLog(directory, { isNew: true }),
    run: async (sql) => run(sql, false),
    tamper: async (sql) => run(sql, true),
    remove: async () => rmSync(top, { recursive: true }),
  };
}

testLogs("directory", async () => makeRemote());

test("directory: W1: of several processes that race for each of many paths, from an empty directory on, one wins it", async () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const directory = join(top, "remote");
  const program = fileURLToPath(new URL("./append-process.ts", import.meta.url));
  const names = ["a", "b", "c", "d"];
  const rounds = 15;
  try {
    const outcomes = await Promise.all(
      names.map(async (name) => {
        const { stdout } = await promisify(execFile)(process.execPath, [
          program,
          directory,
          name,
          `${rounds}`,
        ]);
        return (JSON.parse(stdout) as number[]).map((round) => `${round}.md ${hashOf(name)}`);
      }),
    );
    const won = outcomes.flat().sort();
    assert.equal(won.length, rounds);
    const log = new DirectoryLog(directory);
    try {
      const files = (await readFiles(log)).filter(({ path }) => !path.includes("/"));
      assert.deepEqual(files.map(({ path, hash }) => `${path} ${hash}`).sort(), won);
      assert.equal((await readAll(log)).length, 2 * rounds);
    } finally {
      await log.close();
    }
  } finally {
    rmSync(top, { recursive: true });
  }
});

test("directory: a database that was put in the place of the one that is open is used from then on", async () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const maker = new RowMaker("a");
  const [log, other] = ["one", "two"].map((name) => new DirectoryLog(join(top, name), { isNew: true }));
  assert.ok(log && other);
  try {
    for (const each of [log, other]) await each.createBook(SHARED_BOOK);
    await push(log, [maker.change("a.md", null, "1")]);
    const identity = await other.identity();
    await other.close();
    renameSync(join(top, "one"), join(top, "away"));
    renameSync(join(top, "two"), join(top, "one"));
    assert.equal(await log.identity(), identity);
    assert.equal((await readAll(log)).length, 0);
  } finally {
    await log.close();
    await other.close();
    rmSync(top, { recursive: true });
  }
});

test("directory: R6: a process that is killed while it appends leaves whole batches, and holds nobody up", async () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const program = fileURLToPath(new URL("./append-process.ts", import.meta.url));
  const log = new DirectoryLog(top, { isNew: true });
  try {
    await log.createBook(SHARED_BOOK);
    for (const name of ["a", "b", "c"]) {
      const before = (await log.findBook(BOOK))?.head.seq ?? 0;
      const child = spawn(process.execPath, [program, top, name, "1000000"], { stdio: "ignore" });
      const exit = once(child, "exit");
      // Later ones first meet the paths that the ones before have won.
      while (((await log.findBook(BOOK))?.head.seq ?? 0) < before + 10) await sleep(5);
      child.kill("SIGKILL");
      await exit;
      const rows = await readAll(log);
      assert.equal(rows.length % 2, 0);
      assert.equal((await readFiles(log)).length, rows.length);
    }
  } finally {
    await log.close();
    rmSync(top, { recursive: true });
  }
});

test("directory: on a full disk it says so, and has what it had", async () => {
  const disk = mountSmallDisk(2_000_000);
  try {
    const log = new DirectoryLog(join(disk.directory, "remote"), { isNew: true });
    const maker = new RowMaker("a");
    try {
      await log.createBook(SHARED_BOOK);
      let count = 0;
      const fill = async (): Promise<void> => {
        for (;;) {
          const names = Array.from({ length: 100 }, (_, index) => `${count}/${index}.md`);
          await push(
            log,
            names.map((name) => maker.change(name, null, "1")),
          );
          count++;
        }
      };
      await assert.rejects(fill(), isError("FULL", /has no room left on its disk/));
      assert.ok(count > 0);
      assert.equal((await readAll(log)).length, count * 100);
      resizeDisk(disk.directory, 20_000_000);
      await push(log, [maker.change("a.md", null, "1")]);
    } finally {
      await log.close();
    }
  } finally {
    disk.remove();
  }
});

test("directory: a pipe in the place of the log is refused, and waited for by nobody", async () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    await promisify(execFile)("mkfifo", [join(top, "log.db")]);
    for (const isNew of [false, true]) {
      const log = new DirectoryLog(top, { isNew });
      await assert.rejects(log.findBook(BOOK), isError("CORRUPT", /log\.db is no file/));
      await assert.rejects(log.probe(), isError("CORRUPT", /log\.db is no file/));
    }
  } finally {
    rmSync(top, { recursive: true });
  }
});
