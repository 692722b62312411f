/**
 * Owns what shared blobs are, as an interface: bytes named by their hash, the copies of them under the names of a book's
 * files that are published for readers without pfs, and old pieces of stores' logs. Must never know what a journal is.
 */
import type { BlobHash } from "../../schema/ids.ts";
import type { PIECE_BYTES } from "../file-pieces.ts";
import type { SpareMemory } from "../spare-memory.ts";
import type { Operations } from "./operations.ts";
import type { RemoteProbe } from "./remote-probe.ts";

/** Bytes to be sent, which can be read from their beginning more than once: what fails is tried again. */
export interface BlobSource {
  readonly hash: BlobHash;
  readonly sizeBytes: number;
  /**
   * The bytes from `start` (0 without) up to `end`, not included (the end without). Whoever keeps pieces copies them: only the
   * last two that were given need keep their bytes, the memory of older ones may be used again; with `memory`, for pieces of
   * {@link PIECE_BYTES}, that of all once the reading has ended.
   */
  read(start?: number, end?: number, memory?: SpareMemory): AsyncIterable<Uint8Array>;
  /** Told by whoever reads nothing as others have their turn, as long as those go on: no answer is late. */
  goesOn?(): void;
}

/** A blob as it is listed. */
export interface ListedBlob {
  readonly hash: BlobHash;
  readonly sizeBytes: number;
  /** When it was stored, ISO 8601. */
  readonly storedAt: string;
}

/** A copy of a blob under a file's name. */
export interface PublishedFile {
  /** Below the remote's `books/`: `my-book/content/a.md`, `my-book/users/alice/content/a.md`. */
  readonly name: string;
  readonly hash: BlobHash;
  readonly sizeBytes: number;
}

/** What is published as it is found. */
export interface FoundFile {
  readonly name: string;
  readonly sizeBytes: number;
}

/** No segment has more bytes: what does is not read. */
export const SEGMENT_MAX_BYTES = 16 * 1024 * 1024;

/** Of `put`: whether bytes were sent. */
export type PutOutcome = "stored" | "present";

/**
 * All of these may be asked again when it is not known what came of them, by whomever. What fails is a RemoteError; an
 * aborted `signal` ends with its reason.
 */
export interface RemoteBlobs {
  /** Whether it has a blob. @throws RemoteError UNAVAILABLE, as all of these */
  has(hash: BlobHash, signal?: AbortSignal): Promise<boolean>;
  /**
   * Stores a blob unless it is there; two who store the same one at once do no harm. What is long is sent in parts, and a
   * put that was cut off goes on where it was when it is asked for again.
   * @throws RemoteError UNAVAILABLE; CORRUPT: the bytes are not those of the hash; FULL
   */
  put(source: BlobSource, signal?: AbortSignal): Promise<PutOutcome>;
  /**
   * The bytes of a blob from `start` on (0 without), piece by piece. That they are wrong shows to whoever hashes them.
   * @throws RemoteError UNAVAILABLE; NOT_FOUND: it has no such blob
   */
  get(hash: BlobHash, start?: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** All blobs, those behind `after` with one, in pages that are not empty, sorted by hash. */
  list(after?: BlobHash, signal?: AbortSignal): AsyncIterable<readonly ListedBlob[]>;
  /** Removes a blob; one that is not there is removed already (R3). */
  delete(hash: BlobHash, signal?: AbortSignal): Promise<void>;
  /**
   * Makes the file's name hold the blob's bytes, which must be there; sends none of them.
   * @throws RemoteError UNAVAILABLE; NOT_FOUND: it has no such blob; FULL; INVALID_PATH: a name that it cannot have
   */
  publish(file: PublishedFile, signal?: AbortSignal): Promise<void>;
  /** Takes names away; those that are not there are gone already (R3). */
  unpublish(names: readonly string[], signal?: AbortSignal): Promise<void>;
  /**
   * What a name holds; undefined when there is nothing.
   * @returns with the hash of its bytes, undefined when it was not pfs that put it there
   */
  findPublished(
    name: string,
    signal?: AbortSignal,
  ): Promise<(FoundFile & { readonly hash: BlobHash | undefined }) | undefined>;
  /**
   * Everything whose name begins with `prefix`, behind the name `after` with one, in pages that are not empty, bytewise
   * sorted by name.
   */
  listPublished(prefix: string, after?: string, signal?: AbortSignal): AsyncIterable<readonly FoundFile[]>;
  /**
   * Aborts uploads in parts of blobs that were begun before `beforeMs` (milliseconds since 1970), by whomever.
   * @param isDry only counts them
   * @returns how many; undefined: this remote does not list them
   */
  abortUploads(beforeMs: number, isDry: boolean, signal?: AbortSignal): Promise<number | undefined>;
  /** Reads a little and tries whether it may be written, leaving nothing. @throws RemoteError */
  probe(signal?: AbortSignal): Promise<RemoteProbe>;
  /**
   * Stores a segment of a store's log, up to some megabytes. It is no blob: nobody collects it. Its name has the hash of its
   * bytes in it, so that what is there under that name may be written over.
   * @param name below the remote's `log/`: `my-book/STORE/00000001-HASH`
   * @throws RemoteError UNAVAILABLE; FULL
   */
  putSegment(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * The bytes under such a name; whoever reads them checks them.
   * @throws RemoteError UNAVAILABLE; NOT_FOUND: there are none; CORRUPT: more than {@link SEGMENT_MAX_BYTES}
   */
  getSegment(name: string, signal?: AbortSignal): Promise<Uint8Array>;
  /** Ends what it keeps open; nothing is asked afterwards. */
  close(): Promise<void>;
}

/** For the decorators. */
export const blobOperations: Operations<RemoteBlobs> = {
  has: { type: "answer", signalAt: 1 },
  put: { type: "answer", signalAt: 1, sourceAt: 0, isSlow: true },
  get: {
    type: "stream",
    signalAt: 2,
    resume: ([hash, start = 0, signal], piece) => [hash, start + piece.byteLength, signal],
  },
  list: { type: "stream", signalAt: 1, resume: ([, signal], page) => [page.at(-1)?.hash, signal] },
  delete: { type: "answer", signalAt: 1 },
  publish: { type: "answer", signalAt: 1, isSlow: true },
  unpublish: { type: "answer", signalAt: 1, isSlow: true },
  findPublished: { type: "answer", signalAt: 1 },
  listPublished: {
    type: "stream",
    signalAt: 2,
    resume: ([prefix, , signal], page) => [prefix, page.at(-1)?.name, signal],
  },
  abortUploads: { type: "answer", signalAt: 2, isSlow: true },
  probe: { type: "answer", signalAt: 0 },
  putSegment: { type: "answer", signalAt: 2, isSlow: true },
  getSegment: { type: "answer", signalAt: 1, isSlow: true },
  close: { type: "own" },
};
