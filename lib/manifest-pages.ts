/**
 * Owns reading the files of a book's base at a position with who changed each last, a page at a time. Must never look at the
 * journal: pages that are read later are of the same state.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type BookId, type Seq } from "../schema/ids.ts";
import { PastFiles } from "./past/past-files.ts";
import type { BookFile } from "./reader.ts";
import type { Store } from "./store.ts";

/** A file and the last row that the log has of it. */
export interface ManifestFile extends BookFile {
  readonly seq: number;
  readonly agent: string;
}

export class ManifestPages {
  readonly #store: Store;
  readonly #bookId: BookId;
  readonly #files: PastFiles;
  readonly #last: Statement<unknown[], { seq: number; agent: string }>;

  constructor(store: Store, bookId: BookId) {
    this.#store = store;
    this.#bookId = bookId;
    this.#files = new PastFiles(store.database, bookId, BASE);
    this.#last = store.database.prepare(
      `SELECT seq, agent_id AS agent FROM audit_log INDEXED BY audit_log_path
       WHERE book_id = ? AND path = ? AND user_id = ? AND seq <= ? AND status = 'ok' ORDER BY seq DESC LIMIT 1`,
    );
  }

  /** The files at a position, sorted bytewise by path, in pages. */
  *pages(seq: Seq): Generator<ManifestFile[], void> {
    const pages = this.#files.pages(seq);
    for (;;) {
      this.#store.read();
      const { done, value: page } = pages.next();
      if (done === true) return;
      yield page.map((file) => ({ ...file, ...this.#lastRow(file.path, seq) }));
    }
  }

  #lastRow(path: string, seq: Seq): { seq: number; agent: string } {
    return this.#last.get(this.#bookId, path, BASE, seq) as { seq: number; agent: string };
  }
}
