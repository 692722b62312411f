/**
 * Owns blobs in a directory that several processes may share: `blobs/ab/HASH`, copies of them in `books/`, and
 * segments of logs in `log/`. Must never change a blob that is there.
 */
import type { Dirent } from "node:fs";
import { type FileHandle, lstat } from "node:fs/promises";
import { join } from "node:path";
import { type BlobHash, isBlobHash } from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";
import { makeDirectories } from "../make-directories.ts";
import { asDirectoryError, noFile, unlessGone, whyUnwritable } from "./directory-errors.ts";
import { DirectoryFiles } from "./directory-files.ts";
import { pagesOf } from "./pages.ts";
import { PublishedDirectory, partsOf } from "./published-directory.ts";
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
import { readFrom, SharedFolder } from "./shared-folder.ts";
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
  readonly #segments: string;
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
    this.#segments = join(directory, SEGMENTS);
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
          const blobs = await SharedFolder.open(this.#blobs);
          const folder = await blobs.use(async () => await files.ensure(blobs, folderOf(hash)));
          return await folder.use(async () =>
            (await files.nameNew(temporary, folder, hash)) ? "stored" : "present",
          );
        },
      );
    });
  }

  async *get(hash: BlobHash, start = 0, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    await this.#guard(async () => signal?.throwIfAborted());
    let handle: FileHandle | undefined;
    try {
      handle = await this.#inFolder(hash, async (folder) => await folder.openFile(hash));
      if (handle === undefined) throw this.#noSuchBlob(hash);
      yield* readFrom(handle, { start, signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw asDirectoryError(error, this.#directory);
    } finally {
      await handle?.close();
    }
  }

  /** Here nothing is sent in parts: what a process leaves is cleared by the next one that opens the directory. */
  async abortUploads(): Promise<number> {
    return 0;
  }

  async probe(): Promise<RemoteProbe> {
    try {
      await (await SharedFolder.open(this.#blobs)).close();
    } catch (error) {
      throw asDirectoryError(error, this.#directory);
    }
    const refuses = whyUnwritable(this.#directory) ?? whyUnwritable(this.#blobs);
    return { refuses, clockAheadMs: undefined };
  }

  async *list(after?: BlobHash): AsyncGenerator<readonly ListedBlob[]> {
    yield* this.#guardPages(() => this.#walk(after));
  }

  async delete(hash: BlobHash): Promise<void> {
    await this.#guard(async () => {
      await this.#inFolder(hash, async (folder) => {
        if (await isFile(folder, hash)) await folder.remove(hash).catch(unlessGone);
      });
    });
  }

  async publish({ name, hash, sizeBytes }: PublishedFile): Promise<void> {
    parseTreePath(name);
    await this.#guard(async ({ published }) => {
      const handle = await this.#inFolder(hash, async (folder) => await folder.openFile(hash));
      if (handle === undefined) throw this.#noSuchBlob(hash);
      try {
        const path = join(this.#blobs, folderOf(hash), hash);
        await published.publish(name, { handle, path, hash, sizeBytes });
      } finally {
        await handle.close();
      }
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
      await files.ensureTop(SEGMENTS);
      const { folders, last } = partsOf(name);
      let folder = await SharedFolder.open(this.#segments);
      for (const each of folders) folder = await folder.use(async (above) => await files.ensure(above, each));
      await folder.use(async () => {
        await files.withTemporary(
          async (handle) => await handle.writeFile(bytes),
          async (temporary) => await files.nameOver(temporary, folder, last),
        );
      });
    });
  }

  async getSegment(name: string, signal?: AbortSignal): Promise<Uint8Array> {
    parseTreePath(name);
    return await this.#guard(async () => {
      signal?.throwIfAborted();
      const handle = await this.#openSegment(name);
      if (handle === undefined) {
        // Unreachable is not deleted.
        await lstat(this.#blobs);
        throw new RemoteError("NOT_FOUND", `${this.#directory} has no segment ${name} of a log.`, {
          isRetryable: false,
        });
      }
      try {
        const bytes = Buffer.concat(
          await Array.fromAsync(readFrom(handle, { maxBytes: SEGMENT_MAX_BYTES + 1 })),
        );
        if (bytes.byteLength > SEGMENT_MAX_BYTES) throw this.#tooLong(name);
        return bytes;
      } finally {
        await handle.close();
      }
    });
  }

  async close(): Promise<void> {}

  async #isThere(hash: BlobHash): Promise<boolean> {
    return (await this.#inFolder(hash, async (folder) => await isFile(folder, hash))) === true;
  }

  /**
   * Calls `work` with the directory that a blob belongs in; undefined where there is none. Not there is a blob only while all
   * the others are: unreachable is not deleted.
   */
  async #inFolder<Result>(
    hash: BlobHash,
    work: (folder: SharedFolder) => Promise<Result>,
  ): Promise<Result | undefined> {
    const blobs = await SharedFolder.open(this.#blobs);
    const folder = await blobs.use(async () => await blobs.find(folderOf(hash)));
    return await folder?.use(work);
  }

  async #openSegment(name: string): Promise<FileHandle | undefined> {
    const { folders, last } = partsOf(name);
    let folder: SharedFolder | undefined = await SharedFolder.open(this.#segments).catch(unlessGone);
    for (const each of folders) folder = await folder?.use(async (above) => await above.find(each));
    return await folder?.use(async (above) => await above.openFile(last));
  }

  async *#walk(after: BlobHash | undefined): AsyncGenerator<ListedBlob> {
    const blobs = await SharedFolder.open(this.#blobs);
    try {
      for (const { name } of (await blobs.list()).sort(byName)) {
        if (after !== undefined && name < after.slice(0, 2)) continue;
        const folder = await blobs.enter(name).catch(unlessGone);
        if (folder !== undefined) yield* listIn(folder, name, after);
      }
    } finally {
      await blobs.close();
    }
  }

  #noSuchBlob(hash: BlobHash): RemoteError {
    return new RemoteError("NOT_FOUND", `The remote ${this.#directory} has no blob ${hash}.`, {
      isRetryable: false,
    });
  }

  #tooLong(name: string): RemoteError {
    return new RemoteError(
      "CORRUPT",
      `${join(this.#segments, name)} is no segment of a log: it is too long.`,
      {
        isRetryable: false,
      },
    );
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

async function* listIn(
  folder: SharedFolder,
  folderName: string,
  after: BlobHash | undefined,
): AsyncGenerator<ListedBlob> {
  try {
    for (const { name } of (await folder.list()).sort(byName)) {
      if (!isBlobHash(name) || folderOf(name) !== folderName) continue;
      if (after !== undefined && name <= after) continue;
      const found = await folder.status(name);
      if (found?.isFile() !== true) continue;
      yield { hash: name, sizeBytes: found.size, storedAt: found.mtime.toISOString() };
    }
  } finally {
    await folder.close();
  }
}

/** Whether a blob is in its directory. @throws RemoteError CORRUPT: another thing is, such as a link */
async function isFile(folder: SharedFolder, hash: BlobHash): Promise<boolean> {
  const found = await folder.status(hash);
  if (found !== undefined && !found.isFile()) throw noFile(join(folder.path, hash));
  return found !== undefined;
}

function folderOf(hash: BlobHash): string {
  return hash.slice(0, 2);
}

function byName(a: Dirent, b: Dirent): number {
  return a.name < b.name ? -1 : 1;
}

async function openPresent(directory: string): Promise<Opened> {
  for (const name of [BLOBS, BOOKS]) await (await SharedFolder.open(join(directory, name))).close();
  return openedIn(await DirectoryFiles.open(directory));
}

async function create(directory: string): Promise<Opened> {
  makeDirectories(directory, 0o700);
  const files = await DirectoryFiles.open(directory);
  for (const name of [BLOBS, BOOKS]) await files.ensureTop(name);
  return openedIn(files);
}

function openedIn(files: DirectoryFiles): Opened {
  return { files, published: new PublishedDirectory(files, join(files.root, BOOKS)) };
}
