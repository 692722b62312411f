/**
 * Owns a control file of the rows of the log that fit a question, oldest first, as they were when it was opened. Must never
 * look through more than a short log itself: another thread does, while whoever reads waits.
 */
import { Deferred } from "../../lib/errands.ts";
import { PAGE_ROWS } from "../../lib/log-pages.ts";
import { type FoundRows, isQuick, type LogSearch, searchPiece } from "../../lib/log-search.ts";
import { fromIso, type Time } from "../../lib/time.ts";
import type { ControlContent, ControlFile, ControlLook } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { SnapshotContent } from "./generated-file.ts";
import { type LinePages, LineStream } from "./line-stream.ts";
import { logLine } from "./log-file.ts";

/** So many rows are looked through at once, so that the size of the answer is known. */
const SHORT_ROWS = 400;
/** And so many when it is opened: tar believes the size that an open file has. */
const OPENED_ROWS = 1000;
/** Of the first page: rows that fit lie far apart, and each that was not read lately takes up to 0.1 ms. */
const FIRST_ROWS = 20;

export class AnswerFile implements ControlFile {
  readonly kind = "file";
  readonly #source: ControlSource;
  readonly #search: () => LogSearch;
  #short: { readonly search: LogSearch; readonly content: SnapshotContent } | undefined;

  /** @param search what is looked for if it is opened now; quick to say */
  constructor(source: ControlSource, search: () => LogSearch) {
    this.#source = source;
    this.#search = search;
  }

  look(): ControlLook {
    const search = this.#search();
    return { sizeBytes: this.#wholeOf(search)?.sizeBytes, mtime: this.#mtime() };
  }

  open(): ControlContent {
    const search = this.#search();
    return this.#wholeOf(search, OPENED_ROWS) ?? this.#streamOf(search);
  }

  /** Of a short log all of the answer. */
  #wholeOf(search: LogSearch, rows = SHORT_ROWS): SnapshotContent | undefined {
    const { afterSeq, untilSeq } = search;
    if (untilSeq - afterSeq > rows) return undefined;
    const known = this.#short;
    if (known?.search.afterSeq === afterSeq && known.search.untilSeq === untilSeq) return known.content;
    const bytes = this.#streamOf(search).takeWhole(rows / PAGE_ROWS + 2);
    if (bytes === undefined) return undefined;
    const content = new SnapshotContent(bytes, this.#mtime());
    this.#short = { search, content };
    return content;
  }

  #streamOf(search: LogSearch): LineStream {
    const pages = (): LinePages => new FoundLines(this.#source, search);
    return new LineStream({ mtime: this.#mtime(), sizeBytes: 0, pages, beginsSoon: true });
  }

  #mtime(): Time {
    const { log, worktree } = this.#source;
    return fromIso(log.timestamp === "" ? worktree.book.createdAt : log.timestamp);
  }
}

/** The lines of an answer, of which nobody knows yet where the rows are. */
class FoundLines implements LinePages {
  readonly #source: ControlSource;
  #search: LogSearch;
  #found: readonly number[] = [];
  #given = 0;
  #hasGiven = false;

  constructor(source: ControlSource, search: LogSearch) {
    this.#source = source;
    this.#search = { ...search, soon: true };
  }

  /** @throws Deferred */
  next(mayDefer = false): IteratorResult<readonly string[], void> {
    const { store, logPages } = this.#source;
    while (this.#given === this.#found.length) {
      const search = this.#search;
      if (search.afterSeq >= search.untilSeq) return { done: true, value: undefined };
      store.read();
      if (mayDefer && !isQuick(store.database, search))
        throw Deferred.of({ type: "search-log", search }, (found) => this.#take(search, found));
      this.#take(search, searchPiece(store.database, search));
    }
    const rows = this.#hasGiven ? PAGE_ROWS : FIRST_ROWS;
    const seqs = this.#found.slice(this.#given, this.#given + rows);
    this.#given += seqs.length;
    this.#hasGiven = true;
    return { done: false, value: seqs.map((seq) => logLine(logPages.row(seq))) };
  }

  /** Another who waited for the same may have been told before. */
  #take(search: LogSearch, { seqs, upTo }: FoundRows): void {
    if (this.#search !== search) return;
    this.#search = { ...search, afterSeq: upTo, soon: false };
    this.#found = seqs;
    this.#given = 0;
  }
}
