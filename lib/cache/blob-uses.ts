/**
 * Owns when blobs were last used: in memory, where noting it costs next to nothing, and now and then in the store. A hint for
 * choosing what to evict; a killed process forgets the last minute of it. Must never decide what is evicted.
 */
import type { BlobHash } from "../../schema/ids.ts";
import type { Store } from "../store.ts";

/** Of which it is remembered when they were used, until that is saved: so many at least, and twice as many at the most. */
const MAX_NOTED = 10_000;
/** Saved in one transaction: some milliseconds, during which others wait. */
const MAX_SAVED = 2_000;

export class BlobUses {
  readonly #store: Store;
  /** Seconds since 1970. */
  #noted = new Map<BlobHash, number>();
  /** What was noted before that was full. */
  #older = new Map<BlobHash, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  note(blobHash: BlobHash): void {
    const seconds = nowSeconds();
    if (this.#noted.get(blobHash) === seconds) return;
    if (this.#noted.size >= MAX_NOTED) {
      this.#older = this.#noted;
      this.#noted = new Map();
    }
    this.#noted.set(blobHash, seconds);
  }

  /** Whether a blob was used at a time, seconds since 1970, or later. */
  isSince(blobHash: BlobHash, seconds: number): boolean {
    const noted = this.#noted.get(blobHash) ?? this.#older.get(blobHash);
    if (noted !== undefined && noted >= seconds) return true;
    const saved = this.#store.database
      .prepare<[string], number>("SELECT used FROM blob_use WHERE sha256 = ?")
      .pluck()
      .get(blobHash);
    return saved !== undefined && saved >= seconds;
  }

  /** Saves a part of what is noted. Answers how much is left. */
  save(): number {
    const noted = this.#older.size > 0 ? this.#older : this.#noted;
    if (noted.size === 0) return 0;
    this.#store.transaction(() => {
      const save = this.#store.database.prepare(
        `INSERT INTO blob_use (sha256, used) SELECT :hash, :used WHERE EXISTS (SELECT 1 FROM blob WHERE sha256 = :hash)
         ON CONFLICT (sha256) DO UPDATE SET used = max(used, excluded.used)`,
      );
      const saved: BlobHash[] = [];
      for (const [blobHash, seconds] of noted) {
        if (saved.length >= MAX_SAVED) break;
        save.run({ hash: blobHash, used: seconds });
        saved.push(blobHash);
      }
      this.#store.afterCommit(() => {
        for (const blobHash of saved) noted.delete(blobHash);
      });
    });
    return this.#noted.size + this.#older.size;
  }
}

/** The clock that uses are told by. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
