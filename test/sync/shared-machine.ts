// A machine whose book is shared on any remote, by the code that does so in the daemon, for the tests of what may go wrong.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manifestHash } from "../../lib/manifest.ts";
import { readOutbox } from "../../lib/outbox.ts";
import { StoreReader } from "../../lib/reader.ts";
import type { RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { collectRemote } from "../../lib/sync/collect-remote.ts";
import { fetchBlob } from "../../lib/sync/fetch-blob.ts";
import { publish } from "../../lib/sync/publish.ts";
import { pulledHeadOf } from "../../lib/sync/pull.ts";
import { push } from "../../lib/sync/push.ts";
import type { RemoteRepairParts } from "../../lib/sync/repair-remote.ts";
import { SentNotes } from "../../lib/sync/sent-notes.ts";
import type { SyncParts } from "../../lib/sync/sync-parts.ts";
import { verifyRemote } from "../../lib/sync/verify-remote.ts";
import { verifyStore } from "../../lib/verify.ts";
import { BASE, type BlobHash, type Seq } from "../../schema/ids.ts";
import { localOperations } from "../../schema/log-row.ts";
import { actorNamed, BOOK, BookFixture } from "../lib/book-fixture.ts";

type Parts = SyncParts & RemoteRepairParts;

export class SharedMachine extends BookFixture {
  readonly actor;
  /** Its own connections, which may be replaced. */
  remoteLog: RemoteLog;
  remoteBlobs: RemoteBlobs;

  /** Makes the book on the remote, too, unless it is there. */
  static async make(name: string, log: RemoteLog, blobs: RemoteBlobs): Promise<SharedMachine> {
    const machine = new SharedMachine(name, log, blobs);
    const { worktree } = machine;
    await log.createBook({ bookId: BOOK, profile: "any", fileSizeLimitBytes: 1e9, rootId: worktree.rootId });
    return machine;
  }

  private constructor(name: string, log: RemoteLog, blobs: RemoteBlobs) {
    super(mkdtempSync(join(tmpdir(), "pfs-test-")), {});
    this.actor = actorNamed(name, { mount: name });
    this.remoteLog = log;
    this.remoteBlobs = blobs;
    this.library.shareBook(BOOK, { logUrl: "test:", blobsUrl: "test:", remoteId: "0".repeat(32) });
  }

  save(path: string, text: string | Uint8Array): void {
    const directory = path.split("/").slice(0, -1).join("/");
    if (directory !== "") this.makeDirectories(directory);
    this.write(path, text, this.actor);
  }

  /** Pushes, with all that a push begins with, and publishes. */
  async sync(): Promise<void> {
    await this.withParts(async (parts) => {
      await push(parts);
      await publish(parts, pulledHeadOf(parts).seq);
    });
  }

  /** Fetches what is on the remote only. */
  async fetchAll(): Promise<void> {
    const absent = this.library.store.database
      .prepare("SELECT DISTINCT sha256 FROM remote_blob WHERE sha256 NOT IN (SELECT sha256 FROM blob)")
      .pluck()
      .all() as BlobHash[];
    await this.withParts(async (parts) => {
      for (const hash of absent) this.library.storeBlobs([await fetchBlob(parts, hash)]);
    });
  }

  async withParts<Result>(work: (parts: Parts) => Promise<Result>): Promise<Result> {
    const reader = StoreReader.openBeside(this.directory);
    const { library, remoteLog: log, remoteBlobs: blobs } = this;
    const owner: SyncParts["owner"] = {
      followRemote: async (bookId, page) => library.followRemote(bookId, page),
      noteShared: async (...noted) => library.noteShared(...noted),
      storeBlobs: async (staged) => library.storeBlobs(staged),
    };
    try {
      return await work({
        ...{ bookId: BOOK, storeId: library.signer.storeId, reader, owner, log, blobs, pageRows: 5 },
        sent: new SentNotes(join(this.directory, "uploads"), BOOK),
      });
    } finally {
      reader.close();
    }
  }

  /** Path and hash of each file of the base. */
  files(): unknown[] {
    return this.library.store.database
      .prepare("SELECT path, sha256, file_id, mode FROM file_journal WHERE user_id = ? ORDER BY path")
      .all(BASE);
  }

  manifestHash(): string {
    const { store, log } = this.library;
    return manifestHash(store.database, BOOK, log.seq as Seq);
  }

  get outboxRows(): number {
    return readOutbox(this.library.store.database, BOOK, this.library.signer.storeId, 1000).length;
  }

  take(): void {
    this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/**
 * Everybody syncs until nobody has anything to say; then all is as it must be, here and there (O1, R2, R6), and after garbage was
 * collected on the remote it has every blob that a row names, and no other one.
 */
export async function assertSynced(machines: readonly SharedMachine[]): Promise<void> {
  for (const machine of machines) for (const each of machine.library.openWorktrees()) each.settle(0);
  for (let round = 0; round < 3; round++) for (const machine of machines) await machine.sync();
  const [first] = machines as [SharedMachine];
  for (const machine of machines) {
    assert.deepEqual(machine.files(), first.files(), "all machines have the same");
    assert.equal(machine.manifestHash(), first.manifestHash(), "all machines have the same manifest");
    assert.equal(machine.outboxRows, 0, "O1: nothing waits");
    await machine.fetchAll();
    await machine.withParts(async (parts) => {
      assert.deepEqual(await verifyStore(parts.reader), [], "R2, R6 here");
      assert.deepEqual((await verifyRemote(parts, { rehash: true })).findings, [], "R2, R6 on the remote");
    });
  }
  const rows = await first.remoteLog.rowsAfter(BOOK, 0, 100_000);
  const identities = new Set(rows.map(({ origin, origin_seq }) => `${origin} ${origin_seq}`));
  assert.equal(identities.size, rows.length, "O1: each row is there once");
  for (const machine of machines) {
    const { storeId } = machine.library.signer;
    const noted = machine.library.store.database.prepare("SELECT count(*) FROM shared_row").pluck().get();
    const shared = machine.log().filter(({ operation }) => !localOperations.includes(operation));
    assert.equal(noted, shared.length, "O1: each row of a machine is there, or came from there");
    for (const row of rows.filter(({ origin }) => origin === storeId))
      assert.equal(machine.log()[row.origin_seq - 1]?.path, row.path);
  }
  const { remoteLog: log, remoteBlobs: blobs } = first;
  await collectRemote({ storeId: first.library.signer.storeId, log, blobs }, { graceMs: 0 });
  const named = new Set(rows.map(({ new_hash }) => new_hash));
  const stored = (await Array.fromAsync(blobs.list())).flat().map(({ hash }) => hash);
  assert.deepEqual(
    stored.filter((hash) => !named.has(hash)),
    [],
    "no blob is orphaned once garbage was collected",
  );
  await first.withParts(async (parts) => {
    assert.deepEqual((await verifyRemote(parts, { rehash: true })).findings, [], "and none is missing");
  });
}
