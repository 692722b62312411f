/**
 * Owns the manifest of one book as it is now, kept from one time that somebody asks for it to the next: what changed meanwhile
 * is put into it, so that it costs what changed. Must never be what others trust: it is made of journal and log alone.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type BlobHash, type BookId, type Seq } from "../schema/ids.ts";
import type { Log } from "./log.ts";
import { type Manifest, type ManifestView, manifestHashOf, rememberManifest } from "./manifest.ts";
import type { Store } from "./store.ts";
import { fromIso, now, type Time } from "./time.ts";

interface Changed {
  readonly path: string;
  readonly newHash: BlobHash | null;
  readonly timestamp: string;
}

/** Rows of the log past which reading the journal anew is cheaper than going through them. */
const MAX_ROWS_BEHIND = 10_000;
const HASH_DIGITS = 64;
const NEWLINE = 0x0a;

export class CurrentManifest implements ManifestView {
  readonly #store: Store;
  readonly #log: Log;
  readonly #bookId: BookId;
  readonly #files: Statement<unknown[], [path: string, hash: string]>;
  readonly #changes: Statement<unknown[], Changed>;
  #latest: Manifest | undefined;
  #remembered = "";

  constructor(store: Store, log: Log, bookId: BookId) {
    this.#store = store;
    this.#log = log;
    this.#bookId = bookId;
    // Also files that were moved away a moment ago: for the log they are there until it says that they are not.
    this.#files = store.database
      .prepare<unknown[], [string, string]>(
        "SELECT path, sha256 FROM file_journal WHERE book_id = ? AND user_id = ? ORDER BY path",
      )
      .raw();
    this.#changes = store.database.prepare(
      `SELECT path, new_hash AS newHash, timestamp FROM audit_log WHERE seq > ? AND +book_id = ? AND +user_id = ?
       AND status = 'ok' ORDER BY seq`,
    );
  }

  /** As it is now. */
  get(): Manifest {
    this.#store.read();
    const seq = this.#log.seq as Seq;
    const latest = this.#latest;
    if (latest?.seq === seq) return latest;
    const made =
      latest === undefined || seq < latest.seq || seq - latest.seq > MAX_ROWS_BEHIND
        ? this.#make(seq)
        : this.#follow(latest, seq);
    this.#latest = made;
    return made;
  }

  /** The same, to be shown: its hash can be asked for from then on, also when there are others. */
  tell(): Manifest {
    const manifest = this.get();
    if (manifest.hash !== this.#remembered)
      rememberManifest(this.#store, this.#bookId, { manifestHash: manifest.hash, seq: manifest.seq });
    this.#remembered = manifest.hash;
    return manifest;
  }

  #make(seq: Seq): Manifest {
    const lines: string[] = [];
    for (const [path, hash] of this.#files.iterate(this.#bookId, BASE)) lines.push(`${path}:${hash}\n`);
    const bytes = Buffer.from(lines.join(""));
    const latest = this.#latest;
    const hash = manifestHashOf(bytes);
    return { bytes, hash, seq, since: latest?.hash === hash ? latest.since : timeOf(this.#log) };
  }

  #follow(latest: Manifest, seq: Seq): Manifest {
    const changed = new Map<string, BlobHash | null>();
    let since = latest.since;
    for (const { path, newHash, timestamp } of this.#changes.all(latest.seq, this.#bookId, BASE)) {
      changed.set(path, newHash);
      since = fromIso(timestamp);
    }
    if (changed.size === 0) return { ...latest, seq };
    const bytes = replaceLines(latest.bytes, changed);
    const hash = manifestHashOf(bytes);
    return hash === latest.hash ? { ...latest, seq } : { bytes, hash, seq, since };
  }
}

function timeOf({ timestamp }: Log): Time {
  return timestamp === "" ? now() : fromIso(timestamp);
}

/** The lines with those of some paths changed, added or (null) left out. */
function replaceLines(bytes: Buffer, changed: ReadonlyMap<string, BlobHash | null>): Buffer {
  const paths = [...changed.keys()].map((path) => ({ path, key: Buffer.from(path) }));
  paths.sort((a, b) => Buffer.compare(a.key, b.key));
  const parts: Buffer[] = [];
  let copied = 0;
  for (const { path, key } of paths) {
    const { start, end } = findLine(bytes, key, copied);
    const hash = changed.get(path);
    parts.push(bytes.subarray(copied, start));
    if (hash != null) parts.push(Buffer.from(`${path}:${hash}\n`));
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
    const start = middle === low ? low : bytes.lastIndexOf(NEWLINE, middle - 1) + 1;
    const lineStart = Math.max(start, low);
    const lineEnd = bytes.indexOf(NEWLINE, middle) + 1;
    const order = bytes.compare(path, 0, path.length, lineStart, lineEnd - 1 - HASH_DIGITS - 1);
    if (order === 0) return { start: lineStart, end: lineEnd };
    if (order < 0) low = lineEnd;
    else high = lineStart;
  }
  return { start: low, end: low };
}
