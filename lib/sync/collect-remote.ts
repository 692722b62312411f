/**
 * Owns removing blobs from a remote that no row of any book's log names, by one machine at a time, while others push. Must
 * never remove anything where a log is damaged, or another log may use the same blobs.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import type { ListedBlob, RemoteBlobs } from "../remote/remote-blobs.ts";
import { CLAIM_MS } from "../remote/remote-claims.ts";
import type { RemoteLog } from "../remote/remote-log.ts";
import { runBounded } from "../run-bounded.ts";
import { removingPosition } from "./collection-fence.ts";
import { NamedBlobs } from "./named-blobs.ts";

const CLAIM = "collect";
const PAGE_ROWS = 1000;
/** Removed before it is looked again whether the claim lasts. */
const BATCH = 64;
const CONCURRENCY = 8;
/** What was stored last is left: a push may be under way, or may have been cut off and go on. Milliseconds. */
const GRACE_MS = 24 * 3600 * 1000;
/** A store aborts its own uploads after as long, and R2 all. */
const UPLOAD_GRACE_MS = 7 * 24 * 3600 * 1000;

export interface CollectParts {
  /** What this store is known by. */
  readonly storeId: string;
  readonly log: Pick<RemoteLog, "listBooks" | "rowsAfter" | "claim" | "advanceClaim">;
  readonly blobs: Pick<RemoteBlobs, "list" | "delete" | "listPublished" | "abortUploads">;
  readonly pageRows?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CollectOptions {
  /** Only says what would be removed. */
  readonly isDry?: boolean;
  /** How old a blob must be, milliseconds, default a day. */
  readonly graceMs?: number;
  /** How long ago an upload must have been begun, milliseconds, default a week. */
  readonly uploadGraceMs?: number;
}

export interface RemoteCollected {
  /** Blobs that were removed, or would be. */
  readonly blobs: number;
  readonly sizeBytes: number;
  /** Blobs that nothing names and that are too young. */
  readonly young: number;
  /** Uploads in parts that nobody goes on with, which were aborted, or would be; undefined: the remote does not list them. */
  readonly uploads: number | undefined;
}

/**
 * Removes what nobody names.
 * @throws PfsError STORE_BUSY: another machine is at it; STORE_DAMAGED: a log cannot be believed, or another one uses these
 *   blobs; others of the remote, CORRUPT where it lists without an end: then some of it is removed, and the claim ends by itself
 */
export async function collectRemote(
  parts: CollectParts,
  { isDry = false, graceMs = GRACE_MS, uploadGraceMs = UPLOAD_GRACE_MS }: CollectOptions = {},
): Promise<RemoteCollected> {
  const collected = await collectBlobs(parts, isDry, graceMs);
  // Last, as it was found by then that these blobs are this log's.
  const uploads = await parts.blobs.abortUploads(Date.now() - uploadGraceMs, isDry, parts.signal);
  return { ...collected, uploads };
}

async function collectBlobs(
  parts: CollectParts,
  isDry: boolean,
  graceMs: number,
): Promise<Omit<RemoteCollected, "uploads">> {
  const { log, storeId: holder, signal, pageRows = PAGE_ROWS } = parts;
  const named = new NamedBlobs();
  try {
    const position = isDry ? 0 : await log.claim(CLAIM, holder);
    if (position === undefined) throw busy();
    await named.readOn(log, pageRows, signal);
    await refuseOtherLog(parts, named.books);
    const { old, young } = await findUnnamed(parts, named, graceMs);
    if (isDry) return { ...sumOf(old), young };
    if (old.length === 0) {
      await log.advanceClaim(CLAIM, { holder, from: position, to: position, isLast: true });
      return { ...sumOf(old), young };
    }
    const from = removingPosition(position);
    if (!(await log.advanceClaim(CLAIM, { holder, from: position, to: from, isLast: false }))) throw busy();
    // Who has named something until now did so before; who does from now on will find that we were here.
    await named.readOn(log, pageRows, signal);
    const removed = old.filter(({ hash }) => !named.has(hash));
    await remove(parts, removed, from);
    // Not where something has failed: a request may still be done.
    await log.advanceClaim(CLAIM, { holder, from, to: from + 1, isLast: true });
    return { ...sumOf(removed), young };
  } finally {
    named.close();
  }
}

/** Copies of a book that the log does not have are those of another log. */
async function refuseOtherLog({ blobs, signal }: CollectParts, books: ReadonlySet<string>): Promise<void> {
  const found = new Set<string>();
  for (let after: string | undefined; ; ) {
    let first: string | undefined;
    for await (const [file] of blobs.listPublished("", after, signal)) {
      first = file?.name.split("/", 1)[0];
      break;
    }
    if (first === undefined) return;
    if (!books.has(first)) {
      throw new PfsError(
        "STORE_DAMAGED",
        `The remote has published files of ${first}, a book that its log does not have.`,
        {
          hint: "Another log may use the same blobs: nothing was removed. Give each log a place of its own for its blobs.",
        },
      );
    }
    if (found.has(first)) {
      throw new PfsError("CORRUPT", `The remote lists what is published of ${first} again and again.`, {
        hint: "Nothing was removed. Look at the server, or at what is on the way to it.",
      });
    }
    found.add(first);
    // "0" comes right after "/".
    after = `${first}0`;
  }
}

async function findUnnamed(
  { blobs, signal }: CollectParts,
  named: NamedBlobs,
  graceMs: number,
): Promise<{ readonly old: ListedBlob[]; readonly young: number }> {
  const before = Date.now() - graceMs;
  const old: ListedBlob[] = [];
  let young = 0;
  for await (const page of blobs.list(undefined, signal)) {
    for (const blob of page) {
      if (named.has(blob.hash)) continue;
      if (Date.parse(blob.storedAt) <= before) old.push(blob);
      else young++;
    }
  }
  return { old, young };
}

async function remove(
  { log, blobs, storeId, signal }: CollectParts,
  unnamed: readonly { readonly hash: BlobHash }[],
  position: number,
): Promise<void> {
  let claimedAtMs = performance.now();
  for (let at = 0; at < unnamed.length; at += BATCH) {
    if (performance.now() - claimedAtMs > CLAIM_MS / 4) {
      claimedAtMs = performance.now();
      if ((await log.claim(CLAIM, storeId)) !== position) throw busy();
    }
    await runBounded(unnamed.slice(at, at + BATCH), CONCURRENCY, async ({ hash }) => {
      await blobs.delete(hash, signal);
    });
  }
}

function sumOf(blobs: readonly ListedBlob[]): Pick<RemoteCollected, "blobs" | "sizeBytes"> {
  return { blobs: blobs.length, sizeBytes: blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

function busy(): PfsError {
  return new PfsError("STORE_BUSY", "Another machine is collecting the garbage of the remote.", {
    hint: "Try again in some minutes. If that machine is gone, its claim ends within ten.",
  });
}
