/**
 * Owns one directory of a share while somebody works in it, held by a descriptor: who else may write the share may rename what is
 * there, or put links in its place, at any moment, and whoever looks and then uses a path uses another one. Must never follow a
 * symbolic link, nor name anything but what is in the directory itself.
 */
import { createHash } from "node:crypto";
import { constants, type Dirent, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { BlobHash } from "../../schema/ids.ts";
import { linkedRemote, noDirectory, noFile, unlessGone } from "./directory-errors.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** What opening says of a link with O_NOFOLLOW, and of a socket. */
const NO_FILE: ReadonlySet<string> = new Set(["ELOOP", "ENXIO"]);
/** As many names as a path can have, and descriptors that clearing takes at most. */
const MAX_DEPTH = 2048;
/** Of file systems that cannot sync a directory. */
const NO_DIRECTORY_SYNC: ReadonlySet<string> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "EBADF"]);

export class SharedFolder {
  /** As messages name it: it may have another name by now. */
  readonly path: string;
  readonly #handle: FileHandle;

  /**
   * Opens a directory that a remote begins with. What is above it is the choice of whoever named the remote, and may be links.
   * @throws RemoteError UNAVAILABLE: it is itself a link, or another thing; as open(2)
   */
  static async open(path: string): Promise<SharedFolder> {
    try {
      return await SharedFolder.#hold(path, path);
    } catch (error) {
      if (isCode(error, "ENOTDIR") && (await lstat(path).catch(unlessGone)) !== undefined)
        throw linkedRemote(path);
      throw error;
    }
  }

  /** The directory that a remote is in, wherever its path leads. @throws as open(2) */
  static async openRoot(path: string): Promise<SharedFolder> {
    return await SharedFolder.#hold(`${path}/.`, path);
  }

  static async #hold(opened: string, path: string): Promise<SharedFolder> {
    return new SharedFolder(path, await open(opened, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Calls `work`, and lets go of the directory. */
  async use<Result>(work: (folder: SharedFolder) => Promise<Result>): Promise<Result> {
    try {
      return await work(this);
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** A path to what has a name here that leads nowhere else, but through that name's own link. Good until this is closed. */
  at(name: string): string {
    return `${pathOf(this.#handle)}/${name}`;
  }

  /** A directory in this one. @throws Node's system error: ENOENT; ENOTDIR: it is a link, or another thing */
  async enter(name: string): Promise<SharedFolder> {
    return await SharedFolder.#hold(this.at(name), join(this.path, name));
  }

  /** The same, undefined where nothing has the name. @throws RemoteError CORRUPT: it is a link, or another thing */
  async find(name: string): Promise<SharedFolder | undefined> {
    try {
      return await this.enter(name);
    } catch (error) {
      if (isCode(error, "ENOENT")) return undefined;
      throw isCode(error, "ENOTDIR") ? noDirectory(join(this.path, name)) : error;
    }
  }

  /** What has a name, a link as itself. */
  async status(name: string): Promise<Stats | undefined> {
    return await lstat(this.at(name)).catch(unlessGone);
  }

  async list(): Promise<Dirent[]> {
    return await readdir(pathOf(this.#handle), { withFileTypes: true });
  }

  /**
   * Opens a plain file for reading; undefined where there is none. Whoever can write the directory can put a pipe there, which
   * nothing would ever come from.
   * @throws RemoteError CORRUPT: it is no file
   */
  async openFile(name: string): Promise<FileHandle | undefined> {
    let handle: FileHandle;
    try {
      // A pipe is not waited for.
      handle = await open(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return undefined;
      throw NO_FILE.has(code) ? noFile(join(this.path, name)) : error;
    }
    try {
      if (!(await handle.stat()).isFile()) throw noFile(join(this.path, name));
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Takes a name away that is no directory's. */
  async remove(name: string): Promise<void> {
    await unlink(this.at(name));
    await this.sync();
  }

  /**
   * Takes a name away with all that is below it, if it is a directory's. Links there go; what they lead to stays.
   * @throws RemoteError CORRUPT: there are more directories below each other than a path can name
   */
  async clear(name: string, depth = 0): Promise<void> {
    const folder = await this.enter(name).catch(unlessGone);
    if (folder === undefined) return;
    await folder.use(async (within) => {
      if (depth === MAX_DEPTH) throw noFile(within.path);
      for (const entry of await within.list()) {
        await within.clear(entry.name, depth + 1);
        await unlink(within.at(entry.name)).catch(unlessGone);
      }
    });
    await rmdir(this.at(name));
  }

  async chmod(mode: number): Promise<void> {
    await this.#handle.chmod(mode);
  }

  /** Makes what was named here, or is named here no more, last. */
  async sync(): Promise<void> {
    try {
      await this.#handle.sync();
    } catch (error) {
      if (!NO_DIRECTORY_SYNC.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}

/** Leads to the very file or directory that is open, whatever has its name by now. */
export function pathOf(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`;
}

interface ReadOptions {
  readonly start?: number;
  /** Where reading ends, however long the file is. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The bytes of a plain file from `start` on, as many as it has now: no more of one that grows, and none of one that has no size
 * and never ends.
 */
export async function* readFrom(
  handle: FileHandle,
  { start = 0, maxBytes = Number.POSITIVE_INFINITY, signal }: ReadOptions = {},
): AsyncGenerator<Buffer> {
  const end = Math.min((await handle.stat()).size, start + maxBytes) - 1;
  if (end < start) return;
  const options = { start, end, autoClose: false, ...(signal === undefined ? {} : { signal }) };
  yield* handle.createReadStream(options) as AsyncIterable<Buffer>;
}

/** How long a file is that is open, and the hash of its bytes. */
export async function digestOf(
  handle: FileHandle,
): Promise<{ readonly sizeBytes: number; readonly hash: BlobHash }> {
  const digest = createHash("sha256");
  let sizeBytes = 0;
  for await (const piece of readFrom(handle)) {
    digest.update(piece);
    sizeBytes += piece.byteLength;
  }
  return { sizeBytes, hash: digest.digest("hex") as BlobHash };
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
