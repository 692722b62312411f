/**
 * Owns bytes that are made while they are read, in order, from pages of lines. Must never hold more of them than its reader
 * is about to take.
 */
import { Deferred } from "../../lib/errands.ts";
import type { Time } from "../../lib/time.ts";
import { PosixError } from "../../schema/errors.ts";
import { ByteWindow } from "./byte-window.ts";
import type { ControlContent } from "./control-node.ts";

/** How far a reader may jump ahead: what lies between has to be made, too. */
const MAX_JUMP_BYTES = 1024 * 1024;

/** Asked for the next page with whether it may be put off; after a Deferred it is asked again. */
export type LinePages = Iterator<readonly string[], void, boolean>;

export interface LineStreamOptions {
  readonly mtime: Time;
  /** 0 when nobody knows. */
  readonly sizeBytes: number;
  /** Begins anew; a page is some lines, each with its end, that are quick to make. It must give the same each time. */
  pages(): LinePages;
  /** The first READ gets the first page, however much it asks for: whoever looks at the first line need not wait for others. */
  readonly beginsSoon?: boolean;
  /** Called with the whole size when the last line was made. */
  onEnd?(sizeBytes: number): void;
}

export class LineStream implements ControlContent {
  readonly isUncached = true;
  readonly mtime: Time;
  readonly sizeBytes: number;
  readonly #options: LineStreamOptions;
  readonly #window = new ByteWindow();
  #pages: LinePages;
  #ended = false;

  constructor(options: LineStreamOptions) {
    this.#options = options;
    this.mtime = options.mtime;
    this.sizeBytes = options.sizeBytes;
    this.#pages = options.pages();
  }

  get version(): unknown {
    return this;
  }

  /** The whole file, if it has no more than so many pages. */
  takeWhole(pages: number): Buffer | undefined {
    for (let page = 0; page <= pages && !this.#ended; page++) this.#more(false);
    return this.#ended ? Buffer.from(this.#window.bytes) : undefined;
  }

  /** @throws PosixError ESPIPE for a jump: such a file is read from its beginning on; Deferred */
  read(offset: number, target: Uint8Array, mayDefer = false): number {
    const window = this.#window;
    if (offset < window.start) this.#rewind();
    if (offset > window.end + MAX_JUMP_BYTES)
      throw new PosixError("ESPIPE", "It is made while it is read, and can be read in order only.");
    while (!this.#ended && window.end < offset + target.byteLength) {
      window.dropUntil(offset);
      try {
        this.#more(mayDefer);
      } catch (error) {
        // What is there is read first.
        if (!(error instanceof Deferred) || window.end <= offset) throw error;
        break;
      }
      if (offset === 0 && window.end > 0 && this.#options.beginsSoon === true) break;
    }
    return window.copy(offset, target);
  }

  close(): void {}

  #more(mayDefer: boolean): void {
    const page = this.#pages.next(mayDefer);
    if (page.done === true) {
      this.#ended = true;
      this.#options.onEnd?.(this.#window.end);
      return;
    }
    // Line by line: a string for all of them would be too large for the young generation of the heap.
    for (const line of page.value) this.#window.append(line);
  }

  #rewind(): void {
    this.#window.clear();
    this.#pages = this.#options.pages();
    this.#ended = false;
  }
}
