/**
 * Owns the log: the one place that appends to it, its hash chain (R6) and its position. Must never change or remove a
 * row; the triggers of the table forbid it, too. Old rows that move into segments are of retention/.
 */
import type { Statement } from "better-sqlite3";
import { type AgentName, BASE, type BlobHash, type BookId, type FileId, type UserId } from "../schema/ids.ts";
import {
  canonicalJson,
  ERROR_MESSAGE_MAX_CHARS,
  entryHash,
  GENESIS_HASH,
  type LogOperation,
  type LogRow,
  type LogRowBody,
  logColumns,
  NO_BASE,
} from "../schema/log-row.ts";
import type { CheckMode } from "../schema/mount-options.ts";
import { Counters } from "./counters.ts";
import { MovedRows } from "./retention/moved-rows.ts";
import { passStep } from "./step.ts";
import type { Store } from "./store.ts";

/** Who is answerable for a row. What a store does not know of another's process is null. */
export interface RowMaker {
  readonly agent: AgentName;
  readonly uid: number | null;
  readonly pid: number | null;
  command(): string | null;
  /** How it was checked what had been read before; none where there was no mount. */
  readonly check?: CheckMode | undefined;
}

/** What the caller knows of a row; the rest (seq, time, who, chain) is the log's. */
export interface LogEntry {
  readonly operation: LogOperation;
  readonly bookId: BookId;
  readonly path: string;
  readonly userId: UserId;
  readonly prevHash: BlobHash | null;
  readonly newHash: BlobHash | null;
  readonly status?: "ok" | "refused";
  readonly errorMessage?: string | null;
  /** `performance.now()` when the operation began. */
  readonly startedMs: number;
  readonly fileId: FileId | null;
  readonly prevPath?: string | null;
  readonly size?: number | null;
  /** 100644, 100755 or 120000 (octal), as in git. */
  readonly mode?: number | null;
  /** Decimal nanoseconds since 1970. */
  readonly mtime?: string | null;
  /** In an overlay: the base's version that this one began with, or that is hidden; null: there was none; undefined: not known. */
  readonly base?: BlobHash | null | undefined;
}

export class Log {
  /** What is counted of the rows, and by others. */
  readonly counters = new Counters();
  readonly #store: Store;
  readonly #insert: Statement<unknown[]>;
  readonly #selectAfter: Statement<unknown[], LogRow>;
  readonly #selectVersion: Statement<unknown[], 1>;
  readonly #readHead: Statement<[], { seq: number; entry_hash: string; timestamp: string }>;
  #seq = 0;
  #head: string = GENESIS_HASH;
  #timestamp = "";
  #stampedWrite = -1;
  #seqBefore = 0;
  #maker: { readonly maker: RowMaker; readonly writeCount: number } | undefined;
  #listeners: ((row: LogRow) => void)[] = [];

  constructor(store: Store) {
    this.#store = store;
    this.#insert = store.database.prepare(
      `INSERT INTO audit_log (${logColumns}) VALUES (${logColumns.map(() => "?")})`,
    );
    this.#readHead = store.database.prepare(
      "SELECT seq, entry_hash, timestamp FROM audit_log ORDER BY seq DESC LIMIT 1",
    );
    this.#selectAfter = store.database.prepare("SELECT * FROM audit_log WHERE seq > ? ORDER BY seq");
    this.#selectVersion = store.database
      .prepare<unknown[], 1>(
        "SELECT 1 FROM audit_log WHERE book_id = ? AND path = ? AND new_hash = ? AND status = 'ok' LIMIT 1",
      )
      .pluck();
    this.#load();
  }

  /** Whether a path ever had this version, in any layer. */
  hasVersion(bookId: BookId, path: string, hash: BlobHash): boolean {
    return (
      this.#selectVersion.get(bookId, path, hash) !== undefined ||
      MovedRows.of(this.#store.database).hasVersion(bookId, path, hash)
    );
  }

  /** Rows after a position, in order. */
  rowsAfter(seq: number): LogRow[] {
    return this.#selectAfter.all(seq);
  }

  /** Position of the last row; 0 for an empty log. */
  get seq(): number {
    return this.#seq;
  }

  /** Position at which the transaction under way began. */
  get seqBefore(): number {
    return this.#stampedWrite === this.#store.writeCount ? this.#seqBefore : this.#seq;
  }

  /** entry_hash of the last row: the head of the chain. */
  get head(): string {
    return this.#head;
  }

  /** When the last row was written, ISO 8601; empty for an empty log. */
  get timestamp(): string {
    return this.#timestamp;
  }

  /** Somebody is answerable for what follows from the transaction under way, be it that no row says what was done. */
  noteMaker(maker: RowMaker): void {
    this.#maker = { maker, writeCount: this.#store.writeCount };
  }

  /** Who that is: the last that was noted, or has written a row. */
  get maker(): RowMaker | undefined {
    return this.#maker?.writeCount === this.#store.writeCount ? this.#maker.maker : undefined;
  }

  /** Calls `listener` with every row, once it is committed. */
  onRow(listener: (row: LogRow) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Appends one row; answers its position. Only within a transaction of the store.
   * @throws SqliteError when the row breaks a constraint (R7)
   */
  append(entry: LogEntry, maker: RowMaker): number {
    this.noteMaker(maker);
    const timestamp = this.#timeOfTransaction();
    const unchained = {
      seq: this.#seq + 1,
      timestamp,
      agent_id: maker.agent,
      operation: entry.operation,
      book_id: entry.bookId,
      path: entry.path,
      user_id: entry.userId,
      prev_hash: entry.prevHash,
      new_hash: entry.newHash,
      status: entry.status ?? "ok",
      error_message: cutMessage(entry.errorMessage ?? null),
      execution_time_ms: Math.round((performance.now() - entry.startedMs) * 1000) / 1000,
      file_id: entry.fileId,
      prev_path: entry.prevPath ?? null,
      uid: maker.uid,
      pid: maker.pid,
      command: maker.command(),
      size: entry.size ?? null,
      mode: entry.mode ?? null,
      mtime: entry.mtime ?? null,
      base_hash: baseHashOf(entry),
    } satisfies LogRowBody;
    const row: LogRow = { ...unchained, entry_hash: entryHash(this.#head, canonicalJson(unchained)) };
    // By position: by name takes SQLite's binding twice as long.
    this.#insert.run(logColumns.map((name) => row[name]));
    passStep("log.written");
    this.#store.afterRollback(() => this.#load());
    this.#seq = row.seq;
    this.#head = row.entry_hash;
    this.#timestamp = timestamp;
    this.#store.afterCommit(() => {
      this.counters.wrote(row, maker);
      for (const listener of this.#listeners) listener(row);
    });
    return row.seq;
  }

  /** One time for all rows of a transaction, so that no time lies in the middle of what happened at once. */
  #timeOfTransaction(): string {
    const { writeCount } = this.#store;
    if (this.#stampedWrite === writeCount) return this.#timestamp;
    this.#stampedWrite = writeCount;
    this.#seqBefore = this.#seq;
    const present = new Date().toISOString();
    // The clock may have been set back.
    if (present < this.#timestamp) return this.#timestamp;
    return present;
  }

  #load(): void {
    const head = this.#readHead.get();
    this.#seq = head?.seq ?? 0;
    this.#head = head?.entry_hash ?? GENESIS_HASH;
    this.#timestamp = head?.timestamp ?? "";
  }
}

function baseHashOf({ userId, base, status, newHash, operation }: LogEntry): string | null {
  const saysIt = userId !== BASE && status !== "refused" && (newHash !== null || operation === "hide");
  return !saysIt || base === undefined ? null : (base ?? NO_BASE);
}

/** A message may have in it what a remote has said, of any length. */
function cutMessage(message: string | null): string | null {
  if (message === null || message.length <= ERROR_MESSAGE_MAX_CHARS) return message;
  return `${message.slice(0, ERROR_MESSAGE_MAX_CHARS - 1).toWellFormed()}…`;
}
