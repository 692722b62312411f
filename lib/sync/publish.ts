/**
 * Owns publishing a book: the copies of its files for readers without pfs are made what its shared log says, by one machine at
 * a time, each name as the shared journal has it at that moment. What was cut off is done again by whoever comes next, as the
 * position up to which the log is published moves only when that is so. Must never believe its own copy of the log.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { StoreReader } from "../reader.ts";
import type { RemoteBlobs } from "../remote/remote-blobs.ts";
import { publishClaim } from "../remote/remote-claims.ts";
import { RemoteError } from "../remote/remote-error.ts";
import type { RemoteLog } from "../remote/remote-log.ts";
import { runBounded } from "../run-bounded.ts";
import { passStep } from "../step.ts";
import { blobSource } from "./blob-source.ts";
import { isPublishable, type Place, placeOfName, publishedName } from "./published-names.ts";

const CONCURRENCY = 8;
/** Rows of a page. The claim is renewed behind each. */
const PAGE_ROWS = 500;
/** Times in a row that the claim may be had and nothing comes of it: others may take it over, but then they have it. */
const MAX_VAIN_CLAIMS = 10;

export interface PublishParts {
  readonly bookId: BookId;
  /** What this store is known by. */
  readonly storeId: string;
  readonly log: Pick<
    RemoteLog,
    "rowsAfter" | "filesAt" | "readClaim" | "claim" | "advanceClaim" | "retractClaim"
  >;
  readonly blobs: Pick<RemoteBlobs, "put" | "publish" | "unpublish">;
  /** From beside the owner. */
  readonly reader: StoreReader;
  readonly pageRows?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PublishOutcome {
  /** `busy`: another machine is at it, and does what there is to do, too; look again later, as it may be gone. */
  readonly type: "done" | "busy";
  /** Names that were given bytes, and that were taken away. */
  readonly published: number;
  readonly unpublished: number;
  /** Files that have no copy: the remote has no place for such a name, or nobody has the bytes. */
  readonly left: readonly PfsError[];
}

/**
 * Publishes what the shared log says, if it is not published up to `knownSeq`: then that is one question to the remote.
 * @param knownSeq position of the shared log that this machine knows of
 * @throws PfsError of the remote: then some of it is done, and all of it is done again the next time
 */
export async function publish(parts: PublishParts, knownSeq: number): Promise<PublishOutcome> {
  const { position } = await parts.log.readClaim(publishClaim(parts.bookId));
  if (position >= knownSeq) return { type: "done", published: 0, unpublished: 0, left: [] };
  return await publishNames(parts, []);
}

/**
 * The same, and publishes some names anew, whatever they have now.
 * @throws PfsError as {@link publish}; UNAVAILABLE: the remote gives the claim again and again, and lets nothing come of it
 */
export async function publishNames(parts: PublishParts, names: readonly string[]): Promise<PublishOutcome> {
  const { bookId, storeId, log } = parts;
  const publishing = new Publishing(parts);
  let publishedTo = -1;
  for (let anew = names, vain = 0; ; ) {
    if (vain === MAX_VAIN_CLAIMS) throw vainClaims(bookId);
    const position = await log.claim(publishClaim(bookId), storeId);
    if (position === undefined) return publishing.outcome("busy");
    passStep("publish.claimed");
    const end = await publishing.publishAfter(position, anew);
    vain = (end ?? -1) > publishedTo ? 0 : vain + 1;
    publishedTo = Math.max(publishedTo, end ?? -1);
    if (end === undefined) continue;
    anew = [];
    // Whoever has appended in the meantime was told that somebody is at it.
    if ((await log.rowsAfter(bookId, end, 1)).length === 0) return publishing.outcome("done");
  }
}

class Publishing {
  readonly #parts: PublishParts;
  readonly #left: PfsError[] = [];
  #published = 0;
  #unpublished = 0;

  constructor(parts: PublishParts) {
    this.#parts = parts;
  }

  outcome(type: PublishOutcome["type"]): PublishOutcome {
    return { type, published: this.#published, unpublished: this.#unpublished, left: this.#left };
  }

  /**
   * Publishes what the log has after a position, and gives the claim up.
   * @returns the last position; undefined when the claim was lost on the way
   */
  async publishAfter(position: number, anew: readonly string[]): Promise<number | undefined> {
    const { bookId, storeId: holder, log, signal, pageRows = PAGE_ROWS } = this.#parts;
    let names = new Set(anew);
    for (let from = position; ; ) {
      signal?.throwIfAborted();
      const rows = await log.rowsAfter(bookId, from, pageRows);
      for (const { status, user_id: userId, path } of rows) {
        const name = status === "ok" ? publishedName(bookId, { userId, path } as Place) : undefined;
        if (name !== undefined) names.add(name);
      }
      await this.#settle(names);
      passStep("publish.settled");
      names = new Set();
      const to = rows.at(-1)?.seq ?? from;
      const isLast = rows.length < pageRows;
      if (!(await log.advanceClaim(publishClaim(bookId), { holder, from, to, isLast }))) {
        // Another one may have been here before our last copies, which came late then.
        await log.retractClaim(publishClaim(bookId), from);
        return undefined;
      }
      passStep("publish.advanced");
      if (isLast) return to;
      from = to;
    }
  }

  /** Makes names what the shared journal has for them now. */
  async #settle(names: ReadonlySet<string>): Promise<void> {
    const { blobs, signal } = this.#parts;
    const wanted = await this.#wantedFor(names);
    const gone = [...names].filter((name) => !wanted.has(name));
    // First, as a name that goes may be in the way of others.
    if (gone.length > 0) {
      await blobs.unpublish(gone, signal);
      passStep("publish.removed");
    }
    this.#unpublished += gone.length;
    await runBounded(wanted, CONCURRENCY, async ([name, file]) => await this.#publishOne(name, file));
  }

  async #wantedFor(names: Iterable<string>): Promise<Map<string, SharedFile>> {
    const { bookId, log } = this.#parts;
    const layers = Map.groupBy(
      [...names].flatMap((name) => placeOfName(bookId, name) ?? []),
      ({ userId }) => userId,
    );
    const wanted = new Map<string, SharedFile>();
    for (const [userId, places] of layers) {
      const paths = places.map(({ path }) => path);
      for (const file of await log.filesAt(bookId, userId, paths)) {
        const name = publishedName(bookId, file);
        if (name !== undefined && isPublishable(file)) wanted.set(name, file);
      }
    }
    return wanted;
  }

  async #publishOne(name: string, { hash, sizeBytes, path }: SharedFile): Promise<void> {
    const { blobs, reader, signal } = this.#parts;
    const publish = async () => await blobs.publish({ name, hash, sizeBytes }, signal);
    try {
      try {
        await publish();
      } catch (error) {
        if (!(error instanceof PfsError && error.code === "NOT_FOUND")) throw error;
        await blobs.put(blobSource(reader, hash, path), signal);
        await publish();
      }
      passStep("publish.copied");
      this.#published++;
    } catch (error) {
      if (!isOfOneFile(error)) throw error;
      this.#left.push(error);
    }
  }
}

function vainClaims(bookId: BookId): RemoteError {
  return new RemoteError(
    "UNAVAILABLE",
    `The remote lets this machine publish ${bookId}, again and again, and takes nothing of it as published.`,
    {
      isRetryable: true,
      hint: `It is tried again by itself. Look at the row \`${publishClaim(bookId)}\` of the remote's table \`claim\`, and at who may write to it.`,
    },
  );
}

/** Whether a failure is one file's, whose bytes are nowhere or whose name cannot be, and not the remote's. */
export function isOfOneFile(error: unknown): error is PfsError {
  if (!(error instanceof PfsError)) return false;
  if (error.code === "UNAVAILABLE") return !(error instanceof RemoteError);
  return error.code === "INVALID_PATH" || error.code === "CORRUPT" || error.code === "NOT_FOUND";
}
