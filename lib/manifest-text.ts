/**
 * Owns the bytes of a manifest: lines sorted bytewise, in pieces of whole lines that never change. What changes a few lines
 * makes a few new pieces and shares the others, so that what it allocates does not grow with the book. Must never know where
 * lines come from.
 */
import { createHash } from "node:crypto";
import type { BlobHash } from "../schema/ids.ts";

/** A piece is cut in two when it has grown to twice this. */
const PIECE_BYTES = 64 * 1024;
const HASH_DIGITS = 64;
const NEWLINE = 0x0a;

export class ManifestText {
  /** None is empty. */
  readonly #pieces: readonly Buffer[];
  /** Where each piece begins, in bytes. */
  readonly #starts: readonly number[];
  readonly length: number;

  private constructor(pieces: readonly Buffer[]) {
    this.#pieces = pieces;
    let length = 0;
    this.#starts = pieces.map((piece) => {
      const start = length;
      length += piece.length;
      return start;
    });
    this.length = length;
  }

  /** @param lines `path:sha256` each, sorted bytewise by path, without newlines */
  static of(lines: Iterable<string>): ManifestText {
    const pieces: Buffer[] = [];
    let piece: string[] = [];
    let characters = 0;
    const cut = (): void => {
      if (piece.length > 0) pieces.push(Buffer.from(piece.join("")));
      piece = [];
      characters = 0;
    };
    for (const line of lines) {
      piece.push(`${line}\n`);
      characters += line.length + 1;
      if (characters >= PIECE_BYTES) cut();
    }
    cut();
    return new ManifestText(pieces);
  }

  /** SHA-256 of all bytes. */
  hash(): BlobHash {
    const digest = createHash("sha256");
    for (const piece of this.#pieces) digest.update(piece);
    return digest.digest("hex") as BlobHash;
  }

  /** Copies bytes from `offset` on into `target`; returns how many: 0 at the end only. */
  read(offset: number, target: Uint8Array): number {
    let copied = 0;
    for (let at = last(this.#starts, (start) => start <= offset); copied < target.length; at++) {
      const piece = this.#pieces[at];
      if (piece === undefined) break;
      const from = offset + copied - (this.#starts[at] as number);
      const bytes = piece.subarray(from, from + target.length - copied);
      target.set(bytes, copied);
      copied += bytes.length;
    }
    return copied;
  }

  /** The lines with those of some paths changed, added or (null) left out. */
  with(changed: ReadonlyMap<string, BlobHash | null>): ManifestText {
    const changes = [...changed].map(([path, hash]) => ({ path: Buffer.from(path), hash }));
    changes.sort((a, b) => Buffer.compare(a.path, b.path));
    const pieces: Buffer[] = [];
    let done = 0;
    for (let next = 0; next < changes.length; ) {
      const { path } = changes[next] as (typeof changes)[number];
      const at = Math.max(
        0,
        last(this.#pieces, (piece) => compareLine(path, piece, 0) >= 0),
      );
      const following = this.#pieces[at + 1];
      const first = next;
      while (next < changes.length && isBefore(changes[next]?.path as Buffer, following)) next++;
      pieces.push(...this.#pieces.slice(done, at));
      pieces.push(...cutLarge(replaceLines(this.#pieces[at] ?? Buffer.alloc(0), changes.slice(first, next))));
      done = at + 1;
    }
    pieces.push(...this.#pieces.slice(done));
    return new ManifestText(pieces);
  }
}

interface Change {
  readonly path: Buffer;
  readonly hash: BlobHash | null;
}

/** The last that holds, of items for which it holds up to somewhere; -1 for none. */
function last<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function isBefore(path: Buffer, piece: Buffer | undefined): boolean {
  return piece === undefined || compareLine(path, piece, 0) < 0;
}

/** A path against that of the line that begins at `start`. */
function compareLine(
  path: Buffer,
  bytes: Buffer,
  start: number,
  end = bytes.indexOf(NEWLINE, start) + 1,
): number {
  return path.compare(bytes, start, end - 1 - HASH_DIGITS - 1);
}

function replaceLines(bytes: Buffer, changes: readonly Change[]): Buffer {
  const parts: Buffer[] = [];
  let copied = 0;
  for (const { path, hash } of changes) {
    const { start, end } = findLine(bytes, path, copied);
    parts.push(bytes.subarray(copied, start));
    if (hash !== null) parts.push(path, Buffer.from(`:${hash}\n`));
    copied = end;
  }
  parts.push(bytes.subarray(copied));
  return Buffer.concat(parts);
}

/** Where the line of a path is; empty, where it would be. Lines from `from` on are looked at, by halving. */
function findLine(bytes: Buffer, path: Buffer, from: number): { start: number; end: number } {
  let [low, high] = [from, bytes.length];
  while (low < high) {
    // The line that the middle is in; a path has no newline in it.
    const middle = (low + high) >>> 1;
    const start = middle === low ? low : Math.max(low, bytes.lastIndexOf(NEWLINE, middle - 1) + 1);
    const end = bytes.indexOf(NEWLINE, middle) + 1;
    const order = compareLine(path, bytes, start, end);
    if (order === 0) return { start, end };
    if (order > 0) low = end;
    else high = start;
  }
  return { start: low, end: low };
}

/** In pieces of about the right size, none of them empty. */
function cutLarge(bytes: Buffer): Buffer[] {
  if (bytes.length === 0) return [];
  if (bytes.length < 2 * PIECE_BYTES) return [bytes];
  const end = bytes.indexOf(NEWLINE, PIECE_BYTES) + 1;
  return [bytes.subarray(0, end), ...cutLarge(bytes.subarray(end))];
}
