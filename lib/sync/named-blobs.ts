/**
 * Owns which blobs the logs of all books of a remote name, in a temporary database. Must never hold them in memory, nor believe
 * a log that is damaged.
 */
import Sqlite, { type Statement } from "better-sqlite3";
import type { BlobHash, BookId } from "../../schema/ids.ts";
import type { RemoteLog, SharedHead } from "../remote/remote-log.ts";
import { EMPTY_HEAD, verifyPage } from "../remote/shared-chain.ts";

type Log = Pick<RemoteLog, "listBooks" | "rowsAfter">;

export class NamedBlobs {
  /** Removed by SQLite when it is closed. */
  readonly #database = new Sqlite("");
  readonly #add: Statement<unknown[]>;
  readonly #find: Statement<unknown[]>;
  /** Up to where each book's log was read. */
  readonly #heads = new Map<BookId, SharedHead>();

  constructor() {
    const database = this.#database;
    database.pragma("journal_mode = OFF");
    database.pragma("synchronous = OFF");
    database.exec("CREATE TABLE named (hash TEXT PRIMARY KEY) WITHOUT ROWID");
    this.#add = database.prepare("INSERT OR IGNORE INTO named (hash) VALUES (?)");
    this.#find = database.prepare("SELECT 1 FROM named WHERE hash = ?");
  }

  /** Reads all logs to their ends, from where they were read last. @throws PfsError STORE_DAMAGED, as RemoteLog.rowsAfter */
  async readOn(log: Log, pageRows: number, signal: AbortSignal | undefined): Promise<void> {
    for (const bookId of await log.listBooks()) {
      for (let head = this.#heads.get(bookId) ?? EMPTY_HEAD; ; ) {
        signal?.throwIfAborted();
        const rows = await log.rowsAfter(bookId, head.seq, pageRows);
        head = verifyPage(head, rows);
        this.#heads.set(bookId, head);
        for (const { prev_hash, new_hash } of rows)
          for (const hash of [prev_hash, new_hash]) if (hash !== null) this.#add.run(hash);
        if (rows.length < pageRows) break;
      }
    }
  }

  has(hash: BlobHash): boolean {
    return this.#find.get(hash) !== undefined;
  }

  /** Books whose logs were read. */
  get books(): ReadonlySet<string> {
    return new Set(this.#heads.keys());
  }

  close(): void {
    this.#database.close();
  }
}
