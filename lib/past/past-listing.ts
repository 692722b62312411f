/**
 * Owns listing a directory of the past, sorted by name: a batch at a time, so that a listing costs what it shows however
 * large the directory and whatever is below it. Must never know what a node looks like.
 */
import type { Seq } from "../../schema/ids.ts";
import type { BookFile } from "../reader.ts";
import { type PastView, rangeBelow } from "./past-view.ts";

/** A name in a directory: a file's, or a directory's that has files below it. */
export interface PastEntry {
  readonly name: string;
  readonly file: BookFile | undefined;
}

const BATCH = 128;

export class PastListing {
  readonly #files: PastView;
  readonly #seq: Seq;
  readonly #prefix: string;
  readonly #end: string | Uint8Array;
  /** Where each batch begins, as far as it is known: one path for as many names. */
  readonly #starts: string[];
  #batch: readonly PastEntry[] = [];
  #batchNumber = -1;
  /** Known once its last batch was read. */
  #length = Number.POSITIVE_INFINITY;

  /** `directory` is a path; "" the root. */
  constructor(files: PastView, seq: Seq, directory: string) {
    this.#files = files;
    this.#seq = seq;
    this.#prefix = directory === "" ? "" : `${directory}/`;
    const { from, end } = rangeBelow(directory);
    this.#starts = [from];
    this.#end = end;
  }

  /** The entry at a position from 0 up; undefined behind the last. */
  at(index: number): PastEntry | undefined {
    if (index >= this.#length) return undefined;
    const wanted = Math.floor(index / BATCH);
    if (wanted !== this.#batchNumber) this.#goTo(wanted);
    return this.#batch[index - this.#batchNumber * BATCH];
  }

  #goTo(wanted: number): void {
    for (let number = Math.min(wanted, this.#starts.length - 1); number <= wanted; number++) {
      const start = this.#starts[number];
      if (start === undefined) return;
      this.#read(number, start);
    }
  }

  #read(number: number, start: string): void {
    const entries: PastEntry[] = [];
    let from = start;
    while (entries.length < BATCH) {
      const next = this.#readFrom(from, entries);
      if (next === undefined) break;
      from = next;
    }
    this.#batch = entries;
    this.#batchNumber = number;
    if (entries.length < BATCH) this.#length = number * BATCH + entries.length;
    else this.#starts[number + 1] = from;
  }

  /** Adds names up to the first directory, or until the batch is full; says where to go on, undefined at the end. */
  #readFrom(from: string, entries: PastEntry[]): string | undefined {
    for (const file of this.#files.filesIn({ from, end: this.#end }, this.#seq)) {
      const slash = file.path.indexOf("/", this.#prefix.length);
      if (slash !== -1) {
        entries.push({ name: file.path.slice(this.#prefix.length, slash), file: undefined });
        // Behind everything in that directory.
        return `${file.path.slice(0, slash)}0`;
      }
      entries.push({ name: file.path.slice(this.#prefix.length), file });
      // Paths have no control characters: nothing is between a path and this.
      if (entries.length === BATCH) return `${file.path}\u0001`;
    }
    return undefined;
  }
}
