/**
 * Owns the copies of blobs under the names of a book's files in a shared directory. They are copies, never links to a blob:
 * whoever writes into one must not reach the blob. Must never follow a symbolic link, nor touch what is outside of it.
 */
import type { Dirent } from "node:fs";
import { rmdir } from "node:fs/promises";
import type { BlobHash } from "../../schema/ids.ts";
import { PATH_MAX_BYTES } from "../../schema/paths.ts";
import { unlessGone } from "./directory-errors.ts";
import type { CopySource, DirectoryFiles } from "./directory-files.ts";
import type { FoundFile } from "./remote-blobs.ts";
import { digestOf, SharedFolder } from "./shared-folder.ts";

/** How often somebody else may take away a directory that was just made. */
const MAX_TRIES = 10;
/** What that, or putting something in its place, looks like. */
const PASSING: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ENOTEMPTY", "CORRUPT"]);

export class PublishedDirectory {
  readonly #files: DirectoryFiles;
  readonly #root: string;

  /** `root` is there. */
  constructor(files: DirectoryFiles, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /** Puts a copy of a file under a name, which is a valid path. What is in its way is published no more. */
  async publish(name: string, source: CopySource): Promise<void> {
    const { folders, last } = partsOf(name);
    await this.#files.withCopy(source, async (temporary) => {
      for (let tries = 1; ; tries++) {
        try {
          await (await this.#make(folders)).use(async (folder) => {
            await folder.clear(last);
            await this.#files.nameOver(temporary, folder, last);
          });
          return;
        } catch (error) {
          const { code = "" } = error as NodeJS.ErrnoException;
          if (tries === MAX_TRIES || !PASSING.has(code)) throw error;
        }
      }
    });
  }

  async unpublish(name: string): Promise<void> {
    const { folders, last } = partsOf(name);
    await this.#within(folders, async (held) => {
      const folder = held.at(-1) as SharedFolder;
      const found = await folder.status(last);
      if (found === undefined || found.isDirectory()) return;
      await folder.remove(last).catch(unlessGone);
      const paths = folders.map((above, index) => (held[index] as SharedFolder).at(above));
      for (const path of paths.reverse()) {
        const isRemoved = await rmdir(path).then(
          () => true,
          () => false,
        );
        if (!isRemoved) return;
      }
    });
  }

  /** What a name holds, with the hash of the bytes that are there, whoever put them there; none of what is no file. */
  async find(name: string): Promise<(FoundFile & { readonly hash: BlobHash | undefined }) | undefined> {
    const { folders, last } = partsOf(name);
    return await this.#within(folders, async (held) => {
      const folder = held.at(-1) as SharedFolder;
      const found = await folder.status(last);
      if (found === undefined || found.isDirectory()) return undefined;
      if (!found.isFile()) return { name, sizeBytes: found.size, hash: undefined };
      const handle = await folder.openFile(last);
      if (handle === undefined) return undefined;
      try {
        return { name, ...(await digestOf(handle)) };
      } finally {
        await handle.close();
      }
    });
  }

  /** What begins with `prefix` and comes behind `after`, sorted by name. */
  async *walk(prefix: string, after: string | undefined): AsyncGenerator<FoundFile> {
    const root = await SharedFolder.open(this.#root);
    try {
      yield* walk(root, "", { prefix, after });
    } finally {
      await root.close();
    }
  }

  /** The directory below the root that these names lead to. What is in the way of one is published no more. */
  async #make(folders: readonly string[]): Promise<SharedFolder> {
    let folder = await SharedFolder.open(this.#root);
    for (const name of folders) {
      folder = await folder.use(async () => {
        const found = await folder.status(name);
        if (found !== undefined && !found.isDirectory()) await folder.remove(name);
        return await this.#files.ensure(folder, name);
      });
    }
    return folder;
  }

  /** Calls `work` with the root and the directories that these names lead to; undefined: one of them is none. */
  async #within<Result>(
    folders: readonly string[],
    work: (held: readonly SharedFolder[]) => Promise<Result>,
  ): Promise<Result | undefined> {
    const held: SharedFolder[] = [];
    try {
      let folder: SharedFolder | undefined = await SharedFolder.open(this.#root);
      for (const name of folders) {
        held.push(folder);
        folder = await folder.enter(name).catch(unlessGone);
        if (folder === undefined) return undefined;
      }
      held.push(folder);
      return await work(held);
    } finally {
      for (const each of held) await each.close();
    }
  }
}

interface Wanted {
  readonly prefix: string;
  readonly after: string | undefined;
}

/** @param above its name with a slash behind it; of the root empty */
async function* walk(folder: SharedFolder, above: string, wanted: Wanted): AsyncGenerator<FoundFile> {
  const { prefix, after } = wanted;
  for (const { name, last, isFolder } of sortBytewise(above, await folder.list())) {
    const isBefore = after !== undefined && compareBytewise(name, after) <= 0;
    if (!isFolder) {
      if (!name.startsWith(prefix) || isBefore) continue;
      const found = await folder.status(last);
      if (found !== undefined) yield { name, sizeBytes: found.size };
      continue;
    }
    if (isBefore && !after.startsWith(name)) continue;
    // No file of a book is further down.
    if (name.length > PATH_MAX_BYTES || !(name.startsWith(prefix) || prefix.startsWith(name))) continue;
    const below = await folder.enter(last).catch(unlessGone);
    if (below === undefined) continue;
    try {
      yield* walk(below, name, wanted);
    } finally {
      await below.close();
    }
  }
}

interface Listed {
  /** Below the root; of a directory with a slash behind it. */
  readonly name: string;
  /** In its directory. */
  readonly last: string;
  readonly isFolder: boolean;
}

/** In the order of the whole names below: `a.md` comes before `a/b.md`. */
function sortBytewise(above: string, entries: readonly Dirent[]): Listed[] {
  return entries
    .map((entry) => ({
      name: `${above}${entry.name}${entry.isDirectory() ? "/" : ""}`,
      last: entry.name,
      isFolder: entry.isDirectory(),
    }))
    .sort((a, b) => compareBytewise(a.name, b.name));
}

function compareBytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The directories that a name leads through, and what it is in the last one. */
export function partsOf(name: string): { readonly folders: readonly string[]; readonly last: string } {
  const names = name.split("/");
  return { folders: names.slice(0, -1), last: names.at(-1) as string };
}
