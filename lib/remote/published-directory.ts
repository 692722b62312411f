/**
 * Owns the copies of blobs under the names of a book's files in a shared directory. They are copies, never links to a blob:
 * whoever writes into one must not reach the blob. Must never follow a symbolic link, nor touch what is outside of it.
 */
import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { lstat, readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BlobHash } from "../../schema/ids.ts";
import { type DirectoryFiles, readPlainFile, unlessGone } from "./directory-files.ts";
import type { FoundFile } from "./remote-blobs.ts";

/** How often somebody else may take away a directory that was just made. */
const MAX_TRIES = 10;

export class PublishedDirectory {
  readonly #files: DirectoryFiles;
  readonly #root: string;

  /** `root` is there. */
  constructor(files: DirectoryFiles, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /** Puts a copy of the file at `source` under a name, which is a valid path. What is in its way is published no more. */
  async publish(name: string, source: string): Promise<void> {
    const target = join(this.#root, name);
    await this.#files.withCopy(source, async (temporary) => {
      for (let tries = 1; ; tries++) {
        try {
          await this.#ensureDirectory(dirname(name));
          await this.#clearDirectory(target);
          await this.#files.nameOver(temporary, target);
          return;
        } catch (error) {
          const { code = "" } = error as NodeJS.ErrnoException;
          if (tries === MAX_TRIES || !["ENOENT", "ENOTDIR", "EISDIR", "ENOTEMPTY"].includes(code))
            throw error;
        }
      }
    });
  }

  async unpublish(name: string): Promise<void> {
    const target = join(this.#root, name);
    const found = await lstat(target).catch(unlessGone);
    if (found === undefined || found.isDirectory()) return;
    await this.#files.remove(target).catch(unlessGone);
    for (let above = dirname(name); above !== "."; above = dirname(above)) {
      const isRemoved = await rmdir(join(this.#root, above)).then(
        () => true,
        () => false,
      );
      if (!isRemoved) return;
    }
  }

  /** What a name holds, with the hash of the bytes that are there, whoever put them there; none of what is no file. */
  async find(name: string): Promise<(FoundFile & { readonly hash: BlobHash | undefined }) | undefined> {
    const path = join(this.#root, name);
    const found = await lstat(path).catch(unlessGone);
    if (found === undefined || found.isDirectory()) return undefined;
    if (!found.isFile()) return { name, sizeBytes: found.size, hash: undefined };
    const digest = createHash("sha256");
    let sizeBytes = 0;
    for await (const piece of readPlainFile(path)) {
      digest.update(piece);
      sizeBytes += piece.byteLength;
    }
    return { name, sizeBytes, hash: digest.digest("hex") as BlobHash };
  }

  /** What begins with `prefix` and comes behind `after`, sorted by name. */
  async *walk(prefix: string, after: string | undefined, folder = ""): AsyncGenerator<FoundFile> {
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true }).catch(unlessGone);
    for (const { name, isFolder } of sortBytewise(folder, entries ?? [])) {
      const isBefore = after !== undefined && compareBytewise(name, after) <= 0;
      if (isFolder) {
        if (isBefore && !after.startsWith(name)) continue;
        if (name.startsWith(prefix) || prefix.startsWith(name)) yield* this.walk(prefix, after, name);
      } else if (name.startsWith(prefix) && !isBefore) {
        const found = await lstat(join(this.#root, name)).catch(unlessGone);
        if (found !== undefined) yield { name, sizeBytes: found.size };
      }
    }
  }

  async #ensureDirectory(name: string): Promise<void> {
    if (name === ".") return;
    await this.#ensureDirectory(dirname(name));
    const path = join(this.#root, name);
    await this.#files.ensureDirectory(path);
    if ((await lstat(path)).isDirectory()) return;
    await this.#files.remove(path);
    await this.#files.ensureDirectory(path);
  }

  async #clearDirectory(path: string): Promise<void> {
    if ((await lstat(path).catch(unlessGone))?.isDirectory() === true) await rm(path, { recursive: true });
  }
}

interface Listed {
  /** Below the root; of a directory with a slash behind it. */
  readonly name: string;
  readonly isFolder: boolean;
}

/** In the order of the whole names below: `a.md` comes before `a/b.md`. */
function sortBytewise(folder: string, entries: readonly Dirent[]): Listed[] {
  return entries
    .map((entry) => ({
      name: `${folder}${entry.name}${entry.isDirectory() ? "/" : ""}`,
      isFolder: entry.isDirectory(),
    }))
    .sort((a, b) => compareBytewise(a.name, b.name));
}

function compareBytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
