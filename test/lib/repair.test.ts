// `pfs repair` against the damages of damages.ts (every-finding.test.ts has the rarer ones): what log and bytes say is made again,
// and what only a backup can bring back stays as it is and is named.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { Library } from "../../lib/library.ts";
import { StoreReader } from "../../lib/reader.ts";
import { type RepairOutcome, repairStore } from "../../lib/repair.ts";
import { verifyStore } from "../../lib/verify.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import { damages } from "./damages.ts";
import { assertSound } from "./soundness.ts";
import { alice, BOOK, placeOf, save, type TestStore, tamper, withStore } from "./test-store.ts";
import { assertReadable, fillStore, LARGE } from "./verify-samples.ts";

/** Of damages that cannot be mended wholly: the rules of what is left. All others leave nothing. */
const left: Readonly<Record<string, readonly string[]>> = {
  "R6: a row that was removed": ["R6"],
  "R6: rows that changed places": ["I1", "R6"],
  "R7: a row by system": ["R6", "R7"],
  "R7: a row by nobody": ["R6", "R7"],
  "R2: bytes that are others": ["R2"],
  "R2: bytes of an old version that are others": ["R2"],
  "B1: bytes that are gone": ["B1"],
  "R2: bytes of an old version that are gone": ["R2"],
  "database: a profile that cannot be read": ["R1", "database"],
};

interface Repaired extends RepairOutcome {
  readonly directory: string;
}

/** Fills a store, lets `damage` loose on a copy that nobody has open, repairs it, and gives both to `look`. */
async function withRepaired(
  damage: (copy: TestStore) => void,
  look: (repaired: Repaired, store: TestStore) => Promise<void> | void,
  prepare: (store: TestStore) => void = () => {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    await withStore("any", async (store) => {
      fillStore(store);
      save(store.library.worktree(BOOK, parseUserId("bob")), "chapter/b.md", "by bob");
      prepare(store);
      const directory = join(folder, "copy");
      execFileSync("cp", ["-a", store.directory, directory]);
      Library.open(directory).close();
      damage({ ...store, directory });
      await look({ directory, ...(await repairStore(directory)) }, store);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is in the books, as their log has it, without what is this machine's alone. */
function booksOf(directory: string): unknown {
  const reader = StoreReader.open(directory);
  try {
    const sql = `SELECT book_id, path, user_id, sha256, size, mode, CAST(mtime AS TEXT), file_id, storage_backend, base_sha256
      FROM file_journal ORDER BY 1, 3, 2`;
    return [reader.database.prepare(sql).all(), reader.head()];
  } finally {
    reader.close();
  }
}

function rulesOf(findings: readonly { readonly rule: string }[]): string[] {
  return [...new Set(findings.map(({ rule }) => rule))].sort();
}

async function assertMended({ directory, left, mended }: Repaired, store: TestStore): Promise<void> {
  assert.deepEqual(left, []);
  assert.ok(mended.length > 0);
  for (const { message, subject } of mended) {
    assert.match(message, /^[\S].*\.$/s);
    assert.equal(typeof subject, "string");
  }
  assert.deepEqual(booksOf(directory), booksOf(store.directory));
  const library = Library.open(directory);
  try {
    assertSound(library);
    for (const user of [undefined, parseUserId("bob")]) {
      const worktree = library.worktree(BOOK, user);
      const { parent, name } = placeOf(worktree, "chapter/b.md");
      assert.ok(worktree.lookup(parent, name) !== undefined);
      save(worktree, "chapter/b.md", "saved after");
      save(worktree, "chapter/new.md", "new");
    }
    assertSound(library);
  } finally {
    library.close();
  }
  // A second run finds nothing to do.
  assert.deepEqual(await repairStore(directory), { mended: [], left: [] });
}

for (const [what, sql] of damages) {
  const rules = left[what];
  test(`${what}: is ${rules === undefined ? "mended" : "not made up, and named"}`, () =>
    withRepaired(
      (copy) => tamper(copy, sql),
      async (repaired, store) => {
        if (what.startsWith("R6: the last row removed")) {
          // The store remembers its head: nothing can bring the row back, and the journal is what the log says.
          assert.deepEqual(rulesOf(repaired.left), ["R6"]);
          return;
        }
        if (rules === undefined) return await assertMended(repaired, store);
        assert.deepEqual(rulesOf(repaired.left), rules, JSON.stringify(repaired.left, null, 1));
        assertReadable(repaired.left);
      },
    ));
}

test("database: dropped triggers are made again, those of others removed", () =>
  withRepaired(
    (copy) => {
      tamper(copy, "SELECT 1", false);
      tamper(copy, "CREATE TRIGGER mine AFTER INSERT ON audit_log BEGIN SELECT 1; END");
    },
    async (repaired, store) => {
      assert.deepEqual(repaired.mended.map(({ subject }) => subject).sort(), [
        "audit_log_no_delete",
        "audit_log_no_replace",
        "audit_log_no_update",
        "log_horizon_moved",
        "log_horizon_no_delete",
        "log_horizon_recorded",
        "log_segment_follows",
        "log_segment_no_delete",
        "log_segment_no_update",
        "mine",
      ]);
      await assertMended(repaired, store);
    },
  ));

test("database: an index that does not have all rows is made again", () =>
  withRepaired(
    (copy) => {
      const database = new Sqlite(join(copy.directory, "pfs.db"));
      // The index loses a row while the table keeps it: its pages are made those of another, empty one.
      database.unsafeMode(true);
      database.pragma("writable_schema = ON");
      database.exec("CREATE TABLE empty (parent, user_id, file_id)");
      database.exec("CREATE INDEX empty_index ON empty (parent, user_id, file_id) WHERE parent IS NOT NULL");
      database.exec(
        `UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'empty_index')
         WHERE name = 'file_journal_parent'`,
      );
      database.exec("DELETE FROM sqlite_schema WHERE name = 'empty_index'");
      database.close();
    },
    ({ mended, left }) => {
      assert.deepEqual(
        mended.map(({ subject }) => subject),
        ["pfs.db"],
        JSON.stringify(left),
      );
      // The table that the test has made.
      assert.deepEqual(
        left.map(({ subject, severity }) => [subject, severity]),
        [["empty", "warning"]],
      );
    },
  ));

test("database: a journal that is gone altogether is made anew from the log", () =>
  withRepaired(
    (copy) => tamper(copy, "DROP TABLE file_journal", false),
    async ({ directory, left, mended }, store) => {
      assert.deepEqual(left, []);
      assert.ok(mended.some(({ subject }) => subject === "file_journal"));
      const [rows] = booksOf(directory) as [Record<string, unknown>[]];
      const [before] = booksOf(store.directory) as [Record<string, unknown>[]];
      // Which version of the base an overlay's file began with is in no log.
      const plain = (all: Record<string, unknown>[]) => all.map((row) => ({ ...row, base_sha256: null }));
      assert.deepEqual(plain(rows), plain(before));
    },
  ));

const LARGE_HASH = hash("sha256", LARGE) as BlobHash;

function objectOf(directory: string): string {
  return join(directory, "objects", LARGE_HASH.slice(0, 2), LARGE_HASH);
}

test("B1: bytes whose row is gone are found again in objects/", () =>
  withRepaired(
    ({ directory, ...store }) =>
      tamper({ ...store, directory }, `DELETE FROM blob WHERE sha256 = '${LARGE_HASH}'`),
    assertMended,
  ));

test("B1: bytes whose row is gone are found again, too, if only a user's file names them, as what it began with", () => {
  const bytes = Buffer.alloc(200_000, "before");
  const before = hash("sha256", bytes);
  return withRepaired(
    ({ directory, ...store }) => {
      const folder = join(directory, "objects", before.slice(0, 2));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, before), bytes);
      const begun = `UPDATE file_journal SET base_sha256 = '${before}' WHERE base_sha256 IS NOT NULL`;
      tamper({ ...store, directory }, begun);
    },
    ({ mended, directory }) => {
      assert.match(mended.find(({ subject }) => subject === before)?.message ?? "", /were found in objects/);
      assert.ok(readdirSync(join(directory, "objects", before.slice(0, 2))).includes(before));
    },
  );
});

test("R2, B1: a large file that is gone, cut short or changed is not made up; bytes that a remote has make way", async () => {
  const harms: ((path: string) => void)[] = [
    (path) => rmSync(path),
    (path) => truncateSync(path, 9),
    (path) => writeFileSync(path, Buffer.alloc(LARGE.length, "x")),
  ];
  for (const harm of harms) {
    await withRepaired(
      ({ directory }) => harm(objectOf(directory)),
      ({ left, mended }) => {
        assert.deepEqual([rulesOf(left).length, mended], [1, []]);
        assert.equal(left[0]?.subject, "chapter/large.png");
      },
    );
    await withRepaired(
      ({ directory }) => harm(objectOf(directory)),
      ({ left, mended, directory }) => {
        assert.deepEqual([left, mended.length], [[], 1]);
        assert.match(mended[0]?.message ?? "", /the good ones are on the remote/);
        assert.ok(!readdirSync(join(directory, "objects", LARGE_HASH.slice(0, 2))).includes(LARGE_HASH));
      },
      ({ library }) => {
        library.shareBook(BOOK, { logUrl: "file:///r", blobsUrl: "file:///r", remoteId: "0".repeat(32) });
        library.noteShared(BOOK, [], [LARGE_HASH], { seq: 0, entryHash: null });
      },
    );
  }
});

test("R2: a blob whose size is not that of its bytes has the right one again", () =>
  withRepaired((copy) => tamper(copy, "UPDATE blob SET size = size + 1"), assertMended));

test("W2: what a conflict carried and is lost is named, and nothing else is touched", () =>
  withRepaired(
    (copy) => tamper(copy, "DELETE FROM blob WHERE sha256 IN (SELECT mine FROM conflict)"),
    ({ left, mended }) => {
      assert.deepEqual([rulesOf(left), mended], [["W2"], []]);
    },
    ({ worktree, library }) => {
      const { parent, name } = placeOf(worktree, "a.md");
      const file = worktree.open(worktree.lookup(parent, name)!.fileId);
      file.write(0, Buffer.from("mine"), alice);
      const bytes = new Uint8Array(Buffer.from("theirs"));
      const blobHash = hash("sha256", bytes) as BlobHash;
      worktree.write({ path: "a.md", hash: blobHash, sizeBytes: 6, content: { bytes } }, {}, alice);
      assert.throws(() => file.release(alice), { code: "CONFLICT" });
      assert.ok(library.blobs.has(blobHash));
    },
  ));

test("orphan: strays in objects/ and scratch/ go; what is no file of pfs stays and is named", () =>
  withRepaired(
    ({ directory }) => {
      mkdirSync(join(directory, "objects", "ff"), { recursive: true });
      for (const name of ["f".repeat(64), "readme"])
        writeFileSync(join(directory, "objects", "ff", name), "lost");
      writeFileSync(join(directory, "scratch", "4294967299"), "lost");
    },
    ({ left, mended, directory }) => {
      assert.equal(mended.length, 2);
      assert.deepEqual(
        left.map(({ subject }) => subject),
        [join(directory, "objects", "ff", "readme")],
      );
    },
  ));

test("I1: of a lost directory the scratch is there again, under its name where the journal knows it", () =>
  withRepaired(
    (copy) => tamper(copy, "DELETE FROM worktree_entry WHERE name IN ('chapter', 'lost')"),
    ({ directory, left }) => {
      assert.deepEqual(left, []);
      const library = Library.open(directory);
      const worktree = library.worktree(BOOK);
      const { parent, name } = placeOf(worktree, "chapter/.b.md.swp");
      assert.ok(worktree.lookup(parent, name) !== undefined);
      const names: string[] = [];
      worktree.list(worktree.rootId, 0, (each) => names.push(each) > 0);
      const recovered = names.find((each) => each.startsWith("recovered-"));
      assert.ok(recovered !== undefined, names.join());
      const { parent: inside } = placeOf(worktree, `${recovered}/x`);
      assert.ok(worktree.lookup(inside, ".y.swp") !== undefined);
      library.close();
    },
    ({ worktree }) => {
      const { parent, name } = placeOf(worktree, "lost/.y.swp");
      worktree.create(parent, name, 0o600, alice).release(alice);
    },
  ));

test("I1: damages of a user's overlay are mended in that overlay", () =>
  withRepaired((copy) => {
    tamper(copy, "UPDATE file_journal SET parent = 77 WHERE user_id = 'bob'");
    tamper(copy, "UPDATE file_journal SET size = 9, storage_backend = 'object' WHERE user_id = 'bob'");
  }, assertMended));

test("many damages at once are mended as one", () =>
  withRepaired(
    (copy) => {
      const several = damages.filter(
        ([what]) =>
          left[what] === undefined &&
          /^(I1|orphan)|an index/.test(what) &&
          !/last row|another file id/.test(what),
      );
      for (const [, sql] of several) tamper(copy, sql);
    },
    async ({ directory, left }, store) => {
      assert.deepEqual(left, []);
      assert.deepEqual(booksOf(directory), booksOf(store.directory));
      const reader = StoreReader.open(directory);
      assert.deepEqual(await verifyStore(reader), []);
      reader.close();
    },
  ));
