/**
 * Owns a control file of log rows, one JSON object a line, oldest first: as they were when it was opened, however long they
 * are read. Must never hold more of them than its reader is about to take.
 */
import { type LogPages, type LogRange, PAGE_ROWS } from "../../lib/log-pages.ts";
import type { Time } from "../../lib/time.ts";
import { type LogRow, toldRow } from "../../schema/log-row.ts";
import type { ControlContent, ControlFile } from "./control-node.ts";
import { SnapshotContent } from "./generated-file.ts";
import { LineStream } from "./line-stream.ts";

/** Up to so many pages are looked at for the size, each time that somebody asks for it, and kept in memory at once. */
const MEASURED_PAGES = 2;
/** When it is opened, as many as these rows have: tar believes the size that an open file has. */
const OPENED_ROWS = 1000;

export interface LogFileSource {
  readonly pages: LogPages;
  /** Position that the file begins after; default 0. */
  readonly afterSeq?: number;
  /** What the file holds if it is opened now. */
  range(): LogRange;
  /** When the last of its rows was written. */
  mtime(): Time;
}

export class LogFile implements ControlFile {
  readonly kind = "file";
  readonly #source: LogFileSource;
  /** How many bytes the rows up to one have: a log only grows, so that what is known once is known for good. */
  readonly #measured: { seq: number; sizeBytes: number };

  constructor(source: LogFileSource) {
    this.#source = source;
    this.#measured = { seq: source.afterSeq ?? 0, sizeBytes: 0 };
  }

  look() {
    return { sizeBytes: this.#sizeOf(this.#source.range()), mtime: this.#source.mtime() };
  }

  open(): ControlContent {
    const { pages, afterSeq = 0 } = this.#source;
    const [range, mtime] = [this.#source.range(), this.#source.mtime()];
    const sizeBytes = this.#sizeOf(range) ?? 0;
    const stream = new LineStream({
      mtime,
      sizeBytes,
      pages: () => linesOf(pages, range, afterSeq),
      onEnd: (size) => this.#learn(range, size),
    });
    const isShort = range.untilSeq - afterSeq <= OPENED_ROWS;
    const whole = stream.takeWhole(isShort ? OPENED_ROWS / PAGE_ROWS : MEASURED_PAGES);
    return whole === undefined ? stream : new SnapshotContent(whole, mtime);
  }

  /** Undefined when there is more to look at than can be done at once; the next time begins where this one ends. */
  #sizeOf(range: LogRange): number | undefined {
    const measured = this.#measured;
    for (let page = 0; page < MEASURED_PAGES; page++) {
      const { rows, upTo } = this.#source.pages.page(range, measured.seq);
      for (const row of rows) measured.sizeBytes += Buffer.byteLength(logLine(row));
      // Rows of other books, if any, need not be passed over again.
      measured.seq = upTo;
      if (upTo >= range.untilSeq) return measured.sizeBytes;
    }
    return undefined;
  }

  /** Somebody has read to the end. */
  #learn({ untilSeq }: LogRange, sizeBytes: number): void {
    if (untilSeq > this.#measured.seq) Object.assign(this.#measured, { seq: untilSeq, sizeBytes });
  }
}

/** The lines of a range after a position, page by page. */
function* linesOf(pages: LogPages, range: LogRange, afterSeq: number): Generator<string[], void> {
  for (let last = afterSeq; last < range.untilSeq; ) {
    const { rows, upTo } = pages.page(range, last);
    if (rows.length > 0) yield rows.map(logLine);
    last = upTo;
  }
}

/** A row as it is in these files. */
export function logLine(row: LogRow): string {
  return `${JSON.stringify(toldRow(row))}\n`;
}
