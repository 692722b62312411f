/**
 * Owns a push: the outbox of a book is sent to its remote, bytes before the rows that name them (B1), each row once whatever
 * was cut off in between (O1). Has no time of its own: it is a step, to be taken again when it fails.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, BookId } from "../../schema/ids.ts";
import type { RowToShare } from "../../schema/shared-row.ts";
import { readOutbox } from "../outbox.ts";
import type { BlobSource } from "../remote/remote-blobs.ts";
import type { Appended } from "../remote/remote-log.ts";
import { runBounded } from "../run-bounded.ts";
import { booksThatShare } from "../shared-rows.ts";
import type { FollowCounts } from "../worktree/follow-remote.ts";
import { blobSource } from "./blob-source.ts";
import { CollectionFence } from "./collection-fence.ts";
import { addCounts, NOTHING, pull, pulledSeqOf } from "./pull.ts";
import { PUSH_ROWS, type SyncParts } from "./sync-parts.ts";

const CONCURRENCY = 8;

export interface Pushed {
  /** Rows. */
  readonly pushed: number;
  readonly pulled: FollowCounts;
}

/**
 * Pulls, and pushes until nothing waits; pulls again where somebody else was first.
 * @throws PfsError as {@link pull}; STORE_DAMAGED: the remote refuses what fits everything that it has
 */
export async function push(parts: SyncParts): Promise<Pushed> {
  const { reader, bookId, storeId, log, owner, signal, sent: notes, pageRows = PUSH_ROWS } = parts;
  let pushed = 0;
  const pulled = { ...NOTHING };
  for (let refusedAt: number | undefined; ; ) {
    addCounts(pulled, await pull(parts));
    const rows = readOutbox(reader.database, bookId, storeId, pageRows);
    if (rows.length === 0) return { pushed, pulled };
    const fence = await CollectionFence.setUp(log);
    const sent = await sendBlobs(parts, rows);
    const pulledSeq = pulledSeqOf(parts);
    const outcome = await append(log, bookId, rows, pulledSeq);
    if ("refusal" in outcome) {
      // Somebody was first, whose rows the next pull brings; or nobody was.
      if (refusedAt === pulledSeq) throw outcome.refusal;
      refusedAt = pulledSeq;
      continue;
    }
    // What was found there may have been garbage until now.
    if (!(await fence.holds(signal))) await putBlobs(parts, sent);
    const pairs = rows.map((row, index) => ({
      seq: row.origin_seq,
      sharedSeq: outcome.seqs[index] as number,
    }));
    await owner.noteShared(
      bookId,
      pairs,
      sent.map(({ hash }) => hash),
    );
    notes?.clear();
    pushed += rows.length;
    parts.onProgress?.({ type: "pushed", rows: rows.length });
  }
}

type Outcome = Extract<Appended, { type: "appended" }> | { readonly refusal: PfsError };

async function append(
  log: SyncParts["log"],
  bookId: BookId,
  rows: readonly RowToShare[],
  pulledSeq: number,
): Promise<Outcome> {
  try {
    const outcome = await log.append(bookId, rows, pulledSeq);
    return outcome.type === "moved" ? { refusal: stuck(rows[outcome.index]) } : outcome;
  } catch (error) {
    // An append that was given up may have been done after all, later than the pull that looked for it.
    if (error instanceof PfsError && error.code === "STORE_DAMAGED") return { refusal: error };
    throw error;
  }
}

/** Bytes that are to be sent and are in no store yet. */
type CarriedBlobs = ReadonlyMap<BlobHash, BlobSource>;

/** Bytes that were sent. */
export interface Sent {
  readonly hash: BlobHash;
  /** For messages. */
  readonly path: string;
}

/**
 * Sends bytes that the remote is not known to have. It is only known when rows of its log name them, for ever: what no row
 * names may be collected as garbage there.
 */
export async function sendBlobs(
  parts: SyncParts,
  rows: readonly Pick<RowToShare, "status" | "new_hash" | "path">[],
  carried?: CarriedBlobs,
): Promise<Sent[]> {
  const paths = new Map<BlobHash, string>();
  for (const { status, new_hash, path } of rows)
    if (status === "ok" && new_hash !== null) paths.set(new_hash as BlobHash, path);
  const absent = [...paths]
    .filter(([hash]) => !booksThatShare(parts.reader.database, hash).includes(parts.bookId))
    .map(([hash, path]) => ({ hash, path }));
  await putBlobs(parts, absent, carried);
  return absent;
}

export async function putBlobs(
  parts: SyncParts,
  absent: readonly Sent[],
  carried?: CarriedBlobs,
): Promise<void> {
  const { reader, blobs, signal, sent, onProgress } = parts;
  await runBounded(absent, CONCURRENCY, async ({ hash, path }) => {
    signal?.throwIfAborted();
    const source = carried?.get(hash) ?? blobSource(reader, hash, path);
    const isThere = sent?.has(hash) === true && (await blobs.has(hash, signal));
    const outcome = isThere ? "present" : await blobs.put(source, signal);
    if (!isThere) sent?.add(hash);
    onProgress?.({ type: "sent", bytes: outcome === "stored" ? source.sizeBytes : 0 });
  });
}

function stuck(row: RowToShare | undefined): PfsError {
  return new PfsError(
    "STORE_DAMAGED",
    `The remote refuses a change of ${row?.path} although nobody else has changed it since.`,
    {
      path: row?.path,
      hint: "Compare `pfs log` of that path here and on another machine. Nothing is lost; what is saved here waits.",
    },
  );
}
