// A machine that shares the book of a BookFixture on a MemoryRemote, for the tests of sync.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import { newDraftPath } from "../../lib/draft-path.ts";
import { Deferred, type ShareOutcome } from "../../lib/errands.ts";
import { readOutbox } from "../../lib/outbox.ts";
import { StoreReader } from "../../lib/reader.ts";
import { headBehind } from "../../lib/remote/shared-chain.ts";
import { findRemote, type PulledHead } from "../../lib/shared-rows.ts";
import type { ChangeToShare } from "../../lib/strict-change.ts";
import { pull } from "../../lib/sync/pull.ts";
import { push } from "../../lib/sync/push.ts";
import { shareFirst } from "../../lib/sync/share-first.ts";
import type { SyncParts } from "../../lib/sync/sync-parts.ts";
import { verifyStore } from "../../lib/verify.ts";
import type { FollowCounts } from "../../lib/worktree/follow-remote.ts";
import { BASE, type BlobHash } from "../../schema/ids.ts";
import { localOperations } from "../../schema/log-row.ts";
import { FIRST_STRICT_SEQ, type RowToShare, type SharedRow } from "../../schema/shared-row.ts";
import { actorNamed, BOOK, BookFixture, type BookOptions } from "../lib/book-fixture.ts";
import { assertSound } from "../lib/soundness.ts";
import { Cut, type Fault, MemoryRemote } from "./memory-remote.ts";

const PAGE = 1000;
const NOTHING: FollowCounts = { applied: 0, refused: 0, desyncs: 0, conflicts: 0 };

export class Machine extends BookFixture {
  readonly remote: MemoryRemote;
  readonly actor;
  #reader: StoreReader | undefined;

  /** With `directory`: a store of this kind that was made before, or a new one there. */
  constructor(name: string, remote: MemoryRemote, options: BookOptions = {}) {
    super(options.directory ?? mkdtempSync(join(tmpdir(), "pfs-test-")), options);
    this.remote = remote;
    this.actor = actorNamed(name, { mount: name });
    if (findRemote(this.library.store.database, BOOK) !== undefined) return;
    this.library.shareBook(BOOK, { logUrl: "memory:", blobsUrl: "memory:", remoteId: "0".repeat(32) });
  }

  /** Where its next push is cut off. */
  fault: Fault | undefined;
  /** How much it pulls and pushes at once. */
  pageRows = 5;
  /** Its network is gone: all that is asked of the remote is. */
  isCutOff = false;
  /** What others do between its next pull and what it sends. */
  race: (() => Promise<void>) | undefined;

  async pullAll(): Promise<void> {
    await this.#sync(pull);
  }

  async pushAll(): Promise<void> {
    await this.#sync(push);
  }

  /** Does something as a strict mount does: asks the shared log, comes back, and asks again where it must. */
  async strictly<Result>(action: () => Result, worktree = this.worktree): Promise<Result> {
    const change = worktree.newStrictChange();
    const asked: Deferred[] = [];
    try {
      for (;;) {
        try {
          return worktree.strictly(change, action);
        } catch (error) {
          if (!(error instanceof Deferred && error.errand.type === "share")) throw error;
          asked.push(error);
          error.finish(await this.share(error.errand.change));
          this.whenAnswered?.();
        }
      }
    } finally {
      for (const each of asked) each.end?.();
    }
  }

  /** What happens when the answer is there, and before what was asked for is done. */
  whenAnswered: (() => void) | undefined;

  async share(change: ChangeToShare): Promise<ShareOutcome> {
    try {
      return await this.#sync((parts) => shareFirst(parts, change));
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      return { type: "failed", failure: { code: "UNAVAILABLE", message: "It is gone.", hint: undefined } };
    }
  }

  async #sync<Result>(step: (parts: SyncParts) => Promise<Result>): Promise<Result> {
    return await step(this.#parts(this.#beside()));
  }

  #beside(): StoreReader {
    this.#reader ??= StoreReader.openBeside(this.directory);
    return this.#reader;
  }

  override close(): void {
    this.#closeReader();
    super.close();
  }

  override reopen(): void {
    this.#closeReader();
    super.reopen();
  }

  /** As after kill -9: with what the files hold now, and nothing that an end would have put in order. */
  crash(): void {
    const image = `${this.directory}-image`;
    cpSync(this.directory, image, { recursive: true });
    this.close();
    rmSync(this.directory, { recursive: true });
    renameSync(image, this.directory);
    this.openStore();
  }

  #closeReader(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  #parts(reader: StoreReader): SyncParts {
    const { remote, library } = this;
    return {
      ...{ bookId: BOOK, storeId: library.signer.storeId, reader, pageRows: this.pageRows },
      log: {
        append: async (_, rows, pulledSeq) => {
          await this.#race();
          this.#cutAt("append");
          if (this.fault === "late") remote.appendLater(rows, pulledSeq);
          this.#cutAt("late");
          const outcome = remote.append(rows, pulledSeq);
          this.#cutAt("answer");
          const head = { seq: remote.rows.length, entryHash: "" };
          if (outcome.type === "moved") return { ...outcome, current: outcome.current as BlobHash | null };
          return { ...outcome, head };
        },
        readClaim: async () => ({ position: 0, isHeld: false }),
        rowsAfter: async (_, after, limit, knownHash) => {
          this.#cutAt("rows");
          return remote.rowsAfter(after, limit, knownHash);
        },
      },
      blobs: {
        put: async (source) => {
          this.#cutAt("put");
          if (remote.blobs.has(source.hash)) return "present";
          const pieces: Uint8Array[] = [];
          for await (const piece of source.read()) pieces.push(Buffer.from(piece));
          remote.blobs.set(source.hash, Buffer.concat(pieces));
          return "stored";
        },
        has: async (hash) => {
          this.#refuseCutOff();
          return remote.blobs.has(hash);
        },
        get: (hash) => this.#get(hash),
      },
      owner: {
        followRemote: async (bookId, page) => library.followRemote(bookId, page),
        noteShared: async (...noted) => {
          this.#cutAt("note");
          library.noteShared(...noted);
        },
        storeBlobs: async (blobs) => library.storeBlobs(blobs),
      },
    };
  }

  async *#get(hash: string): AsyncGenerator<Uint8Array> {
    this.#cutAt("get");
    const bytes = this.remote.blobs.get(hash);
    assert.ok(bytes !== undefined, `the remote has ${hash}`);
    yield bytes;
  }

  #refuseCutOff(): void {
    if (this.isCutOff) throw new Cut("no network");
  }

  #cutAt(point: Fault): void {
    this.#refuseCutOff();
    if (this.fault !== point) return;
    this.fault = undefined;
    throw new Cut(point);
  }

  async #race(): Promise<void> {
    const { race } = this;
    this.race = undefined;
    await race?.();
  }

  /** O1: what is said on the remote to be of this machine is a row of its log, and every row of it is there or came from there. */
  assertRowsOnce(): void {
    const rows = this.log();
    const { storeId } = this.library.signer;
    const mine = this.remote.rows.filter(({ origin }) => origin === storeId);
    for (const row of mine) {
      const seq = this.#seqOf(row);
      assert.ok(seq !== undefined, `row ${row.seq} is here`);
      assert.equal(rows[seq - 1]?.path, row.path);
      assert.equal(rows[seq - 1]?.user_id, row.user_id);
    }
    assert.equal(new Set(mine.map(({ origin_seq }) => origin_seq)).size, mine.length);
    const noted = this.library.store.database.prepare("SELECT count(*) FROM shared_row").pluck().get();
    assert.equal(noted, rows.filter(({ operation }) => !localOperations.includes(operation)).length);
  }

  /** W1: what this machine did to a path on the remote, it did after it had what others had done to it there. */
  assertNothingOverlooked(): void {
    const { storeId } = this.library.signer;
    const done = this.remote.rows.filter(({ status }) => status === "ok");
    for (const mine of done.filter(({ origin }) => origin === storeId)) {
      const before = done.findLast(
        ({ seq, origin, path, user_id }) =>
          seq < mine.seq && origin !== storeId && path === mine.path && user_id === mine.user_id,
      );
      if (before === undefined) continue;
      const seq = this.#seqOf(mine) ?? 0;
      assert.ok(
        (this.#firstThatCameOf(before) ?? 0) < seq,
        `row ${mine.seq} was not made upon row ${before.seq}`,
      );
    }
  }

  /** Position of an own row of the remote's; one that was shared first is known by what came of it. */
  #seqOf(row: SharedRow): number | undefined {
    return row.origin_seq < FIRST_STRICT_SEQ ? row.origin_seq : this.#firstThatCameOf(row);
  }

  #firstThatCameOf({ seq, path, user_id }: SharedRow): number | undefined {
    const first = this.library.store.database
      .prepare(
        `SELECT min(l.seq) FROM shared_row s JOIN audit_log l ON l.seq = s.seq
         WHERE s.shared_seq = ? AND l.path = ? AND l.user_id = ?`,
      )
      .pluck()
      .get(seq, path, user_id) as number | null;
    return first ?? undefined;
  }

  loggedHashes(): (string | null)[] {
    return this.log().map(({ new_hash }) => new_hash);
  }

  get outbox() {
    return readOutbox(this.library.store.database, BOOK, this.library.signer.storeId, PAGE);
  }

  save(path: string, text: string): void {
    const directory = path.split("/").slice(0, -1).join("/");
    if (directory !== "") this.makeDirectories(directory);
    this.write(path, text, this.actor);
  }

  /** Everything that others did. */
  pull(): FollowCounts {
    let counts = NOTHING;
    for (;;) {
      const { seq, entryHash } = this.pulledHead;
      const rows = this.remote.rowsAfter(seq, PAGE, entryHash);
      if (rows.length === 0) return counts;
      const found = this.library.followRemote(BOOK, { rows });
      if (found.type === "needs") this.fetch(found.hashes);
      else if (found.type === "applied") counts = found.counts;
      else throw new Error("a page in memory is complete");
    }
  }

  /** Everything that is settled; pulls first, as often as somebody else was. */
  push(): void {
    for (;;) {
      this.pull();
      const rows = this.outbox;
      if (rows.length === 0) return;
      this.upload(rows.map((row) => row.new_hash));
      this.appendRows(rows);
    }
  }

  /** Rows of the outbox, of which the answer comes. */
  appendRows(rows: readonly RowToShare[]): void {
    const known = this.pulledHead;
    const outcome = this.remote.append(rows, known.seq);
    if (outcome.type === "moved")
      throw new Error(`a push after a pull is first: ${rows[outcome.index]?.path}`);
    const pairs = rows.map((row, index) => ({
      seq: row.origin_seq,
      sharedSeq: outcome.seqs[index] as number,
    }));
    this.library.noteShared(BOOK, pairs, [], headBehind(known, rows, outcome.seqs));
  }

  get pulledSeq(): number {
    return this.pulledHead.seq;
  }

  get pulledHead(): PulledHead {
    return this.library.store.database
      .prepare("SELECT pulled_seq AS seq, pulled_hash AS entryHash FROM remote WHERE book_id = ?")
      .get(BOOK) as PulledHead;
  }

  upload(hashes: readonly (string | null)[]): void {
    for (const hash of hashes) {
      if (hash === null || this.remote.blobs.has(hash)) continue;
      const bytes = this.library.blobs.readInline(hash as BlobHash, "a version to be shared");
      assert.ok(bytes !== undefined);
      this.remote.blobs.set(hash, bytes);
    }
  }

  fetch(hashes: readonly string[]): void {
    this.library.storeBlobs(
      hashes.map((hash) => {
        const bytes = this.remote.blobs.get(hash);
        assert.ok(bytes !== undefined, `the remote has ${hash}`);
        const sizeBytes = bytes.byteLength;
        if (sizeBytes <= INLINE_MAX_BYTES)
          return { hash: hash as BlobHash, sizeBytes, content: { bytes: new Uint8Array(bytes) } };
        const stagedPath = newDraftPath(this.directory);
        writeFileSync(stagedPath, bytes);
        return { hash: hash as BlobHash, sizeBytes, content: { stagedPath } };
      }),
    );
  }

  /** Fetches what is on the remote only. */
  fetchAll(): void {
    const absent = this.library.store.database
      .prepare(
        "SELECT sha256 FROM remote_blob r WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = r.sha256)",
      )
      .pluck()
      .all() as string[];
    this.fetch(absent);
  }

  /** Paths and hashes of a layer. */
  files(layer: string = BASE): Map<string, string> {
    const rows = this.library.store.database
      .prepare("SELECT path, sha256 FROM file_journal WHERE user_id = ? ORDER BY path")
      .all(layer) as { path: string; sha256: string }[];
    return new Map(rows.map(({ path, sha256 }) => [path, sha256]));
  }

  async assertSound(): Promise<void> {
    assert.deepEqual(await verifyStore(this.#beside()), []);
    this.fetchAll();
    assertSound(this.library);
  }

  take(): void {
    this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Everybody pushes and pulls until nobody has anything to say. */
export function settleAll(machines: readonly Machine[]): void {
  for (const machine of machines) machine.settle();
  for (const machine of machines) machine.push();
  for (const machine of machines) machine.pull();
}

/** Runs `use` with machines that share a book; at the end all must have the same files. */
export async function withMachines(
  names: readonly string[],
  use: (...machines: Machine[]) => void,
  options: BookOptions = {},
): Promise<void> {
  const remote = new MemoryRemote();
  const machines = names.map((name) => new Machine(name, remote, options));
  try {
    use(...machines);
    settleAll(machines);
    await assertConverged(machines);
  } finally {
    for (const machine of machines) machine.take();
  }
}

export async function assertConverged(machines: readonly Machine[]): Promise<void> {
  const [first] = machines as [Machine];
  first.remote.assertWhole();
  for (const machine of machines) {
    assert.deepEqual(machine.files(), first.remote.files(BASE), "every machine has what is shared");
    assert.deepEqual(machine.outbox, [], "nothing waits");
    await machine.assertSound();
  }
}
