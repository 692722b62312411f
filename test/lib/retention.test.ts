// Old rows of the log in segments: what they are as bytes, that every way of reading the log gives what it gave before, that
// nothing is refused or missing but what is older than the horizon, and that everything can be brought back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { collectGarbage } from "../../lib/collect-garbage.ts";
import { findGarbage } from "../../lib/garbage.ts";
import { type LogQuery, oldestFirst, readLog } from "../../lib/history.ts";
import { type LogSearch, searchLog } from "../../lib/log-search.ts";
import { PastFiles } from "../../lib/past/past-files.ts";
import { resolveReference, timeOf } from "../../lib/past/position.ts";
import { makePlan } from "../../lib/plan.ts";
import { StoreReader } from "../../lib/reader.ts";
import { MovedRows } from "../../lib/retention/moved-rows.ts";
import { openSegment, sealSegment } from "../../lib/retention/segment.ts";
import { SharedRows } from "../../lib/shared-rows.ts";
import { moveBook } from "../../lib/sync/move-book.ts";
import { PfsError } from "../../schema/errors.ts";
import { BASE, type BlobHash, parseBookId, parseUserId, type Seq } from "../../schema/ids.ts";
import { type LogRow, toldRow } from "../../schema/log-row.ts";
import { parseProfile } from "../../schema/profiles.ts";
import { BOOK, type BookFixture } from "./book-fixture.ts";
import {
  ALL,
  fill,
  findings,
  moveRows,
  type Rig,
  recallRows,
  shareAll,
  USER,
  withParts,
  withRig,
} from "./retention-fixture.ts";
import { assertSound } from "./soundness.ts";

const QUERIES: LogQuery[] = [
  {},
  { bookId: BOOK },
  { bookId: BOOK, limit: 3 },
  { bookId: BOOK, path: "a.md" },
  { bookId: BOOK, path: "a.md", userId: BASE },
  { bookId: BOOK, path: "c.md", followRenames: true },
  { bookId: BOOK, below: "part" },
  { bookId: BOOK, glob: "*.md" },
  { agent: "bob" },
  { userId: USER },
  { operation: "update", limit: 5 },
  { status: "refused" },
  { bookId: BOOK, afterSeq: 3, beforeSeq: 12 },
  { bookId: BOOK, since: "2000-01-01T00:00:00.000Z", until: "9999" },
  { bookId: BOOK, path: "gone.md" },
  { bookId: BOOK, path: "never.md" },
];

const SEARCHES: LogSearch["query"][] = [
  { bookId: BOOK },
  { bookId: BOOK, path: "a.md" },
  { bookId: BOOK, glob: "part/**" },
  { bookId: BOOK, agent: "bob" },
  { bookId: BOOK, layers: [BASE] },
  { bookId: BOOK, layers: [parseUserId("ulla")] },
  { bookId: BOOK, operation: "update" },
  { bookId: BOOK, status: "refused" },
];

/** What everybody who reads the log gets. */
async function answers({ book, reader }: Rig): Promise<unknown> {
  const { library } = book;
  library.store.rest();
  const rows = QUERIES.map((query) => [...readLog(reader, query)]);
  const reversed = [...oldestFirst(reader, readLog(reader, { bookId: BOOK }))];
  const found: unknown[] = [];
  for (const query of SEARCHES) {
    for (const soon of [true, false]) {
      const seqs: number[] = [];
      for (let afterSeq = 0; afterSeq < library.log.seq; ) {
        const search = { query, afterSeq, untilSeq: library.log.seq, soon };
        const piece = await searchLog(reader.database, search, 5);
        seqs.push(...piece.seqs);
        assert.ok(piece.upTo > afterSeq, "it comes to an end");
        afterSeq = piece.upTo;
      }
      found.push(seqs.map((seq) => library.logPages.row(seq)));
    }
  }
  const pages = [undefined, "a.md", "never.md"].map((path) => {
    const range = { bookId: BOOK, path, untilSeq: library.log.seq };
    const all: LogRow[] = [];
    for (let after = 0; after < range.untilSeq; ) {
      const page = library.logPages.page(range, after);
      all.push(...page.rows);
      after = page.upTo;
    }
    return all;
  });
  const known = ["a.md", "c.md"].map((path) =>
    (rows[1] as LogRow[]).map(({ new_hash }) => library.log.hasVersion(BOOK, path, new_hash as BlobHash)),
  );
  return { rows, reversed, found, pages, known };
}

test("a segment is JSON lines in zstd, as the log's own files show rows but for their hash, and any other byte in it is found (R6)", () =>
  withRig(({ book }) => {
    fill(book);
    const rows = book.log().map((row) => (row.seq === 1 ? { ...row, chained_to: "0".repeat(64) } : row));
    const { segment, bytes } = sealSegment("store", rows, undefined);
    const [head, ...lines] = zstdDecompressSync(bytes).toString().trimEnd().split("\n");
    assert.equal(JSON.parse(head as string).format, "pfs-log-segment-1");
    const shown = book.log(1).map((row) => {
      const { entry_hash: _, ...told } = toldRow(row);
      return JSON.stringify(told);
    });
    assert.deepEqual(lines.slice(1), shown);
    assert.deepEqual(openSegment(segment, bytes), book.log());
    const isCorrupt = (error: unknown): boolean => error instanceof PfsError && error.code === "CORRUPT";
    for (let at = 0; at < bytes.length; at += 7) {
      const changed = new Uint8Array(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      assert.throws(() => openSegment(segment, changed), isCorrupt);
    }
    // Bytes whose hash was recorded, too, must have rows whose chain is whole.
    const text = zstdDecompressSync(bytes).toString();
    for (const [from, to] of [
      ['"agent_id":"bob"', '"agent_id":"eve"'],
      ['"number":1', '"number":2'],
      [`${lines[3]}\n`, ""],
      ["pfs-log-segment-1", "pfs-log-segment-9"],
    ] as const) {
      const forged = zstdCompressSync(text.replace(from, to));
      const sha256 = sealSegment("store", rows, undefined).segment.sha256;
      const { createHash } = process.getBuiltinModule("node:crypto");
      const named = { ...segment, sha256: createHash("sha256").update(forged).digest("hex") };
      assert.notEqual(named.sha256, sha256);
      assert.throws(() => openSegment(named, forged), isCorrupt, `${from} → ${to}`);
    }
  }));

test("R6: rows that moved leave the table, and whoever reads the log gets what he got before", () =>
  withRig(async (rig) => {
    const { book, reader, segments } = rig;
    fill(book);
    const before = await answers(rig);
    const rows = book.log();
    const moved = await moveRows(book.library, segments);
    assert.deepEqual([moved.segments, moved.rows, segments.size], [1, rows.length - 1, 1]);
    const left = book.log();
    assert.equal(left.length, rows.length - moved.removed);
    const gone = rows.filter(({ seq }) => !left.some((row) => row.seq === seq));
    assert.equal(gone.length, moved.removed);
    assert.ok(gone.length >= 8);
    for (const { operation, status } of gone)
      assert.ok(status === "refused" || operation === "update", `a ${operation} stays`);
    assert.deepEqual(await answers(rig), before);
    assert.deepEqual(await findings(reader), []);
    // And what comes afterwards is chained to it.
    book.write("a.md", "after");
    assert.deepEqual(await findings(reader), []);
    book.reopen();
    assert.equal(book.library.log.seq, rows.length + 1);
  }));

test("R6: segments are chained one to the other, however many there are, and books do not get into each other's", () =>
  withRig(async (rig) => {
    const { book, reader, segments } = rig;
    const other = parseBookId("other-book");
    book.library.createBook(other, parseProfile("any"));
    const neighbour = Object.assign(Object.create(book), {
      worktree: book.library.worktree(other),
    }) as BookFixture;
    book.write("a.md", "0");
    neighbour.write("a.md", "0");
    for (let version = 1; version < 700; version++) {
      book.write("a.md", `${version}`);
      if (version % 3 === 0) neighbour.write("a.md", `other ${version}`);
    }
    shareAll(book.library);
    shareAll(book.library, other);
    const before = await answers(rig);
    const others = [...readLog(reader, { bookId: other })];
    assert.equal((await moveRows(book.library, segments)).segments, 2);
    assert.deepEqual(await answers(rig), before);
    await withParts(book.library, segments, (parts) => moveBook(parts, ALL), other);
    assert.deepEqual(await answers(rig), before);
    assert.deepEqual([...readLog(reader, { bookId: other })], others);
    assert.deepEqual(await findings(reader), []);
    const moved = MovedRows.of(reader.database);
    for (const bookId of [BOOK, other])
      for (const segment of moved.segments(bookId))
        for (const row of moved.rowsOf(segment)) assert.equal(row.book_id, bookId);
    const [first, second] = moved.segments(BOOK);
    assert.equal(second?.previous, first?.sha256);
  }));

test("only what is old, is shared, and lies before what somebody looks at moves; a small segment waits", () =>
  withRig(async ({ book, segments }) => {
    fill(book);
    book.write("a.md", "not sent yet");
    book.write("a.md", "nor this");
    const shared = book.library.log.seq - 2;
    const nothing = { segments: 0, rows: 0, removed: 0 };
    assert.deepEqual(await moveRows(book.library, segments, { before: "2000" }), nothing);
    assert.deepEqual(await moveRows(book.library, segments, { smallBefore: "2000" }), nothing);
    assert.deepEqual((await moveRows(book.library, segments, { untilSeq: 5 })).rows, 5);
    assert.deepEqual((await moveRows(book.library, segments)).rows, shared - 5);
    assert.deepEqual(await moveRows(book.library, segments), nothing);
  }));

test("a book that is not shared keeps all rows", () =>
  withRig(async ({ book, segments }) => {
    book.write("a.md", "one");
    book.write("a.md", "two");
    book.write("b.md", "three");
    assert.deepEqual(await moveRows(book.library, segments), { segments: 0, rows: 0, removed: 0 });
    assert.equal(segments.size, 0);
  }));

test("FR-018: from the horizon on the past is what it was; before it a position is refused by a sentence, and never shown otherwise", () =>
  withRig(async ({ book, reader, segments }) => {
    fill(book);
    const { database } = reader;
    const manifests = new Map<number, BlobHash>();
    const files = new PastFiles(database, BOOK, BASE);
    const states = new Map<number, unknown>();
    for (let seq = 0; seq <= book.library.log.seq; seq++) states.set(seq, [...files.filesOf("", seq as Seq)]);
    const { manifestHash, seq: told } = {
      manifestHash: book.library.manifest(BOOK).tell().hash,
      seq: book.library.log.seq,
    };
    manifests.set(told, manifestHash);
    const horizon = 12;
    await moveRows(book.library, segments, { untilSeq: horizon });
    for (const [seq, state] of states) {
      if (seq >= horizon || seq === 0) {
        assert.equal(resolveReference(database, BOOK, `${seq}`), seq);
        assert.deepEqual([...files.filesOf("", seq as Seq)], state);
      } else {
        const isRefused = (error: unknown): boolean =>
          error instanceof PfsError &&
          error.code === "UNAVAILABLE" &&
          error.message.includes(`Position ${seq} `) &&
          (error.hint ?? "").includes("--recall");
        assert.throws(() => resolveReference(database, BOOK, `${seq}`), isRefused);
        assert.throws(() => files.file("a.md", seq as Seq), isRefused);
        assert.throws(() => [...files.filesOf("", seq as Seq)], isRefused);
        assert.throws(() => files.hasDirectory("part", seq as Seq), isRefused);
      }
    }
    assert.equal(resolveReference(database, BOOK, manifestHash), told);
    // By its time, too: also where the last row of that time is in a segment only.
    for (const row of readLog(reader, { bookId: BOOK })) {
      if (row.seq >= horizon) assert.ok((timeOf(database, row.seq as Seq) ?? "") <= row.timestamp);
      else if (row.timestamp < (timeOf(database, horizon as Seq) ?? ""))
        assert.throws(() => resolveReference(database, BOOK, row.timestamp), /segments/);
    }
  }));

test("a plan against a manifest that is older than the horizon lists every file and says so", () =>
  withRig(async ({ book, reader, segments }) => {
    book.write("a.md", "one");
    const old = book.library.manifest(BOOK).tell();
    book.write("a.md", "two");
    book.write("a.md", "three");
    book.write("b.md", "bee");
    shareAll(book.library);
    const current = book.library.manifest(BOOK).tell();
    const now = { manifestHash: current.hash, seq: current.seq };
    assert.equal(makePlan(reader.database, BOOK, old.hash, now).query.from, old.seq);
    await moveRows(book.library, segments);
    const { plan, query } = makePlan(reader.database, BOOK, old.hash, now);
    assert.equal(query.from, undefined);
    assert.match(plan.warning ?? "", /every file is listed/);
  }));

test("rows that are brought back are those that there were; they stay for a week, and go again into the segments that there are", () =>
  withRig(async (rig) => {
    const { book, reader, segments } = rig;
    fill(book);
    const rows = book.log();
    const before = await answers(rig);
    const { removed } = await moveRows(book.library, segments);
    const left = book.log();
    assert.equal(await recallRows(book.library, segments), removed);
    assert.deepEqual(book.log(), rows);
    assert.deepEqual(await answers(rig), before);
    assert.equal(resolveReference(reader.database, BOOK, "3"), 3);
    assert.equal(await recallRows(book.library, segments), 0);
    assertSound(book.library);
    assert.deepEqual(await findings(reader), []);
    assert.equal((await moveRows(book.library, segments)).removed, 0);
    const later = Date.now() + 8 * 86_400_000;
    assert.deepEqual(await moveRows(book.library, segments, {}, later), { segments: 0, rows: 0, removed });
    assert.deepEqual(book.log(), left);
    assert.deepEqual(await answers(rig), before);
    assert.equal(segments.size, 1);
  }));

test("B1: bytes of versions that moved rows name are needed as before", () =>
  withRig(async ({ book, reader, segments }) => {
    fill(book);
    const { database } = book.library.store;
    const count = (): unknown => database.prepare("SELECT count(*) FROM blob").pluck().get();
    const blobs = count();
    await moveRows(book.library, segments);
    for (const row of database.prepare("SELECT sha256 FROM blob").all() as { sha256: BlobHash }[])
      book.library.store.transaction(() => new SharedRows(database, BOOK).noteBlob(row.sha256));
    const garbage = await findGarbage(reader);
    assert.deepEqual(garbage.blobs, []);
    // Also of what was found to be garbage before they moved.
    const all = database.prepare("SELECT sha256 AS hash, size AS sizeBytes FROM blob").all() as never;
    const old = database.prepare("SELECT lower(hex(sha256)) FROM moved_version").pluck().all() as string[];
    const moved = (all as { hash: string }[]).filter(({ hash }) => old.includes(hash)) as never;
    assert.equal(collectGarbage(book.library, { ...garbage, blobs: moved }).blobs, 0);
    assert.equal(count(), blobs);
    assert.deepEqual(await findings(reader), []);
  }));

test("R6: a head that was remembered at a row which has moved is still extended", () =>
  withRig(async ({ book, segments }) => {
    book.write("a.md", "one");
    book.write("a.md", "two");
    book.reopen();
    book.write("a.md", "three");
    book.write("b.md", "bee");
    shareAll(book.library);
    await moveRows(book.library, segments);
    assert.ok(!book.log().some(({ seq }) => seq === 2));
    const reader = StoreReader.openBeside(book.directory);
    try {
      assert.deepEqual(await findings(reader), []);
      book.reopen();
      assert.deepEqual(await findings(reader), []);
    } finally {
      reader.close();
    }
  }));

test("another remote, which would have to get the moved rows, is refused until they are back", () =>
  withRig(async ({ book, segments }) => {
    const other = { logUrl: "memory:", blobsUrl: "memory:", remoteId: "1".repeat(32) };
    fill(book);
    await moveRows(book.library, segments);
    book.library.unshareBook(BOOK);
    assert.throws(() => book.library.shareBook(BOOK, other), { code: "NOT_PERMITTED" });
    book.library.shareBook(BOOK, { ...other, remoteId: "0".repeat(32) });
    await recallRows(book.library, segments);
    book.library.unshareBook(BOOK);
    book.library.shareBook(BOOK, other);
  }));
