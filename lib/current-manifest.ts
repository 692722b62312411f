/**
 * Owns the manifest of one book as it is now, kept from one time that somebody asks for it to the next: what changed meanwhile
 * is put into it, so that it costs what changed. Must never be what others trust: it is made of journal and log alone.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type BlobHash, type BookId, type Seq } from "../schema/ids.ts";
import type { Log } from "./log.ts";
import { type Manifest, type ManifestLook, type ManifestView, rememberManifest } from "./manifest.ts";
import { ManifestText } from "./manifest-text.ts";
import type { Store } from "./store.ts";
import { fromIso, now, type Time } from "./time.ts";

interface Changed {
  readonly path: string;
  readonly prevHash: BlobHash | null;
  readonly newHash: BlobHash | null;
  readonly timestamp: string;
}

/** Rows of the log past which reading the journal anew is cheaper than going through them. */
const MAX_ROWS_BEHIND = 10_000;

export class CurrentManifest implements ManifestView {
  readonly #store: Store;
  readonly #log: Log;
  readonly #bookId: BookId;
  readonly #files: Statement<unknown[], [path: string, hash: string]>;
  readonly #size: Statement<unknown[], number>;
  readonly #changes: Statement<unknown[], Changed>;
  /** As long as nobody has asked for more. */
  #look: ManifestLook | undefined;
  /** Of the text at that position. */
  #sizeBytes: number | undefined;
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
    this.#size = store.database
      .prepare<unknown[], number>(
        "SELECT total(octet_length(path) + octet_length(sha256) + 2) FROM file_journal WHERE book_id = ? AND user_id = ?",
      )
      .pluck();
    this.#changes = store.database.prepare(
      `SELECT path, prev_hash AS prevHash, new_hash AS newHash, timestamp FROM audit_log WHERE seq > ? AND +book_id = ? AND +user_id = ?
       AND status = 'ok' ORDER BY seq`,
    );
  }

  look(): ManifestLook {
    this.#store.read();
    if (this.#latest !== undefined) return this.get();
    const seq = this.#log.seq as Seq;
    if (this.#look?.seq !== seq)
      this.#look =
        this.#look === undefined ? { seq, since: timeOf(this.#log) } : this.#lookAgain(this.#look, seq);
    return this.#look;
  }

  sizeBytes(): number {
    this.look();
    if (this.#latest !== undefined) return this.#latest.text.length;
    this.#sizeBytes ??= this.#size.get(this.#bookId, BASE) as number;
    return this.#sizeBytes;
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
    const text = ManifestText.of(this.#lines());
    const latest = this.#latest;
    const hash = text.hash();
    const known = latest?.hash === hash ? latest : this.#look?.seq === seq ? this.#look : undefined;
    return { text, hash, seq, since: known?.since ?? timeOf(this.#log) };
  }

  #lookAgain(before: ManifestLook, seq: Seq): ManifestLook {
    const since = this.#lastChange(before.seq, seq);
    if (since === undefined) return { ...before, seq };
    this.#sizeBytes = undefined;
    return { seq, since };
  }

  /** When bytes of the base were changed last between two positions; undefined: they were not. */
  #lastChange(from: Seq, to: Seq): Time | undefined {
    if (to < from || to - from > MAX_ROWS_BEHIND) return timeOf(this.#log);
    const last = this.#changes
      .all(from, this.#bookId, BASE)
      .findLast(({ prevHash, newHash }) => prevHash !== newHash);
    return last === undefined ? undefined : fromIso(last.timestamp);
  }

  *#lines(): Generator<string, void> {
    for (const [path, hash] of this.#files.iterate(this.#bookId, BASE)) yield `${path}:${hash}`;
  }

  #follow(latest: Manifest, seq: Seq): Manifest {
    const changed = new Map<string, BlobHash | null>();
    let since = latest.since;
    for (const { path, newHash, timestamp } of this.#changes.all(latest.seq, this.#bookId, BASE)) {
      changed.set(path, newHash);
      since = fromIso(timestamp);
    }
    if (changed.size === 0) return { ...latest, seq };
    const text = latest.text.with(changed);
    const hash = text.hash();
    return hash === latest.hash ? { ...latest, seq } : { text, hash, seq, since };
  }
}

function timeOf({ timestamp }: Log): Time {
  return timestamp === "" ? now() : fromIso(timestamp);
}
