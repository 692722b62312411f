// A store whose database is gone, empty, or cut short beside its write-ahead log is refused by everybody and left as it is,
// with its scratch; one whose making was cut off is made.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs, {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { Library } from "../../lib/library.ts";
import { StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import { BookFixture } from "./book-fixture.ts";
import { assertSound } from "./soundness.ts";

function withFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs `script`, a module that ends by killing itself. */
function runKilled(script: string, ...args: string[]): void {
  const { signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, ...args], {
    encoding: "utf8",
  });
  assert.equal(signal, "SIGKILL", stderr);
}

function importing(name: string, from: string): string {
  return `import { ${name} } from ${JSON.stringify(join(import.meta.dirname, from))};`;
}

const KILLED_OWNER = `
  ${importing("BookFixture", "book-fixture.ts")}
  import { randomBytes } from "node:crypto";
  const book = new BookFixture(process.argv[1], {});
  for (let number = 0; number < 100; number++) book.write("before-" + number, randomBytes(2000));
  book.write("x.tmp", "scratch");
  book.library.store.checkpoint();
  for (let number = 0; number < 20; number++) book.write("after-" + number, randomBytes(2000));
  book.write("large", randomBytes(300_000));
  process.kill(process.pid, "SIGKILL");
`;

/** All files with what is in them, but what every look at a store writes: a lock of nobody, and SQLite's index of its log. */
function contentsOf(directory: string): Record<string, string> {
  const contents: Record<string, string> = {};
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(directory, name);
    if (name === "pfs.db-shm" || !statSync(path).isFile()) continue;
    if (name === "lock" && statSync(path).size === 0) continue;
    contents[name] = createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  return contents;
}

const WAYS: Record<string, (directory: string) => { close(): void }> = {
  "an owner": (directory) => Library.open(directory),
  "an owner that makes none": (directory) => Library.open(directory, { create: false }),
  "a reader": (directory) => StoreReader.open(directory),
};

function assertRefused(directory: string, words: RegExp, what: string): void {
  const before = contentsOf(directory);
  for (const [way, open] of Object.entries(WAYS)) {
    assert.throws(
      () => open(directory).close(),
      (error) => {
        assert.ok(error instanceof PfsError, `${error}`);
        assert.equal(error.code, "STORE_DAMAGED", `${what}, ${way}: ${error.message}`);
        assert.match(error.message, words);
        assert.match(error.hint ?? "", /(Nothing was changed|left as it is)\. .*name another store/);
        return true;
      },
      `${what}, ${way}`,
    );
    assert.deepEqual(contentsOf(directory), before, `${what}, ${way}`);
  }
}

test("a store whose database is missing, empty or without a table is no new one: refused, untouched, its scratch too", () => {
  withFolder((folder) => {
    const killed = join(folder, "killed");
    runKilled(KILLED_OWNER, killed);
    const closed = join(folder, "closed");
    cpSync(killed, closed, { recursive: true });
    Library.open(closed).close();
    const bare = join(folder, "bare.db");
    const database = new Sqlite(bare);
    database.pragma("journal_mode = WAL");
    database.close();

    // What is left of the store, so that each trace is enough by itself.
    const leavings: Record<string, [from: string, keep: RegExp]> = {
      "a killed owner's": [killed, /./],
      "a closed one's": [closed, /./],
      "the log": [killed, /^pfs\.db-wal$/],
      scratch: [killed, /^(lock|scratch)/],
      objects: [killed, /^objects/],
      "the last head": [closed, /^audit-last-head/],
      "the key": [closed, /^audit-key/],
    };
    for (const [what, [from, keep]] of Object.entries(leavings)) {
      for (const damage of ["missing", "empty", "without a table"]) {
        // SQLite reads the log then, and finds the store in it, or that it is another database's.
        if (damage === "without a table" && ["a killed owner's", "the log"].includes(what)) continue;
        const directory = join(folder, "store");
        cpSync(from, directory, {
          recursive: true,
          filter: (path) => path === from || keep.test(path.slice(from.length + 1)),
        });
        const file = join(directory, "pfs.db");
        rmSync(file, { force: true });
        if (damage === "empty") writeFileSync(file, "");
        if (damage === "without a table") cpSync(bare, file);
        assertRefused(directory, /is (missing|empty)|has no table/, `${what}, ${damage}`);
        rmSync(directory, { recursive: true });
      }
    }
    // With its database it is the store that it was.
    const book = new BookFixture(killed, {});
    assert.equal(book.text("x.tmp"), "scratch");
    assertSound(book.library);
    book.close();
  });
});

test("a database that is cut short beside its write-ahead log is refused, however much is cut, and left as it is", () => {
  withFolder((folder) => {
    const killed = join(folder, "killed");
    runKilled(KILLED_OWNER, killed);
    const pages = statSync(join(killed, "pfs.db")).size / 4096;
    assert.ok(statSync(join(killed, "pfs.db-wal")).size > 0);
    for (const kept of [1, 2, 10, Math.floor(pages / 2), pages - 10]) {
      const directory = join(folder, "store");
      cpSync(killed, directory, { recursive: true });
      truncateSync(join(directory, "pfs.db"), kept * 4096);
      assertRefused(
        directory,
        /is damaged: (it is cut short|database disk image is malformed)/,
        `${kept} pages`,
      );
      rmSync(directory, { recursive: true });
    }
  });
});

test("a store whose file ends before its last page is whole where that page is in the log, or was never written", () => {
  withFolder((folder) => {
    const directory = join(folder, "store");
    // The pages of what comes and goes in one transaction are free again before they are written.
    runKilled(
      `${importing("BookFixture", "book-fixture.ts")}
       const book = new BookFixture(process.argv[1], {});
       book.library.store.checkpoint();
       book.write("x", "in the log only");
       const { database } = book.library.store;
       database.exec("BEGIN; CREATE TABLE large AS SELECT randomblob(100000); DROP TABLE large; COMMIT");
       process.kill(process.pid, "SIGKILL");`,
      directory,
    );
    const reader = StoreReader.open(directory);
    const pages = reader.database.pragma("page_count", { simple: true }) as number;
    reader.close();
    assert.ok(statSync(join(directory, "pfs.db")).size < pages * 4096);
    const book = new BookFixture(directory, {});
    assert.equal(book.text("x"), "in the log only");
    assertSound(book.library);
    book.close();
  });
});

test("a store whose making is cut off at any of its steps is none yet, and is made by the next owner", (t) => {
  withFolder((folder) => {
    const directory = join(folder, "store");
    // What a kill would leave, before each call by which the store is made.
    const left: string[] = [];
    let isCopying = false;
    const copyBefore = (owner: object, name: string): void => {
      const act = Reflect.get(owner, name) as (...args: unknown[]) => unknown;
      t.mock.method(
        owner as Record<string, () => unknown>,
        name,
        function (this: unknown, ...args: unknown[]) {
          if (!isCopying && existsSync(directory)) {
            isCopying = true;
            const copy = join(folder, `${left.length}`);
            cpSync(directory, copy, { recursive: true });
            left.push(copy);
            isCopying = false;
          }
          return Reflect.apply(act, this, args);
        },
      );
    };
    for (const name of ["mkdirSync", "openSync", "writeSync"]) copyBefore(fs, name);
    for (const name of ["pragma", "exec"]) copyBefore(Sqlite.prototype, name);
    syncBuiltinESMExports();
    const library = Library.open(directory);
    t.mock.restoreAll();
    syncBuiltinESMExports();
    library.close();

    const states = new Set<string>();
    for (const copy of left) {
      const file = join(copy, "pfs.db");
      states.add(!existsSync(file) ? "missing" : statSync(file).size === 0 ? "empty" : "begun");
      try {
        StoreReader.open(copy).close();
      } catch (error) {
        assert.ok(error instanceof PfsError, `${error}`);
        // Tables are made one version after the other.
        assert.ok(["NOT_FOUND", "UNSUPPORTED_VERSION"].includes(error.code), error.message);
      }
      const book = new BookFixture(copy, {});
      book.write("x", randomBytes(300_000));
      assertSound(book.library);
      book.close();
    }
    assert.deepEqual([...states], ["missing", "empty", "begun"]);
  });
});

test("a store that has just been made has its tables in the database's file, before anything is put beside it", () => {
  withFolder((folder) => {
    const directory = join(folder, "store");
    mkdirSync(directory);
    runKilled(
      `${importing("Library", "../../lib/library.ts")}
       Library.open(process.argv[1]); process.kill(process.pid, "SIGKILL");`,
      directory,
    );
    for (const rest of ["-wal", "-shm"]) rmSync(join(directory, `pfs.db${rest}`));
    StoreReader.open(directory).close();
  });
});
