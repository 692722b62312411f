/**
 * Owns the log: the one place that appends to it, its hash chain (R6) and its position. Must never change or remove a
 * row; the triggers of the table forbid it, too.
 */
import type { Statement } from "better-sqlite3";
import type { BlobHash, BookId, FileId, UserId } from "../schema/ids.ts";
import {
  canonicalJson,
  entryHash,
  GENESIS_HASH,
  type LogOperation,
  type LogRow,
  type LogRowBody,
} from "../schema/log-row.ts";
import type { Actor } from "./node.ts";
import { passStep } from "./step.ts";
import type { Store } from "./store.ts";

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
}

export class Log {
  readonly #store: Store;
  readonly #insert: Statement<unknown[]>;
  readonly #readHead: Statement<[], { seq: number; entry_hash: string; timestamp: string }>;
  #seq = 0;
  #head: string = GENESIS_HASH;
  #timestamp = "";
  #listeners: ((row: LogRow) => void)[] = [];

  constructor(store: Store) {
    this.#store = store;
    const columns = [
      "seq",
      "timestamp",
      "agent_id",
      "operation",
      "book_id",
      "path",
      "user_id",
      "prev_hash",
      "new_hash",
      "status",
      "error_message",
      "execution_time_ms",
      "file_id",
      "prev_path",
      "uid",
      "pid",
      "command",
      "size",
      "mode",
      "mtime",
      "entry_hash",
    ];
    this.#insert = store.database.prepare(
      `INSERT INTO audit_log (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
    );
    this.#readHead = store.database.prepare(
      "SELECT seq, entry_hash, timestamp FROM audit_log ORDER BY seq DESC LIMIT 1",
    );
    this.#load();
  }

  /** Position of the last row; 0 for an empty log. */
  get seq(): number {
    return this.#seq;
  }

  /** entry_hash of the last row: the head of the chain. */
  get head(): string {
    return this.#head;
  }

  /** Calls `listener` with every row, once it is committed. */
  onRow(listener: (row: LogRow) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Appends one row. Only within a transaction of the store.
   * @throws SqliteError when the row breaks a constraint (R7)
   */
  append(entry: LogEntry, actor: Actor): void {
    let timestamp = new Date().toISOString();
    // The clock may have been set back.
    if (timestamp < this.#timestamp) timestamp = this.#timestamp;
    const unchained = {
      seq: this.#seq + 1,
      timestamp,
      agent_id: actor.agent,
      operation: entry.operation,
      book_id: entry.bookId,
      path: entry.path,
      user_id: entry.userId,
      prev_hash: entry.prevHash,
      new_hash: entry.newHash,
      status: entry.status ?? "ok",
      error_message: entry.errorMessage ?? null,
      execution_time_ms: Math.round((performance.now() - entry.startedMs) * 1000) / 1000,
      file_id: entry.fileId,
      prev_path: entry.prevPath ?? null,
      uid: actor.uid,
      pid: actor.pid,
      command: actor.command(),
      size: entry.size ?? null,
      mode: entry.mode ?? null,
      mtime: entry.mtime ?? null,
    } satisfies LogRowBody;
    const row: LogRow = { ...unchained, entry_hash: entryHash(this.#head, canonicalJson(unchained)) };
    this.#insert.run(
      row.seq,
      row.timestamp,
      row.agent_id,
      row.operation,
      row.book_id,
      row.path,
      row.user_id,
      row.prev_hash,
      row.new_hash,
      row.status,
      row.error_message,
      row.execution_time_ms,
      row.file_id,
      row.prev_path,
      row.uid,
      row.pid,
      row.command,
      row.size,
      row.mode,
      row.mtime,
      row.entry_hash,
    );
    passStep("log.written");
    this.#store.afterRollback(() => this.#load());
    this.#seq = row.seq;
    this.#head = row.entry_hash;
    this.#timestamp = timestamp;
    if (this.#listeners.length > 0) {
      this.#store.afterCommit(() => {
        for (const listener of this.#listeners) listener(row);
      });
    }
  }

  #load(): void {
    const head = this.#readHead.get();
    this.#seq = head?.seq ?? 0;
    this.#head = head?.entry_hash ?? GENESIS_HASH;
    this.#timestamp = head?.timestamp ?? "";
  }
}
