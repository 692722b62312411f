/**
 * Owns being told of new rows in a directory: the system tells of writes to the database's files, and where it does not, the
 * heads are looked at now and then. Must never end by itself, nor throw.
 */
import { type FSWatcher, watch } from "node:fs";
import type { BookId } from "../../schema/ids.ts";
import { openSharedDatabase, type SharedDatabase } from "./directory-database.ts";
import { parseNamedHead } from "./log-answers.ts";
import type { Watch } from "./remote-log.ts";

/** In milliseconds. */
export interface DirectoryWatchTimes {
  /** Between two looks that nobody asked for. */
  readonly lookEvery: number;
}

const DEFAULTS: DirectoryWatchTimes = { lookEvery: 2000 };

export class DirectoryWatch implements Watch {
  readonly #directory: string;
  readonly #onRows: (bookId: BookId, seq: number) => void;
  readonly #told = new Map<BookId, number>();
  readonly #timer: NodeJS.Timeout;
  #database: SharedDatabase | undefined;
  #watcher: FSWatcher | undefined;
  #soon: NodeJS.Immediate | undefined;

  constructor(
    directory: string,
    onRows: (bookId: BookId, seq: number) => void,
    times: Partial<DirectoryWatchTimes>,
  ) {
    this.#directory = directory;
    this.#onRows = onRows;
    this.#timer = setInterval(() => this.#look(), { ...DEFAULTS, ...times }.lookEvery);
    this.#lookSoon();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearImmediate(this.#soon);
    this.#watcher?.close();
    this.#database?.close();
  }

  /** Many writes at once are one look. */
  #lookSoon(): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#look();
    });
  }

  #look(): void {
    let heads: ReturnType<typeof parseNamedHead>[];
    try {
      this.#database ??= openSharedDatabase(this.#directory);
      this.#watchFiles();
      heads = this.#database.read((database) =>
        database.prepare("SELECT book_id, seq FROM book").all().map(parseNamedHead),
      );
    } catch {
      // Whoever pushes or pulls is told why; here it is only tried again.
      this.#database?.close();
      this.#database = undefined;
      return;
    }
    for (const { bookId, seq } of heads) {
      if (this.#told.get(bookId) === seq) continue;
      this.#told.set(bookId, seq);
      try {
        this.#onRows(bookId, seq);
      } catch (error) {
        process.emitWarning(error as Error);
      }
    }
  }

  #watchFiles(): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(this.#directory, () => this.#lookSoon());
    } catch {
      // The system's limit of watches: the timer has to do.
      return;
    }
    this.#watcher.on("error", () => {
      this.#watcher?.close();
      this.#watcher = undefined;
    });
  }
}
