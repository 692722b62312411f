/**
 * Owns making a ZIP archive of a view of a book, as a stream that holds a few files at a time. Each file's bytes are verified
 * before one of them is written; the same view gives the same bytes. Must never write anywhere.
 */
import { promisify } from "node:util";
import { crc32, createDeflateRaw, deflateRaw } from "node:zlib";
import type { BlobHash } from "../../schema/ids.ts";
import { formatResumeToken } from "../../schema/resume-token.ts";
import { fetchedAhead } from "../blob-fetcher.ts";
import { allocatePageAligned } from "../libc.ts";
import { FileType } from "../node.ts";
import type { BookFile, StoreReader } from "../reader.ts";
import { fromIso } from "../time.ts";
import { ZipDirectory } from "../zip/zip-directory.ts";
import { type ZipFile, ZipMethod } from "../zip/zip-records.ts";
import type { ArchiveView } from "./archive-view.ts";
import { isCompressed } from "./compressed-media.ts";
import { PieceBuffer } from "./piece-buffer.ts";

/** A file that could not be archived. */
export interface ArchiveError {
  readonly path: string;
  readonly sha256: BlobHash;
  readonly code: string;
  readonly message: string;
}

export interface ArchiveOptions {
  /** Where to go on: the last path of the parts before. Default "". */
  readonly after?: string;
  /** Of this part; 1 is the first. */
  readonly part?: number;
  /** As of performance.now(): no other file is begun after that. One is archived in any case. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onFile?: (file: BookFile) => void;
}

/** How it went; known once the last byte was taken. */
export interface ArchiveOutcome {
  /** Of the book, that are in it. */
  readonly files: number;
  /** Of these, as they are in the book. */
  readonly sizeBytes: number;
  readonly errors: readonly ArchiveError[];
  /** What the rest is made with, where time was up before the end. */
  readonly resume: string | undefined;
}

/** Up to so many bytes of a file are kept in memory while it waits for its turn; a larger one is read twice. */
const WHOLE_BYTES = 1024 * 1024;
/** So many files are read and deflated ahead. */
const LOOKAHEAD = 4;
const LEVEL = 6;
const OWN_MODE = FileType.file | 0o644;
const deflated = promisify(deflateRaw) as (
  bytes: Uint8Array,
  options: { level: number; chunkSize: number },
) => Promise<Buffer>;

/** A file that was read and found sound, or was not. */
interface Prepared {
  readonly file: BookFile;
  readonly zip?: ZipFile;
  /** What is to be written; undefined for a file that is larger than what is kept. */
  readonly bytes?: Uint8Array | undefined;
  readonly error?: ArchiveError;
  /** Its place in memory, to be used again. */
  readonly buffer: Uint8Array;
}

export class BookArchive {
  readonly #reader: StoreReader;
  readonly #view: ArchiveView;
  readonly #options: ArchiveOptions;
  readonly #directory = new ZipDirectory();
  readonly #buffers: Uint8Array[] = [];
  readonly #errors: ArchiveError[] = [];
  #files = 0;
  #sizeBytes = 0;
  #last = "";
  #isCut = false;
  #outcome: ArchiveOutcome | undefined;

  constructor(reader: StoreReader, view: ArchiveView, options: ArchiveOptions = {}) {
    this.#reader = reader;
    this.#view = view;
    this.#options = options;
  }

  /** It is at its end, and everything is in it. */
  get isWhole(): boolean {
    return this.#outcome?.errors.length === 0 && this.#outcome.resume === undefined;
  }

  get outcome(): ArchiveOutcome {
    if (this.#outcome === undefined) throw new Error("the archive is not at its end");
    return this.#outcome;
  }

  /**
   * The archive's bytes, once. Each piece is valid until the next is asked for.
   * @throws PfsError CORRUPT: a large file was damaged between being verified and being read; the signal's reason
   */
  async *bytes(): AsyncGenerator<Uint8Array, void> {
    const out = new PieceBuffer();
    for await (const prepared of this.#prepared()) {
      this.#options.signal?.throwIfAborted();
      yield* this.#member(prepared, out);
      this.#buffers.push(prepared.buffer);
      this.#options.onFile?.(prepared.file);
    }
    const { resume, notes } = this.#notes();
    for (const [name, content] of notes) yield* this.#note(name, content, out);
    for (const piece of this.#directory.close()) yield* out.add(piece);
    yield* out.rest();
    this.#outcome = { files: this.#files, sizeBytes: this.#sizeBytes, errors: this.#errors, resume };
  }

  async *#prepared(): AsyncGenerator<Prepared, void> {
    const { after = "", deadlineMs = Number.POSITIVE_INFINITY } = this.#options;
    const files = fetchedAhead(this.#reader, this.#view.files(after));
    const waiting: Promise<Prepared>[] = [];
    try {
      for (;;) {
        while (waiting.length < LOOKAHEAD && !this.#isCut) {
          const next = await files.next();
          if (next.done === true) break;
          if (this.#last !== "" && performance.now() > deadlineMs) {
            this.#isCut = true;
            break;
          }
          this.#last = next.value.path;
          const prepared = this.#prepare(next.value);
          // It is told when its turn comes, unless that never does.
          prepared.catch(() => undefined);
          waiting.push(prepared);
        }
        const first = waiting.shift();
        if (first === undefined) return;
        yield await first;
      }
    } finally {
      await files.return();
      // Whoever stops here closes the reader next.
      await Promise.allSettled(waiting);
    }
  }

  async #prepare(file: BookFile): Promise<Prepared> {
    const buffer = this.#buffers.pop() ?? allocatePageAligned(0, WHOLE_BYTES);
    let [crc, sizeBytes] = [0, 0];
    let whole: Uint8Array | undefined;
    try {
      for await (const chunk of this.#reader.readChunks(file.sha256, file.path, buffer)) {
        this.#options.signal?.throwIfAborted();
        crc = crc32(chunk, crc);
        sizeBytes += chunk.byteLength;
        whole = sizeBytes === chunk.byteLength ? chunk : undefined;
      }
    } catch (error) {
      return { file, buffer, error: this.#errorOf(file, error) };
    }
    const isText = (file.mode & FileType.mask) === FileType.file && !isCompressed(file.path);
    const method = isText && sizeBytes > 0 ? ZipMethod.deflated : ZipMethod.stored;
    const stored = {
      ...headOf(file),
      method: ZipMethod.stored,
      crc32: crc,
      sizeBytes,
      compressedBytes: sizeBytes,
    };
    if (sizeBytes === 0) return { file, buffer, zip: stored, bytes: buffer.subarray(0, 0) };
    if (method === ZipMethod.stored) return { file, buffer, zip: stored, bytes: whole };
    if (whole === undefined) return { file, buffer, zip: { ...stored, method, compressedBytes: undefined } };
    const bytes = await deflated(whole, { level: LEVEL, chunkSize: 64 * 1024 });
    if (bytes.length >= sizeBytes) return { file, buffer, zip: stored, bytes: whole };
    return { file, buffer, zip: { ...stored, method, compressedBytes: bytes.length }, bytes };
  }

  /** Bytes that are missing, wrong, or cannot be read are told of. @throws anything else */
  #errorOf({ path, sha256 }: BookFile, error: unknown): ArchiveError {
    const { code } = error as { code?: unknown };
    if (this.#options.signal?.aborted === true || typeof code !== "string") throw error;
    return { path, sha256, code, message: (error as Error).message };
  }

  async *#member(prepared: Prepared, out: PieceBuffer): AsyncGenerator<Uint8Array, void> {
    const { zip, bytes, error } = prepared;
    if (error !== undefined) this.#errors.push(error);
    if (zip === undefined) return;
    yield* out.add(this.#directory.begin(zip));
    let written = 0;
    for await (const piece of bytes === undefined ? this.#readAgain(prepared, zip) : [bytes]) {
      written += piece.byteLength;
      yield* out.add(piece);
    }
    yield* out.add(this.#directory.end(written));
    this.#files++;
    this.#sizeBytes += zip.sizeBytes;
  }

  /** A large file, piece by piece; it was verified already, and is once more. */
  async *#readAgain(
    { file, buffer }: Prepared,
    { method, crc32: expected }: ZipFile,
  ): AsyncGenerator<Uint8Array, void> {
    let crc = 0;
    const reader = this.#reader;
    const { signal } = this.#options;
    async function* read(): AsyncGenerator<Uint8Array, void> {
      for await (const chunk of reader.readChunks(file.sha256, file.path, buffer)) {
        signal?.throwIfAborted();
        crc = crc32(chunk, crc);
        yield chunk;
      }
    }
    if (method === ZipMethod.stored) yield* read();
    else yield* deflateStream(read());
    if (crc !== expected) throw new Error(`${file.path} was read twice, with different bytes`);
  }

  /** What pfs has to say itself, as files in the root. */
  #notes(): { resume: string | undefined; notes: [name: string, content: object][] } {
    const { bookId, userId, scope, seq, changes } = this.#view;
    const { part = 1, after = "" } = this.#options;
    const about = { book: bookId, user: userId ?? null, scope, position: seq, part };
    const notes: [string, object][] = [];
    if (this.#errors.length > 0) notes.push(["ERRORS", { ...about, errors: this.#errors }]);
    if (!this.#isCut) return { resume: undefined, notes };
    const point = { bookId, userId, scope, seq, changes, after: this.#last, part: part + 1 };
    const resume = formatResumeToken(point);
    const rest = `Time was up: this archive is not whole. \`pfs archive ${bookId} --resume TOKEN\` makes the rest.`;
    notes.push([
      "PARTIAL",
      { ...about, message: rest, files: this.#files, after: after || null, until: this.#last, resume },
    ]);
    return { resume, notes };
  }

  async *#note(name: string, content: object, out: PieceBuffer): AsyncGenerator<Uint8Array, void> {
    const { part = 1 } = this.#options;
    const bytes = Buffer.from(`${JSON.stringify(content, null, 2)}\n`);
    let path = part === 1 ? `${name}.json` : `${name}-${part}.json`;
    while (this.#view.has(path)) path = `pfs-${path}`;
    const size = { sizeBytes: bytes.length, compressedBytes: bytes.length };
    const head = { name: path, mode: OWN_MODE, mtimeSeconds: fromIso(this.#view.time).seconds };
    const zip = { ...head, method: ZipMethod.stored, crc32: crc32(bytes), ...size };
    yield* out.add(this.#directory.begin(zip));
    yield* out.add(bytes);
    yield* out.add(this.#directory.end(bytes.length));
  }
}

function headOf({ path, mode, mtime }: BookFile): Pick<ZipFile, "name" | "mode" | "mtimeSeconds"> {
  const isLink = (mode & FileType.mask) === FileType.symlink;
  return { name: path, mode: isLink ? FileType.symlink | 0o777 : mode, mtimeSeconds: mtime.seconds };
}

/** Deflates pieces that are valid until the next is asked for. */
async function* deflateStream(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const deflate = createDeflateRaw({ level: LEVEL, chunkSize: 64 * 1024 });
  const feeding = (async () => {
    for await (const piece of pieces) {
      await new Promise<void>((resolve, reject) => {
        deflate.write(piece, (error) => (error == null ? resolve() : reject(error)));
      });
    }
    deflate.end();
  })();
  feeding.catch((error) => deflate.destroy(error));
  try {
    for await (const piece of deflate) yield piece as Buffer;
    await feeding;
  } finally {
    deflate.destroy();
    await feeding.catch(() => undefined);
  }
}
