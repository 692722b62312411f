/**
 * Owns blobs in a directory that several processes may share: `blobs/ab/HASH`, copies of them in `books/`, and
 * segments of logs in `log/`. Must never change a blob that is there.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type BlobHash, isBlobHash } from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";
import { makeDirectories } from "../make-directories.ts";
import { asDirectoryError, missingRemote, noFile, whyUnwritable } from "./directory-errors.ts";
import { DirectoryFiles, readPlainFile, unlessGone } from "./directory-files.ts";
import { pagesOf } from "./pages.ts";
import { PublishedDirectory } from "./published-directory.ts";
import {
  type BlobSource,
  type FoundFile,
  type ListedBlob,
  type PublishedFile,
  type PutOutcome,
  type RemoteBlobs,
  SEGMENT_MAX_BYTES,
} from "./remote-blobs.ts";
import { RemoteError } from "./remote-error.ts";
import type { RemoteProbe } from "./remote-probe.ts";
import { verified } from "./verified.ts";

const BLOBS = "blobs";
const BOOKS = "books";
const SEGMENTS = "log";

interface Opened {
  readonly files: DirectoryFiles;
  readonly published: PublishedDirectory;
}

export class DirectoryBlobs implements RemoteBlobs {
  readonly #directory: string;
  readonly #blobs: string;
  readonly #isNew: boolean;
  #opening: Promise<Opened> | undefined;

  /**
   * Nothing is touched until something is asked. A remote that is missing then is never made by the way, as its disk may not
   * be mounted; only `isNew` makes it.
   * @param directory an absolute path
   */
  constructor(directory: string, { isNew = false }: { readonly isNew?: boolean } = {}) {
    this.#directory = directory;
    this.#blobs = join(directory, BLOBS);
    this.#isNew = isNew;
  }

  async has(hash: BlobHash): Promise<boolean> {
    return await this.#guard(async () => await this.#isThere(hash));
  }

  async put(source: BlobSource, signal?: AbortSignal): Promise<PutOutcome> {
    return await this.#guard(async ({ files }) => {
      const { hash } = source;
      if (await this.#isThere(hash)) return "present";
      return await files.withTemporary(
        async (handle) => {
          for await (const piece of verified(source, source.read())) {
            signal?.throwIfAborted();
            await handle.writeFile(piece);
          }
        },
        async (temporary) => {
          await files.ensureDirectory(join(this.#blobs, hash.slice(0, 2)));
          return (await files.nameNew(temporary, this.#pathOf(hash))) ? "stored" : "present";
        },
      );
    });
  }

  async *get(hash: BlobHash, start = 0, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    await this.#guard(async () => signal?.throwIfAborted());
    try {
      yield* readPlainFile(this.#pathOf(hash), { start, signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw await this.#explainMissing(hash, error);
    }
  }

  /** Here nothing is sent in parts: what a process leaves is cleared by the next one that opens the directory. */
  async abortUploads(): Promise<number> {
    return 0;
  }

  async probe(): Promise<RemoteProbe> {
    const { isDirectory } = await stat(this.#blobs).then(
      (stats) => ({ isDirectory: stats.isDirectory() }),
      (error) => {
        throw asDirectoryError(error, this.#directory);
      },
    );
    if (!isDirectory) throw missingRemote(this.#directory);
    const refuses = whyUnwritable(this.#directory) ?? whyUnwritable(this.#blobs);
    return { refuses, clockAheadMs: undefined };
  }

  async *list(after?: BlobHash): AsyncGenerator<readonly ListedBlob[]> {
    yield* this.#guardPages(() => this.#walk(after));
  }

  async delete(hash: BlobHash): Promise<void> {
    await this.#guard(async ({ files }) => {
      if (await this.#isThere(hash)) await files.remove(this.#pathOf(hash)).catch(unlessGone);
    });
  }

  async publish({ name, hash }: PublishedFile): Promise<void> {
    parseTreePath(name);
    await this.#guard(async ({ published }) => {
      if (!(await this.#isThere(hash))) throw this.#noSuchBlob(hash);
      await published.publish(name, this.#pathOf(hash));
    });
  }

  async unpublish(names: readonly string[]): Promise<void> {
    await this.#guard(async ({ published }) => {
      for (const name of names) await published.unpublish(parseTreePath(name));
    });
  }

  async findPublished(
    name: string,
  ): Promise<(FoundFile & { readonly hash: BlobHash | undefined }) | undefined> {
    parseTreePath(name);
    return await this.#guard(async ({ published }) => await published.find(name));
  }

  async *listPublished(prefix: string, after?: string): AsyncGenerator<readonly FoundFile[]> {
    yield* this.#guardPages(({ published }) => published.walk(prefix, after));
  }

  async putSegment(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    parseTreePath(name);
    await this.#guard(async ({ files }) => {
      signal?.throwIfAborted();
      let directory = join(this.#directory, SEGMENTS);
      await files.ensureDirectory(directory);
      for (const each of name.split("/").slice(0, -1)) {
        directory = join(directory, each);
        await files.ensureDirectory(directory);
      }
      await files.withTemporary(
        async (handle) => await handle.writeFile(bytes),
        async (temporary) => await files.nameOver(temporary, join(this.#directory, SEGMENTS, name)),
      );
    });
  }

  async getSegment(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    parseTreePath(name);
    return await this.#guard(async () => {
      signal?.throwIfAborted();
      const path = join(this.#directory, SEGMENTS, name);
      const found = await stat(path).catch(unlessGone);
      if (found !== undefined && found.size > SEGMENT_MAX_BYTES)
        throw new RemoteError("CORRUPT", `${path} is no segment of a log: it is too long.`, {
          isRetryable: false,
        });
      if (found !== undefined) return await bytesOf(path);
      // Unreachable is not deleted.
      await stat(this.#blobs);
      throw new RemoteError("NOT_FOUND", `${this.#directory} has no segment ${name} of a log.`, {
        isRetryable: false,
      });
    });
  }

  async close(): Promise<void> {}

  #pathOf(hash: BlobHash): string {
    return join(this.#blobs, hash.slice(0, 2), hash);
  }

  /** Not there is a blob only while all the others are: unreachable is not deleted. */
  async #isThere(hash: BlobHash): Promise<boolean> {
    const path = this.#pathOf(hash);
    const found = await stat(path).catch(unlessGone);
    if (found !== undefined && !found.isFile()) throw noFile(path);
    if (found !== undefined) return true;
    await stat(this.#blobs);
    return false;
  }

  async *#walk(after: BlobHash | undefined): AsyncGenerator<ListedBlob> {
    for (const folder of (await readdir(this.#blobs)).sort()) {
      if (after !== undefined && folder < after.slice(0, 2)) continue;
      const names = (await readdir(join(this.#blobs, folder)).catch(unlessGone)) ?? [];
      for (const name of names.sort()) {
        if (!isBlobHash(name) || !name.startsWith(folder)) continue;
        if (after !== undefined && name <= after) continue;
        const found = await stat(this.#pathOf(name)).catch(unlessGone);
        if (found?.isFile() !== true) continue;
        yield { hash: name, sizeBytes: found.size, storedAt: found.mtime.toISOString() };
      }
    }
  }

  async #explainMissing(hash: BlobHash, error: unknown): Promise<unknown> {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") return asDirectoryError(error, this.#directory);
    const isThere = this.#guard(async () => await this.#isThere(hash));
    return await isThere.then(
      () => this.#noSuchBlob(hash),
      (missing: unknown) => missing,
    );
  }

  #noSuchBlob(hash: BlobHash): RemoteError {
    return new RemoteError("NOT_FOUND", `The remote ${this.#directory} has no blob ${hash}.`, {
      isRetryable: false,
    });
  }

  async #guard<Result>(work: (opened: Opened) => Promise<Result>): Promise<Result> {
    try {
      return await work(await this.#open());
    } catch (error) {
      throw asDirectoryError(error, this.#directory);
    }
  }

  async *#guardPages<Item>(walk: (opened: Opened) => AsyncIterable<Item>): AsyncGenerator<readonly Item[]> {
    try {
      yield* pagesOf(walk(await this.#open()));
    } catch (error) {
      throw asDirectoryError(error, this.#directory);
    }
  }

  /** What could not be opened is tried anew the next time. */
  async #open(): Promise<Opened> {
    this.#opening ??= this.#isNew ? create(this.#directory) : openPresent(this.#directory);
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}

async function bytesOf(path: string): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for await (const piece of readPlainFile(path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function openPresent(directory: string): Promise<Opened> {
  for (const name of [BLOBS, BOOKS])
    if ((await stat(join(directory, name)).catch(unlessGone)) === undefined) throw missingRemote(directory);
  return openedIn(await DirectoryFiles.open(directory));
}

async function create(directory: string): Promise<Opened> {
  makeDirectories(directory, 0o700);
  const files = await DirectoryFiles.open(directory);
  for (const name of [BLOBS, BOOKS]) await files.ensureDirectory(join(directory, name));
  return openedIn(files);
}

function openedIn(files: DirectoryFiles): Opened {
  return { files, published: new PublishedDirectory(files, join(files.root, BOOKS)) };
}
