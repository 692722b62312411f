// The store: one owner, what it refuses to open and leaves untouched, transactions and their hooks, a full disk.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { Library } from "../../lib/library.ts";
import { Store } from "../../lib/store.ts";
import { Errno, errnoOf, PfsError } from "../../schema/errors.ts";
import { ALICE, BookFixture, closing, withBook } from "./book-fixture.ts";
import { resizeDisk, withSmallDisk } from "./small-disk.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

function withDirectory(use: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function isCode(code: string, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PfsError, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Opens what must be refused, twice, and compares the bytes. */
function assertRefusedUntouched(directory: string, code: string, words: RegExp): void {
  const before = digestOf(join(directory, "pfs.db"));
  for (let round = 0; round < 2; round++) {
    assert.throws(() => Library.open(directory), isCode(code, words));
    assert.equal(digestOf(join(directory, "pfs.db")), before, "untouched");
  }
}

test("D1: a second owner is refused with the first one's process id, in this process and in another", () => {
  withBook((book) => {
    const words = new RegExp(`in use by process ${process.pid}\\.`);
    assert.throws(() => Store.open(book.directory), isCode("STORE_BUSY", words));
    const script = `import { Store } from ${JSON.stringify(join(import.meta.dirname, "../../lib/store.ts"))};
      try { Store.open(process.argv[1]); } catch (error) { console.log(error.code, error.message); }`;
    const other = spawnSync(process.execPath, ["--input-type=module", "-e", script, book.directory], {
      encoding: "utf8",
    });
    assert.match(other.stdout, /^STORE_BUSY .* in use by process /);
    assert.match(other.stdout, words);
    book.write("x", "still mine");
    assertSound(book.library);
  });
});

test("without create, a store that is not there is NOT_FOUND and not made", () => {
  withDirectory((directory) => {
    assert.throws(
      () => Store.open(directory, { create: false }),
      isCode("NOT_FOUND", /There is no store in/),
    );
    assert.deepEqual(readdirSync(directory), []);
  });
});

test("a garbage, truncated or foreign database, or one of a newer pfs, is refused and left untouched", () => {
  withDirectory((directory) => {
    const book = new BookFixture(directory, {});
    for (let number = 0; number < 50; number++) book.write(`file-${number}`, randomBytes(2000));
    book.close();
    const file = join(directory, "pfs.db");
    const good = readFileSync(file);

    writeFileSync(file, randomBytes(50_000));
    assertRefusedUntouched(directory, "STORE_DAMAGED", /does not begin as a SQLite database/);
    writeFileSync(file, "short");
    assertRefusedUntouched(directory, "STORE_DAMAGED", /does not begin as a SQLite database/);

    for (const size of [0, 50, 4096, 8192, good.byteLength - 4096]) {
      writeFileSync(file, good);
      truncateSync(file, size);
      assertRefusedUntouched(directory, "STORE_DAMAGED", /cut short|does not begin|is empty/);
    }

    rmSync(file);
    for (const mode of ["DELETE", "WAL"]) {
      const foreign = new Sqlite(file);
      foreign.pragma(`journal_mode = ${mode}`);
      foreign.exec("CREATE TABLE IF NOT EXISTS recipes (title TEXT)");
      foreign.close();
      assertRefusedUntouched(directory, "STORE_DAMAGED", /not a store of pfs/);
      assert.deepEqual(
        readdirSync(directory).filter((name) => name.startsWith("pfs.db")),
        ["pfs.db"],
      );
    }

    writeFileSync(file, good);
    const newer = new Sqlite(file);
    newer.pragma("user_version = 9999");
    newer.close();
    assertRefusedUntouched(directory, "UNSUPPORTED_VERSION", /version 9999; this pfs knows up to/);

    writeFileSync(file, good);
    const again = new BookFixture(directory, {});
    assertSound(again.library);
    again.close();
  });
});

test("a foreign database that was not closed in order is refused with its log untouched", () => {
  withDirectory((directory) => {
    const file = join(directory, "pfs.db");
    const script = `const Sqlite = require(process.argv[2]); const db = new Sqlite(process.argv[1]);
      db.pragma("journal_mode = WAL"); db.exec("CREATE TABLE recipes (title TEXT)"); process.kill(process.pid, "SIGKILL");`;
    const sqlite = join(import.meta.dirname, "../../node_modules/better-sqlite3");
    spawnSync(process.execPath, ["-e", script, file, sqlite]);
    const before = digestOf(`${file}-wal`);
    assertRefusedUntouched(directory, "STORE_DAMAGED", /not a store of pfs/);
    assert.equal(digestOf(`${file}-wal`), before);
  });
});

test("a transaction within a transaction is undone with it; memory goes back with the store", () => {
  withBook((book) => {
    const { store, log } = book.library;
    book.write("x", "1");
    const { seq, head } = log;
    const told: string[] = [];
    assert.throws(() => {
      store.transaction(() => {
        store.afterCommit(() => told.push("commit"));
        store.afterRollback(() => told.push("first"));
        store.afterRollback(() => told.push("second"));
        book.unlink("x");
        throw new Error("undone");
      });
    }, /undone/);
    assert.deepEqual(told, ["second", "first"]);
    assert.deepEqual([log.seq, log.head], [seq, head]);
    assert.equal(book.worktree.hasVacancies, false);
    assert.equal(book.text("x"), "1");
    assertSound(book.library);
  });
});

test("a listener that throws fails no save, and the others are told", (t) => {
  const warnings = t.mock.method(process, "emitWarning", () => {});
  withBook((book) => {
    const told: string[] = [];
    book.library.log.onRow(() => {
      throw new Error("a bad listener");
    });
    book.worktree.onChange(({ type }) => told.push(type));
    book.write("x", "1");
    assert.ok(told.includes("content"));
    assert.equal(book.text("x"), "1");
    assert.equal(warnings.mock.callCount(), 1);
    assertSound(book.library);
  });
});

test("FULL: where the reserve is not left a write is refused, nothing is torn, and reading goes on", () => {
  withBook(
    (book) => {
      assert.throws(() => book.library.store.checkSpace(0), isCode("FULL", /is full/));
      const file = book.create("x");
      assert.throws(() => file.write(0, Buffer.alloc(10), ALICE), isCode("FULL", /is full/));
      assert.equal(book.worktree.refusals.list().at(-1)?.code, "FULL");
      closing(file, ALICE, () => file.truncate(0, ALICE));
      assert.throws(() => book.makeDirectory("d"), isCode("FULL", /is full/));
      assert.equal(book.text("x"), "");
      book.unlink("x");
      book.settle();
      assertSound(book.library);
      assertAtRest(book.library);
    },
    { store: { reserveBytes: 2 ** 60 } },
  );
});

const TMPFS_BYTES = 6 * 1024 * 1024;

/** Writes until the disk is full; answers what was acknowledged. */
function fill(book: BookFixture, sizeBytes: number): Map<string, Buffer> {
  const acknowledged = new Map<string, Buffer>();
  for (let number = 0; ; number++) {
    const bytes = randomBytes(sizeBytes);
    try {
      book.write(`file-${number}`, bytes);
    } catch (error) {
      assert.equal(errnoOf(error), Errno.ENOSPC, `${error}`);
      return acknowledged;
    }
    acknowledged.set(`file-${number}`, bytes);
    assert.ok(number < 10_000, "a small disk is full at some time");
  }
}

for (const [name, sizeBytes, reserveBytes] of [
  ["small files, with the reserve", 20_000, undefined],
  ["small files, to the last byte", 20_000, 0],
  ["large files, with the reserve", 300_000, undefined],
  ["large files, to the last byte", 300_000, 0],
] as const) {
  test(`FULL: a full disk is ENOSPC, nothing is torn, and with space it goes on (${name})`, () => {
    withSmallDisk(TMPFS_BYTES, (directory) => {
      const store = reserveBytes === undefined ? {} : { reserveBytes };
      const book = new BookFixture(directory, { store });
      try {
        const acknowledged = fill(book, sizeBytes);
        assert.ok(acknowledged.size > 2);
        for (const [path, bytes] of acknowledged) assert.deepEqual(book.bytes(path), bytes, path);
        assertSound(book.library);
        assertAtRest(book.library);
        const scratch = book.find("scratch.tmp");
        assert.equal(scratch, undefined);
        resizeDisk(directory, 3 * TMPFS_BYTES);
        book.write("after", randomBytes(sizeBytes));
        const file = book.open("after");
        closing(file, ALICE, () => file.write(0, Buffer.from("more"), ALICE));
        assertSound(book.library);
        book.reopen();
        for (const [path, bytes] of acknowledged) assert.deepEqual(book.bytes(path), bytes, path);
        assertSound(book.library);
        assertAtRest(book.library);
      } finally {
        book.close();
      }
    });
  });
}
