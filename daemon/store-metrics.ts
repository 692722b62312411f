/**
 * Owns what can be measured of a store from beside its owner: journal, conflicts, bytes on the disk. Must never keep the owner
 * waiting.
 */
import type { Dirent } from "node:fs";
import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { gauge, type MetricFamily } from "../lib/metric-family.ts";
import { measureOutbox } from "../lib/outbox.ts";
import type { StoreReader } from "../lib/reader.ts";
import { runBounded } from "../lib/run-bounded.ts";
import { listRemotes } from "../lib/shared-rows.ts";
import { BASE, type BookId } from "../schema/ids.ts";

/** How long the size of all large blobs is believed: it takes a look at each. */
const OBJECTS_BELIEVED_MS = 60_000;
const CONCURRENCY = 8;

interface JournalCount {
  readonly book: BookId;
  readonly layer: "base" | "overlay";
  readonly files: number;
}

export class StoreMetrics {
  readonly #reader: StoreReader;
  #journal: { readonly seq: number; readonly counts: readonly JournalCount[] } | undefined;
  #objects: { readonly untilMs: number; readonly bytes: Promise<number> } | undefined;

  constructor(reader: StoreReader) {
    this.#reader = reader;
  }

  async families(): Promise<MetricFamily[]> {
    const { directory } = this.#reader;
    const [database, wal, objects, disk] = await Promise.all([
      sizeOf(join(directory, "pfs.db")),
      sizeOf(join(directory, "pfs.db-wal")),
      this.#objectBytes(),
      statfs(directory),
    ]);
    const parts = { database, objects };
    return [
      gauge(
        "pfs_journal_entries",
        "Files in the journal, by book and layer (base; overlay: those of all users).",
        this.#journalCounts().map(({ book, layer, files }) => ({ labels: { book, layer }, value: files })),
      ),
      gauge("pfs_conflicts", "Refused saves that nobody has decided about.", this.#reader.countConflicts()),
      gauge("pfs_wal_bytes", "Size of SQLite's write-ahead log, which comes on top of that.", wal),
      gauge(
        "pfs_store_bytes",
        "Bytes of the store on the disk, by part: database (with small blobs), objects (large blobs; up to a minute old).",
        Object.entries(parts).map(([part, value]) => ({ labels: { part }, value })),
      ),
      ...this.#outbox(),
      gauge("pfs_disk_free_bytes", "What is free on the store's disk.", disk.bavail * disk.bsize),
    ];
  }

  #outbox(): MetricFamily[] {
    const { database } = this.#reader;
    const sizes = listRemotes(database).map(({ bookId }) => ({
      labels: { book: bookId },
      ...measureOutbox(database, bookId),
    }));
    return [
      gauge(
        "pfs_outbox_rows",
        "Rows of the log that the remote does not have yet, of each shared book.",
        sizes.map(({ labels, rows }) => ({ labels, value: rows })),
      ),
      gauge(
        "pfs_outbox_bytes",
        "Bytes that these name and the remote is not known to have.",
        sizes.map(({ labels, bytes }) => ({ labels, value: bytes })),
      ),
    ];
  }

  /** Counted anew only after a row of the log. */
  #journalCounts(): readonly JournalCount[] {
    const { seq } = this.#reader.head();
    if (this.#journal?.seq !== seq) {
      const counts = this.#reader.listBooks().flatMap(({ bookId }) => this.#countsOf(bookId));
      this.#journal = { seq, counts };
    }
    return this.#journal.counts;
  }

  /** Counts by the journal's key, which begins with book and layer. */
  #countsOf(bookId: BookId): JournalCount[] {
    const count = (users: string): number =>
      this.#reader.database
        .prepare<unknown[], number>(
          `SELECT count(*) FROM file_journal WHERE book_id = ? AND user_id ${users} ? AND parent IS NOT NULL`,
        )
        .pluck()
        .get(bookId, BASE) as number;
    return [
      { book: bookId, layer: "base", files: count("=") },
      { book: bookId, layer: "overlay", files: count("<") + count(">") },
    ];
  }

  #objectBytes(): Promise<number> {
    const nowMs = performance.now();
    if (this.#objects === undefined || nowMs > this.#objects.untilMs) {
      const bytes = bytesBelow(join(this.#reader.directory, "objects"));
      this.#objects = { untilMs: nowMs + OBJECTS_BELIEVED_MS, bytes };
    }
    return this.#objects.bytes;
  }
}

/** 0 for what is not there. */
function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function bytesBelow(directory: string): Promise<number> {
  // A folder may go while it is looked at.
  const entries: Dirent[] = await readdir(directory, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  await runBounded(entries, CONCURRENCY, async (entry) => {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? await bytesBelow(path) : await sizeOf(path);
  });
  return bytes;
}
