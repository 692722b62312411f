/**
 * Owns the order in which old rows of a book's log move into segments on its remote, and back: a segment is put there, read
 * back from there, recorded here, and only then do rows leave the table. So whatever ends in between has lost nothing, and is
 * done again. Must never be used by two at once for one book.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import type { StoreReader } from "../reader.ts";
import type { RemoteBlobs } from "../remote/remote-blobs.ts";
import { isKept, type MoveLimits, nextRows, recalledSegments } from "../retention/movable.ts";
import type { RetentionOutcome, RetentionStep } from "../retention/move-rows.ts";
import { MovedRows } from "../retention/moved-rows.ts";
import {
  openSegment,
  type SealedSegment,
  type Segment,
  sealSegment,
  segmentText,
} from "../retention/segment.ts";

export interface RetentionParts {
  readonly bookId: BookId;
  readonly storeId: string;
  /** Beside the owner. */
  readonly reader: StoreReader;
  readonly blobs: Pick<RemoteBlobs, "putSegment" | "getSegment">;
  /** The store's owner. */
  retain(step: RetentionStep): Promise<RetentionOutcome>;
  readonly signal?: AbortSignal | undefined;
}

export interface Moved {
  readonly segments: number;
  /** In these segments. */
  readonly rows: number;
  /** Of these and earlier ones: how many are in segments only now that were not before. */
  readonly removed: number;
}

/** How long rows that were brought back stay: long enough to look at them. */
export const RECALLED_DAYS = 7;
/** Between two steps others have the store. */
const PAUSE_MS = 20;

/**
 * Moves what may be moved. What was begun by somebody who ended meanwhile is ended first.
 * @param nowMs milliseconds since 1970
 * @throws PfsError of the remote; CORRUPT: it gives back something else than it was given
 */
export async function moveBook(
  parts: RetentionParts,
  limits: MoveLimits,
  nowMs = Date.now(),
): Promise<Moved> {
  const { reader, bookId, storeId } = parts;
  const { database } = reader;
  const moved = MovedRows.of(database);
  if (isKept(database, bookId, new Date(nowMs).toISOString())) return { segments: 0, rows: 0, removed: 0 };
  let segments = 0;
  let rows = 0;
  const again = recalledSegments(database, bookId, limits);
  for (const segment of again) await ensureThere(parts, { segment, bytes: moved.bytesOf(segment) });
  const last = again.at(-1);
  if (last !== undefined) await parts.retain({ type: "advance", bookId, seq: last.lastSeq });
  // Behind segments whose rows are too young to go again nothing goes, either.
  const isInOrder = (moved.lastSegment(bookId)?.lastSeq ?? 0) === moved.horizonOf(bookId);
  while (isInOrder) {
    const next = nextRows(database, bookId, limits);
    if (next.length === 0) break;
    const sealed = sealSegment(storeId, next, moved.lastSegment(bookId));
    await ensureThere(parts, sealed);
    await parts.retain({ type: "record", ...sealed });
    segments++;
    rows += sealed.segment.rows;
    await pause(parts);
  }
  return { segments, rows, removed: await removeRows(parts) };
}

/** Puts it where it is not, and does not believe that it is there before it was read. */
async function ensureThere(parts: RetentionParts, { segment, bytes }: SealedSegment): Promise<void> {
  const { blobs, storeId, signal } = parts;
  const name = segmentName(segment, storeId);
  await blobs.putSegment(name, bytes, signal);
  openSegment(segment, await blobs.getSegment(name, signal));
}

async function removeRows(parts: RetentionParts): Promise<number> {
  const { bookId } = parts;
  let removed = 0;
  for (let afterSeq: number | undefined = 0; afterSeq !== undefined; ) {
    const outcome: RetentionOutcome = await parts.retain({ type: "remove", bookId, afterSeq });
    removed += outcome.rows;
    afterSeq = outcome.upTo;
    if (outcome.rows > 0) await pause(parts);
  }
  return removed;
}

/**
 * Brings every row of a book back into the table, where they stay for a while. Segments that are damaged here come from the remote.
 * @returns how many came back
 * @throws PfsError of the remote, if it must be asked; CORRUPT: a segment is damaged there, too
 */
export async function recallBook(parts: RetentionParts, nowMs = Date.now()): Promise<number> {
  const { reader, bookId } = parts;
  const moved = MovedRows.of(reader.database);
  const horizon = moved.horizonOf(bookId);
  if (horizon === 0) return 0;
  let rows = 0;
  for (const segment of moved.segments(bookId, 0, horizon + 1)) {
    if (!isGood(moved, segment))
      await parts.retain({ type: "restore", segment, bytes: await fetchSegment(parts, segment) });
    rows += (await parts.retain({ type: "recall", bookId, number: segment.number })).rows;
    await pause(parts);
  }
  const keptUntil = new Date(nowMs + RECALLED_DAYS * 86_400_000).toISOString();
  await parts.retain({ type: "end-recall", bookId, keptUntil });
  return rows;
}

function isGood(moved: MovedRows, segment: Segment): boolean {
  try {
    return openSegment(segment, moved.bytesOf(segment)).length === segment.rows;
  } catch (error) {
    if (error instanceof PfsError && error.code === "CORRUPT") return false;
    throw error;
  }
}

/** @throws PfsError of the remote; NOT_FOUND, CORRUPT: it does not have it as it was */
export async function fetchSegment(
  {
    blobs,
    storeId,
    signal,
  }: Pick<RetentionParts, "storeId" | "signal"> & { readonly blobs: Pick<RemoteBlobs, "getSegment"> },
  segment: Segment,
): Promise<Uint8Array> {
  const bytes = await blobs.getSegment(segmentName(segment, storeId), signal);
  try {
    openSegment(segment, bytes);
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    throw new PfsError("CORRUPT", `What the remote has of ${segmentText(segment)} is damaged.`, {
      hint: "Restore the remote, or this store, from a backup.",
      cause: error,
    });
  }
  return bytes;
}

/** Its name on the remote: of this store, and never the same for other bytes. */
export function segmentName({ bookId, number, sha256 }: Segment, storeId: string): string {
  return `${bookId}/${storeId}/${String(number).padStart(8, "0")}-${sha256}`;
}

async function pause({ signal }: RetentionParts): Promise<void> {
  await sleep(PAUSE_MS, undefined, signal === undefined ? {} : { signal });
}
