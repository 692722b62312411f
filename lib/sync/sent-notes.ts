/**
 * Owns what is remembered of bytes that a push has sent before the rows that name them were there: after one that was cut off
 * the next asks for those, and sends only what the remote has not. Must never be believed: it may have collected them as garbage.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BlobHash, BookId } from "../../schema/ids.ts";

export class SentNotes {
  readonly #directory: string;
  readonly #file: string;
  readonly #hashes: Set<string>;

  /** @param directory is made when it is first needed */
  constructor(directory: string, bookId: BookId) {
    this.#directory = directory;
    this.#file = join(directory, `${bookId}.sent`);
    this.#hashes = new Set(readLines(this.#file));
  }

  has(hash: BlobHash): boolean {
    return this.#hashes.has(hash);
  }

  /** A killed process leaves it; what a machine without power loses is sent once more. */
  add(hash: BlobHash): void {
    if (this.#hashes.size === 0) mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#hashes.add(hash);
    appendFileSync(this.#file, `${hash}\n`, { mode: 0o600 });
  }

  all(): BlobHash[] {
    return [...this.#hashes] as BlobHash[];
  }

  /** These need not be remembered any more. The others are, whenever the process is killed. */
  remove(hashes: readonly BlobHash[]): void {
    for (const hash of hashes) this.#hashes.delete(hash);
    if (this.#hashes.size === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    const temporary = `${this.#file}.tmp`;
    writeFileSync(
      temporary,
      this.all()
        .map((hash) => `${hash}\n`)
        .join(""),
      { mode: 0o600 },
    );
    renameSync(temporary, this.#file);
  }

  /** The rows are there: the store knows it from now on. */
  clear(): void {
    if (this.#hashes.size === 0) return;
    this.#hashes.clear();
    rmSync(this.#file, { force: true });
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(0, -1);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
