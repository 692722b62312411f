// R6: rows that are changed, removed, put in, swapped or cut off with plain SQL are found, and told by what was done.

import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HeadSigner } from "../../lib/head-signer.ts";
import { lastHeadFile } from "../../lib/last-head.ts";
import { Library } from "../../lib/library.ts";
import type { LogEntry } from "../../lib/log.ts";
import { StoreReader } from "../../lib/reader.ts";
import { type Finding, type VerifyOptions, verifyStore } from "../../lib/verify.ts";
import { BASE } from "../../schema/ids.ts";
import { canonicalJson, entryHash, GENESIS_HASH, type LogRow } from "../../schema/log-row.ts";
import { parseProfile } from "../../schema/profiles.ts";
import { parseSignedHead, type SignedHead } from "../../schema/signed-head.ts";
import { alice, BOOK, placeOf, save, type TestStore, tamper, withStore } from "./test-store.ts";
import { assertReadable, fillStore } from "./verify-samples.ts";

/** What is found about the log, the first broken row first. */
async function findings(store: TestStore, options: VerifyOptions = {}): Promise<Finding[]> {
  const found = await verifyStore(store.reader, options);
  assertReadable(found);
  return found.filter(({ rule }) => rule === "R6");
}

/** Rows of the log as they are. */
function rowsOf({ library }: TestStore): LogRow[] {
  return library.store.database.prepare("SELECT * FROM audit_log ORDER BY seq").all() as LogRow[];
}

/** Gives rows their hashes anew, from a row on. */
function rehash(store: TestStore, from: number, until = Number.POSITIVE_INFINITY): void {
  let head: string = GENESIS_HASH;
  for (const row of rowsOf(store)) {
    if (row.seq >= from && row.seq <= until) {
      head = entryHash(head, canonicalJson(row));
      tamper(store, `UPDATE audit_log SET entry_hash = '${head}' WHERE seq = ${row.seq}`);
    } else head = row.entry_hash;
  }
}

/** Moves rows to other numbers, away first so that none meet. */
function renumber(store: TestStore, where: string, by: number): void {
  tamper(
    store,
    `UPDATE audit_log SET seq = -seq WHERE ${where}; UPDATE audit_log SET seq = -seq + ${by} WHERE seq < 0`,
  );
}

function copyRow(store: TestStore, from: number, to: number): void {
  const columns = Object.keys(rowsOf(store)[0] as LogRow).join(", ");
  const values = columns.replace(/^seq/, String(to));
  tamper(store, `INSERT INTO audit_log (${columns}) SELECT ${values} FROM audit_log WHERE seq = ${from}`);
}

function swap(store: TestStore, one: number, other: number): void {
  tamper(
    store,
    `UPDATE audit_log SET seq = -1 WHERE seq = ${one}; UPDATE audit_log SET seq = ${one} WHERE seq = ${other};
     UPDATE audit_log SET seq = ${other} WHERE seq = -1`,
  );
}

interface Case {
  readonly name: string;
  readonly tamper: (store: TestStore) => void;
  readonly row: number;
  readonly says: RegExp;
}

const cases: readonly Case[] = [
  {
    name: "another agent",
    tamper: (store) => tamper(store, "UPDATE audit_log SET agent_id = 'mallory' WHERE seq = 3"),
    row: 3,
    says: /its agent_id was alice when it was written, and is mallory now\. Rows 1 to 2 are as they were written\./,
  },
  {
    name: "another time",
    tamper: (store) =>
      tamper(store, "UPDATE audit_log SET timestamp = '2020-01-01T00:00:00.000Z' WHERE seq = 3"),
    row: 3,
    says: /its timestamp was 20[2-9][0-9]-.*Z when it was written, and is 2020-01-01T00:00:00\.000Z now/,
  },
  {
    name: "another path",
    tamper: (store) => tamper(store, "UPDATE audit_log SET path = 'other.md' WHERE seq = 2"),
    row: 2,
    says: /its path was a\.md when it was written, and is other\.md now/,
  },
  {
    name: "another hash",
    tamper: (store) => tamper(store, `UPDATE audit_log SET new_hash = '${"0".repeat(64)}' WHERE seq = 2`),
    row: 2,
    says: /its new_hash was [0-9a-f]{64} when it was written/,
  },
  {
    name: "a refusal made of what was done",
    tamper: (store) => tamper(store, "UPDATE audit_log SET status = 'refused' WHERE seq = 4"),
    row: 4,
    says: /its status was ok when it was written, and is refused now/,
  },
  {
    name: "another entry_hash",
    tamper: (store) => tamper(store, `UPDATE audit_log SET entry_hash = '${"1".repeat(64)}' WHERE seq = 3`),
    row: 3,
    says: /only its hash was changed/,
  },
  {
    name: "another agent and a hash that fits",
    tamper: (store) => {
      tamper(store, "UPDATE audit_log SET agent_id = 'mallory' WHERE seq = 3");
      rehash(store, 3, 3);
    },
    row: 4,
    says: /of row 3 the agent_id was alice when it was written, and is mallory now, and its hash was made anew/,
  },
  {
    name: "a row that is gone",
    tamper: (store) => tamper(store, "DELETE FROM audit_log WHERE seq = 3"),
    row: 3,
    says: /^Row 3 of the log, written between \S+Z and \S+Z, is missing\. Rows 1 to 2 are/,
  },
  {
    name: "rows that are gone",
    tamper: (store) => tamper(store, "DELETE FROM audit_log WHERE seq IN (3, 4)"),
    row: 3,
    says: /^Rows 3 to 4 of the log, written between \S+Z and \S+Z, are missing\./,
  },
  {
    name: "a row that is gone, the others numbered anew",
    tamper: (store) => {
      tamper(store, "DELETE FROM audit_log WHERE seq = 3");
      renumber(store, "seq > 3", -1);
    },
    row: 3,
    says: /a row was removed before it, and the rows after were numbered anew/,
  },
  {
    name: "a row that was put in",
    tamper: (store) => {
      renumber(store, "seq >= 3", 1);
      copyRow(store, 1, 3);
    },
    row: 3,
    says: /it was put in, and the rows after it were numbered anew/,
  },
  {
    name: "a row that was put in with a hash that fits",
    tamper: (store) => {
      renumber(store, "seq >= 3", 1);
      copyRow(store, 1, 3);
      rehash(store, 3, 3);
    },
    row: 4,
    says: /row 3 was put in before it, and the rows after were numbered anew/,
  },
  {
    name: "a row before the first",
    tamper: (store) => copyRow(store, 1, 0),
    row: 0,
    says: /^Row 0 of the log was put in: numbers begin with 1\./,
  },
  {
    name: "neighbours that were swapped",
    tamper: (store) => swap(store, 3, 4),
    row: 3,
    says: /it and row 4 were swapped/,
  },
  {
    name: "distant rows that were swapped",
    tamper: (store) => swap(store, 2, 5),
    row: 2,
    says: /it and row 5 were swapped/,
  },
];

for (const { name, tamper: change, row, says } of cases) {
  test(`R6: the first broken row is named, and what was done: ${name}`, () =>
    withStore("any", async (store) => {
      fillStore(store);
      assert.deepEqual(await findings(store), []);
      change(store);
      const [first] = await findings(store);
      assert.equal(first?.subject, `row ${row}`);
      assert.match(first?.message ?? "", says);
    }));
}

test("R6: of two rows that were swapped each says so", () =>
  withStore("any", async (store) => {
    fillStore(store);
    swap(store, 2, 5);
    const messageOf = new Map((await findings(store)).map(({ subject, message }) => [subject, message]));
    assert.match(messageOf.get("row 2") ?? "", /it and row 5 were swapped/);
    assert.match(messageOf.get("row 5") ?? "", /it and row 2 were swapped/);
    swap(store, 2, 5);
    swap(store, 3, 4);
    const [first, second] = await findings(store);
    assert.match(first?.message ?? "", /it and row 4 were swapped/);
    assert.match(second?.message ?? "", /it and row 3 were swapped/);
  }));

/** Runs `use` with the store of a library that has some rows and was closed once. */
async function withClosedStore(use: (store: TestStore, head: SignedHead) => Promise<void>): Promise<void> {
  await withStore("any", async (outer) => {
    const directory = join(outer.folder, "closed");
    const library = Library.open(directory);
    library.createBook(BOOK, parseProfile("any"));
    const store = { ...outer, directory, library, worktree: library.worktree(BOOK) };
    fillStore(store);
    const head = library.signer.sign({ seq: library.log.seq, entryHash: library.log.head });
    refuse(store);
    library.close();
    const reader = StoreReader.open(directory);
    try {
      await use({ ...store, reader }, head);
    } finally {
      reader.close();
    }
  });
}

/** A row that leaves no trace but in the log. */
function refuse({ worktree, library }: TestStore): void {
  const { parent, name } = placeOf(worktree, "a.md");
  const { hash = null } = worktree.lookup(parent, name) ?? {};
  const entry: LogEntry = {
    operation: "update",
    bookId: BOOK,
    path: "a.md",
    userId: BASE,
    prevHash: hash,
    newHash: hash,
    status: "refused",
    errorMessage: "no",
    startedMs: performance.now(),
    fileId: null,
  };
  library.store.transaction(() => library.log.append(entry, alice));
}

test("R6: rows that are cut off at the log's end are missed, even refused ones that changed nothing", () =>
  withClosedStore(async (store) => {
    const { seq } = store.reader.head();
    assert.deepEqual(await findings(store), []);
    tamper(store, `DELETE FROM audit_log WHERE seq = ${seq}`);
    const [found] = await findings(store);
    assert.match(found?.message ?? "", new RegExp(`^Row ${seq} of the log is missing from its end: it was`));
    // Whoever goes on writing does not make the store forget.
    const again = Library.open(store.directory);
    save(again.worktree(BOOK), "y.md", "y");
    save(again.worktree(BOOK), "x.md", "x");
    again.close();
    assert.match((await findings(store))[0]?.message ?? "", /does not extend the head of/);
  }));

test("R6: a log that was rewritten as a whole, chain and memory, is found by a head that was kept elsewhere, and only by it", () =>
  withClosedStore(async (store, head) => {
    const heads = [{ head, source: "kept.json" }];
    assert.deepEqual(await findings(store, { heads }), []);
    tamper(store, "UPDATE audit_log SET agent_id = 'mallory' WHERE seq = 2");
    let last: string = GENESIS_HASH;
    const rows = store.reader.database.prepare("SELECT * FROM audit_log ORDER BY seq").all() as LogRow[];
    const updates = rows.map((row) => {
      last = entryHash(last, canonicalJson(row));
      return `UPDATE audit_log SET entry_hash = '${last}' WHERE seq = ${row.seq};`;
    });
    tamper(store, updates.join("\n"));
    rmSync(lastHeadFile(store.directory));
    assert.deepEqual(await verifyStore(store.reader), [], "nothing in the store itself shows it");
    const [found, ...others] = await findings(store, { heads });
    assert.deepEqual(others, []);
    assert.match(
      found?.message ?? "",
      /^The log does not extend the head of \S+Z in kept\.json: row [0-9]+, or one before it/,
    );
  }));

test("R6: a head beyond the end of a log names what is missing", () =>
  withStore("any", async (store) => {
    fillStore(store);
    const head = new HeadSigner(store.directory).sign({
      seq: store.reader.head().seq + 3,
      entryHash: "a".repeat(64),
    });
    const [found] = await findings(store, { heads: [{ head, source: "kept.json" }] });
    assert.match(
      found?.message ?? "",
      /^Rows [0-9]+ to [0-9]+ of the log are missing from its end: they were there at \S+Z, says kept\.json\.$/,
    );
  }));

test("heads: the key is made once, for its owner alone, and one that others may read is not used", () =>
  withStore("any", async (store) => {
    const head = { seq: 1, entryHash: "b".repeat(64) };
    const path = join(store.directory, "audit-key.pem");
    assert.equal(existsSync(path), false);
    const [one, other] = [new HeadSigner(store.directory), new HeadSigner(store.directory)];
    const [first, second] = [one.sign(head), other.sign(head)];
    assert.equal(first.store_id, second.store_id);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(one.sign(head), first, "not signed again");
    assert.equal(one.publicKey, first.public_key);
    chmodSync(path, 0o644);
    assert.throws(() => new HeadSigner(store.directory).sign(head), /Others may read .*audit-key\.pem/);
    chmodSync(path, 0o600);
    writeFileSync(path, "no key");
    assert.throws(() => new HeadSigner(store.directory).sign(head), { code: "STORE_DAMAGED" });
  }));

test("R6: what a store remembers of its log being damaged is a finding, and keeps nobody from working", () =>
  withClosedStore(async (store) => {
    for (const damage of ["no head", "{}"]) {
      writeFileSync(lastHeadFile(store.directory), damage);
      const again = Library.open(store.directory);
      save(again.worktree(BOOK), "y.md", damage);
      again.close();
      assert.equal(readFileSync(lastHeadFile(store.directory), "utf8"), damage);
      assert.match(
        (await findings(store))[0]?.message ?? "",
        /audit-last-head\.json is no signed head of a log\.$/,
      );
    }
    rmSync(lastHeadFile(store.directory));
    mkdirSync(lastHeadFile(store.directory));
    assert.match(
      (await findings(store))[0]?.message ?? "",
      /audit-last-head\.json cannot be read: EISDIR\.$/,
    );
    rmdirSync(lastHeadFile(store.directory));
    const again = Library.open(store.directory);
    again.close();
    assert.deepEqual(await findings(store), []);
    assert.equal(statSync(lastHeadFile(store.directory)).mode & 0o777, 0o600);
  }));

test("heads: a head that was changed, is signed by another key than it names, or is none is refused", () =>
  withStore("any", async (store) => {
    const head = new HeadSigner(store.directory).sign({ seq: 7, entryHash: "c".repeat(64) });
    const parse = (value: unknown): SignedHead => parseSignedHead(JSON.stringify(value), "x.json");
    assert.deepEqual(parse({ ...head, note: "more" }), head);
    for (const change of [
      { seq: 8 },
      { entry_hash: "d".repeat(64) },
      { time: "2020-01-01T00:00:00.000Z" },
      { store_id: "e".repeat(64) },
      { signature: `${"A".repeat(86)}==` },
      { public_key: "none" },
    ]) {
      const isForged = { code: "USAGE", message: /^x\.json is not signed by the key that it names/ };
      assert.throws(() => parse({ ...head, ...change }), isForged, JSON.stringify(change));
    }
    for (const wrong of [
      null,
      [],
      1,
      {},
      { ...head, signature: undefined },
      { ...head, seq: -1 },
      { ...head, seq: "7" },
    ])
      assert.throws(() => parse(wrong), { code: "USAGE", message: "x.json is no signed head of a log." });
    assert.throws(() => parseSignedHead("{", "x.json"), { code: "USAGE" });
    assert.equal(readFileSync(join(store.directory, "audit-key.pem"), "utf8").includes("PRIVATE KEY"), true);
    assert.equal(JSON.stringify(head).includes("PRIVATE"), false);
  }));
