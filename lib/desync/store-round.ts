/**
 * Owns one round of comparing a store with itself, a page at a time: the log with its hashes, the journal with the log, the
 * bytes with theirs. Can be left after any page and gone on with by another process. Must never change anything, nor hold a
 * snapshot for longer than a page: SQLite's write-ahead log would grow meanwhile.
 */
import type { Statement } from "better-sqlite3";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, BookId } from "../../schema/ids.ts";
import { GENESIS_HASH, type LogRow } from "../../schema/log-row.ts";
import { entryHashAt, readLastHead } from "../last-head.ts";
import type { StoreReader } from "../reader.ts";
import { isChained } from "../verify/log-chain.ts";
import { WholeLog } from "../verify/whole-log.ts";
import { compareBytes } from "./compare-bytes.ts";
import type { Difference } from "./difference.ts";

/** A path of a layer. */
export interface LayerPath {
  readonly book_id: string;
  readonly path: string;
  readonly user_id: string;
}

/** Where a round goes on. Plain, so that it can be kept as JSON. */
export type StorePosition =
  | { readonly step: "log"; readonly seq: number; readonly entryHash: string }
  | { readonly step: "paths" | "journal"; readonly after: LayerPath }
  | { readonly step: "bytes"; readonly after: string };

export const ROUND_START: StorePosition = { step: "log", seq: 0, entryHash: GENESIS_HASH };

/** What a page came to. */
export interface StorePage {
  readonly differences: readonly Difference[];
  readonly rows: number;
  readonly bytes: number;
  /** Where the next one begins; undefined: the round is over. The same again: in the middle of a large file. */
  readonly next: StorePosition | undefined;
}

/** Rows of a page, so few that a page takes some milliseconds. */
const PAGE_ROWS = 256;
/** A page of blobs has up to 128 KiB of each. */
const PAGE_BLOBS = 32;
const FIRST: LayerPath = { book_id: "", path: "", user_id: "" };

interface JournalRow extends LayerPath {
  readonly sha256: string;
  readonly file_id: number;
  readonly size: number;
  readonly mode: number;
  readonly mtime: string;
}

/** Columns may be null in rows that say nothing of them. */
type LoggedRow = { readonly seq: number; readonly new_hash: string | null } & {
  readonly [Column in "file_id" | "size" | "mode"]: number | null;
} & { readonly mtime: string | null };

export class StoreRound {
  readonly #reader: StoreReader;
  readonly #logged: Statement<unknown[], LoggedRow>;
  readonly #journaled: Statement<unknown[], JournalRow>;
  /** Rows between two whose version is nowhere, but for those of the journal. */
  readonly #lost: Statement<unknown[], { book_id: BookId; path: string; seq: number }>;

  constructor(reader: StoreReader) {
    this.#reader = reader;
    const { database } = reader;
    this.#logged = database.prepare(
      `SELECT seq, new_hash, file_id, size, mode, mtime FROM audit_log
       WHERE book_id = ? AND path = ? AND user_id = ? AND status = 'ok' ORDER BY seq DESC LIMIT 1`,
    );
    this.#journaled = database.prepare(
      `SELECT book_id, path, user_id, sha256, file_id, size, mode, CAST(mtime AS TEXT) AS mtime FROM file_journal
       WHERE book_id = ? AND path = ? AND user_id = ?`,
    );
    this.#lost = database.prepare(
      `SELECT book_id, path, seq FROM audit_log l WHERE seq > ? AND seq <= ? AND new_hash IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = l.new_hash)
       AND NOT EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = l.new_hash)
       AND NOT EXISTS (SELECT 1 FROM file_journal j WHERE j.book_id = l.book_id AND j.path = l.path
         AND j.user_id = l.user_id AND j.sha256 = l.new_hash)`,
    );
  }

  /** The pages behind a position. @throws SqliteError where the database cannot be read */
  async *pages(from: StorePosition): AsyncGenerator<StorePage, void> {
    for (let at: StorePosition | undefined = from; at !== undefined; ) {
      if (at.step === "bytes") {
        yield* this.#bytes(at.after);
        return;
      }
      const page = this.#atOneMoment(at);
      yield page;
      at = page.next;
    }
  }

  /** Log and journal of one page are those of one moment. */
  #atOneMoment(at: Exclude<StorePosition, { step: "bytes" }>): StorePage {
    const { database } = this.#reader;
    database.exec("BEGIN");
    try {
      if (at.step === "log") return this.#log(at);
      return at.step === "paths" ? this.#paths(at.after) : this.#journal(at.after);
    } finally {
      database.exec("COMMIT");
    }
  }

  #log({ seq, entryHash }: { readonly seq: number; readonly entryHash: string }): StorePage {
    const log = new WholeLog(this.#reader);
    const rows: LogRow[] = [];
    for (const row of log.rows(seq)) if (rows.push(row) === PAGE_ROWS) break;
    const differences: Difference[] = [];
    let before = { seq, entry_hash: entryHash };
    for (const row of rows) {
      const kind = "log";
      const book = row.book_id as BookId;
      const isHidden = row.seq > before.seq + 1 && log.hidesBetween(before.seq, row.seq);
      if (isHidden) {
        // Of the segment in which the row is that it builds on it is said below.
      } else if (row.seq !== before.seq + 1)
        differences.push({ book, kind, message: `Rows of the log before row ${row.seq} are missing.` });
      else if (!isChained(row, before.entry_hash))
        differences.push({ book, kind, message: `Row ${row.seq} of the log does not match its hash.` });
      before = row;
    }
    for (const { segment, message } of log.unread)
      differences.push({ book: segment.bookId, kind: "log", message });
    for (const { book_id: book, path, seq: lost } of this.#lost.all(seq, before.seq)) {
      const message = `The bytes of an old version of ${path}, of row ${lost} of the log, are not in the store.`;
      differences.push({ book, kind: "bytes", message });
    }
    if (rows.length === PAGE_ROWS)
      return page(differences, rows.length, { step: "log", seq: before.seq, entryHash: before.entry_hash });
    differences.push(...this.#cutOff());
    return page(differences, rows.length, { step: "paths", after: FIRST });
  }

  /** Rows that are gone from the log's end leave a trace only in what the store remembers of when it was last closed. */
  #cutOff(): Difference[] {
    const { directory, database } = this.#reader;
    try {
      const head = readLastHead(directory);
      if (head === undefined || entryHashAt(database, head.seq) === head.entry_hash) return [];
      const message = `The log does not go on from row ${head.seq}, where it was when the store was last closed.`;
      return [{ book: undefined, kind: "log", message }];
    } catch (error) {
      if (!(error instanceof PfsError)) throw error;
      return [{ book: undefined, kind: "log", message: error.message }];
    }
  }

  /** Each path that the log knows, with what it left there, against the journal. */
  #paths(from: LayerPath): StorePage {
    const next = this.#reader.database.prepare<unknown[], LayerPath>(
      `SELECT book_id, path, user_id FROM audit_log WHERE (book_id, path, user_id) > (?, ?, ?)
       ORDER BY book_id, path, user_id LIMIT 1`,
    );
    const differences: Difference[] = [];
    let after = from;
    for (let rows = 0; rows < PAGE_ROWS; rows++) {
      const place = next.get(after.book_id, after.path, after.user_id);
      if (place === undefined) return page(differences, rows, { step: "journal", after: FIRST });
      const message = this.#compare(place);
      if (message !== undefined)
        differences.push({ book: place.book_id as BookId, kind: "journal", message });
      after = place;
    }
    return page(differences, PAGE_ROWS, { step: "paths", after });
  }

  #compare(place: LayerPath): string | undefined {
    const key = [place.book_id, place.path, place.user_id] as const;
    const logged = this.#logged.get(...key);
    const journaled = this.#journaled.get(...key);
    const hash = logged?.new_hash ?? null;
    if (logged === undefined || hash === null)
      return journaled === undefined ? undefined : `The journal has ${place.path}, which the log has not.`;
    if (journaled === undefined)
      return `The journal lacks ${place.path}, which row ${logged.seq} of the log has.`;
    if (journaled.sha256 !== hash)
      return `The journal has another version of ${place.path} than row ${logged.seq} of the log.`;
    const field = (["file_id", "size", "mode", "mtime"] as const).find(
      (each) => logged[each] !== null && logged[each] !== journaled[each],
    );
    if (field === undefined) return undefined;
    return `The journal gives ${place.path} another ${field} than row ${logged.seq} of the log.`;
  }

  /** Each row of the journal: that the log knows its path, and that there are bytes for it. */
  #journal(after: LayerPath): StorePage {
    const rows = this.#reader.database
      .prepare<unknown[], LayerPath & { readonly isLogged: number; readonly hasBytes: number }>(
        `SELECT j.book_id, j.path, j.user_id,
         EXISTS (SELECT 1 FROM audit_log l WHERE l.book_id = j.book_id AND l.path = j.path AND l.user_id = j.user_id) AS isLogged,
         EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = j.sha256)
         OR EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = j.sha256) AS hasBytes
         FROM file_journal j WHERE (j.book_id, j.path, j.user_id) > (?, ?, ?)
         ORDER BY j.book_id, j.path, j.user_id LIMIT ?`,
      )
      .all(after.book_id, after.path, after.user_id, PAGE_ROWS);
    const differences: Difference[] = [];
    for (const { book_id, path, isLogged, hasBytes } of rows) {
      const book = book_id as BookId;
      if (isLogged === 0)
        differences.push({
          book,
          kind: "journal",
          message: `The journal has ${path}, which the log has not.`,
        });
      if (hasBytes === 0)
        differences.push({ book, kind: "bytes", message: `The bytes of ${path} are not in the store.` });
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS)
      return page(differences, rows.length, { step: "bytes", after: "" });
    const { book_id, path, user_id } = last;
    return page(differences, rows.length, { step: "journal", after: { book_id, path, user_id } });
  }

  async *#bytes(from: string): AsyncGenerator<StorePage, void> {
    const select = this.#reader.database
      .prepare<unknown[], BlobHash>("SELECT sha256 FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT ?")
      .pluck();
    for (let after = from; ; ) {
      const hashes = select.all(after, PAGE_BLOBS);
      for (const hash of hashes) {
        for await (const { bytes, wrong } of compareBytes(this.#reader, hash)) {
          // The file is gone on with from its beginning by who comes later.
          if (wrong === undefined) yield { differences: [], rows: 0, bytes, next: { step: "bytes", after } };
          else yield { differences: wrong, rows: 1, bytes, next: { step: "bytes", after: hash } };
        }
        after = hash;
      }
      if (hashes.length === PAGE_BLOBS) continue;
      yield page([], 0, undefined);
      return;
    }
  }
}

function page(differences: readonly Difference[], rows: number, next: StorePosition | undefined): StorePage {
  return { differences, rows, bytes: 0, next };
}
