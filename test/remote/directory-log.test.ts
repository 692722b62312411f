// The shared log in a directory: what all of them do, and what is its own.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DirectoryLog } from "../../lib/remote/directory-log.ts";
import { newestSharedVersion } from "../../lib/remote/directory-schema.ts";
import { mountSmallDisk, resizeDisk } from "../lib/small-disk.ts";
import { isError, push, readAll, readFiles, SHARED_BOOK, type SuiteLog } from "./log-fixture.ts";
import { testLogs } from "./log-suite.ts";
import { BOOK, hashOf, RowMaker } from "./shared-rows.ts";
import { runInLog, tamperWithLog } from "./tamper-with-log.ts";

function makeRemote(): SuiteLog {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const directory = join(top, "remote");
  const file = join(directory, "log.db");
  return {
    open: () => new DirectoryLog(directory, { isNew: true }),
    run: async (sql) => runInLog(file, sql.replaceAll("{}", "")),
    tamper: async (sql) => tamperWithLog(file, sql.replaceAll("{}", "")),
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

/** Each makes SQLite do something else than it seems to be asked for; without end, if whoever puts it there wishes. */
const FOREIGN = [
  ["a view in a table's place", "ALTER TABLE book RENAME TO book_; CREATE VIEW book AS SELECT * FROM book_"],
  ["a trigger", "CREATE TRIGGER t AFTER UPDATE ON book BEGIN DELETE FROM claim; END"],
  ["another table's column", "ALTER TABLE book ADD COLUMN more AS (book_id || 'x')"],
  ["an index on an expression", "CREATE INDEX i ON book (hex(book_id))"],
  ["a table more", "CREATE TABLE t (x)"],
  ["an index less", "DROP INDEX hidden_file_id"],
  ["a trigger less", "DROP TRIGGER audit_log_no_replace"],
] as const;

for (const [what, sql] of FOREIGN) {
  test(`directory: a log with ${what} is refused, when it is opened and where it is open`, async () => {
    const remote = makeRemote();
    const [log, later] = [remote.open(), remote.open()];
    const isRefused = isError(
      "STORE_DAMAGED",
      /^The tables of the shared log .*log\.db are not those that pfs makes\.$/,
    );
    try {
      await log.createBook(SHARED_BOOK);
      const rows = [new RowMaker("a").change("a.md", null, "1")];
      await push(log, rows);
      await remote.run(sql);
      for (const each of [log, later]) {
        await assert.rejects(each.findBook(BOOK), isRefused);
        await assert.rejects(each.rowsAfter(BOOK, 0, 1), isRefused);
        await assert.rejects(each.createBook(SHARED_BOOK), isRefused);
        await assert.rejects(push(each, rows), isRefused);
        await assert.rejects(each.snapshot(BOOK), isRefused);
        await assert.rejects(each.probe(), isRefused);
      }
    } finally {
      await Promise.all([log.close(), later.close()]);
      await remote.remove();
    }
  });
}

test("directory: a log whose version was set back is refused, too, and nothing is done to it", async () => {
  const remote = makeRemote();
  const log = remote.open();
  try {
    for (const version of [0, 1]) {
      await log.createBook(SHARED_BOOK);
      await remote.run(`PRAGMA user_version = ${version}; CREATE TABLE t (x)`);
      await assert.rejects(
        remote.open().findBook(BOOK),
        isError("STORE_DAMAGED", /are not those that pfs makes/),
      );
      await remote.run(`PRAGMA user_version = ${newestSharedVersion()}; DROP TABLE t`);
    }
    assert.ok(await log.findBook(BOOK));
  } finally {
    await log.close();
    await remote.remove();
  }
});

test("directory: whoever waits for rows asks nothing of a log with foreign tables, and goes on once they are gone", async () => {
  const remote = makeRemote();
  const log = remote.open();
  const told: number[] = [];
  const isTold = Promise.withResolvers<void>();
  try {
    await log.createBook(SHARED_BOOK);
    await push(log, [new RowMaker("a").change("a.md", null, "1")]);
    await remote.run("CREATE TABLE t (x)");
    log.watch((_, seq) => {
      told.push(seq);
      isTold.resolve();
    });
    // It has looked once then.
    await nextTurn();
    assert.deepEqual(told, []);
    await remote.run("DROP TABLE t");
    await isTold.promise;
    assert.deepEqual(told, [1]);
  } finally {
    await log.close();
    await remote.remove();
  }
});

test("directory: a link in the place of the log is refused, wherever it leads, and nothing is made there", async () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const other = new DirectoryLog(join(top, "other"), { isNew: true });
  try {
    await other.createBook(SHARED_BOOK);
    for (const [name, target] of [
      ["linked", join(top, "other/log.db")],
      ["dangling", join(top, "missing")],
    ] as const) {
      mkdirSync(join(top, name));
      symlinkSync(target, join(top, name, "log.db"));
      for (const isNew of [false, true]) {
        const log = new DirectoryLog(join(top, name), { isNew });
        await assert.rejects(log.findBook(BOOK), isError("CORRUPT", /log\.db is no file/));
        await assert.rejects(log.probe(), isError("CORRUPT", /log\.db is no file/));
      }
    }
    assert.equal(existsSync(join(top, "missing")), false);
  } finally {
    await other.close();
    rmSync(top, { recursive: true });
  }
});
