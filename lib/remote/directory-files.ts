/**
 * Owns how files come into a directory that several processes share: whole or not at all, durable, with the permissions that
 * the directory has. Must never know what the files are.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  unlink,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { noFile } from "./directory-errors.ts";

const TEMPORARY = "tmp";
/** What a killed process has left is older. */
const LEFTOVER_AGE_MS = 24 * 3600 * 1000;
/** Of file systems that have no hard links. */
const NO_LINKS: ReadonlySet<string> = new Set(["EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK"]);
/** Of file systems that cannot sync a directory. */
const NO_DIRECTORY_SYNC: ReadonlySet<string> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "EBADF"]);

export class DirectoryFiles {
  readonly root: string;
  readonly #directoryMode: number;
  readonly #fileMode: number;

  /** `root` is there. Whoever may use it may use what comes into it: a new one is its maker's alone. */
  static async open(root: string): Promise<DirectoryFiles> {
    const { mode } = await stat(root);
    const files = new DirectoryFiles(root, mode);
    await files.ensureDirectory(join(root, TEMPORARY));
    await files.#clearLeftovers();
    return files;
  }

  private constructor(root: string, rootMode: number) {
    this.root = root;
    // The set-group-id bit, too: it is what makes a directory a group's.
    this.#directoryMode = (rootMode & 0o2777) | 0o700;
    this.#fileMode = (rootMode & 0o666) | 0o600;
  }

  /**
   * Writes a file that has no lasting name yet, calls `use` with its path, and takes that name away.
   * @param write gives it its bytes
   */
  async withTemporary<Result>(
    write: (handle: FileHandle) => Promise<void>,
    use: (temporary: string) => Promise<Result>,
  ): Promise<Result> {
    const temporary = this.#newTemporary();
    try {
      const handle = await open(temporary, "wx", this.#fileMode);
      try {
        await write(handle);
        await handle.chmod(this.#fileMode);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return await use(temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** The same with a copy of the file at `source`, which shares its blocks where the file system can do that. */
  async withCopy<Result>(source: string, use: (temporary: string) => Promise<Result>): Promise<Result> {
    const temporary = this.#newTemporary();
    try {
      await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await chmod(temporary, this.#fileMode);
      await sync(temporary);
      return await use(temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Gives a temporary file a lasting name, unless somebody has it. @returns whether it has it now */
  async nameNew(temporary: string, path: string): Promise<boolean> {
    try {
      await link(temporary, path);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return false;
      if (!NO_LINKS.has(code)) throw error;
      await rename(temporary, path);
    }
    await syncDirectory(dirname(path));
    return true;
  }

  /** Gives a temporary file a lasting name, in place of a file that has it. */
  async nameOver(temporary: string, path: string): Promise<void> {
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  }

  /** Makes a directory in one that is there. */
  async ensureDirectory(path: string): Promise<void> {
    try {
      await mkdir(path, this.#directoryMode);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      return;
    }
    // The umask took part of it.
    await chmod(path, this.#directoryMode);
    await syncDirectory(dirname(path));
  }

  async remove(path: string): Promise<void> {
    await unlink(path);
    await syncDirectory(dirname(path));
  }

  #newTemporary(): string {
    return join(this.root, TEMPORARY, randomBytes(12).toString("hex"));
  }

  async #clearLeftovers(): Promise<void> {
    const directory = join(this.root, TEMPORARY);
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      const found = await stat(path).catch(unlessGone);
      if (found === undefined || Date.now() - found.mtimeMs < LEFTOVER_AGE_MS) continue;
      // What this user may not remove harms nobody.
      await rm(path, { force: true }).catch(() => undefined);
    }
  }
}

/**
 * Reads a file from `start` on. Whoever can write the directory can put a pipe there, which nothing would ever come from.
 * @throws RemoteError CORRUPT: it is no file; as open(2)
 */
export async function* readPlainFile(
  path: string,
  { start = 0, signal }: { readonly start?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Buffer> {
  // A pipe is not waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw noFile(path);
    const options = { start, autoClose: false, ...(signal === undefined ? {} : { signal }) };
    yield* handle.createReadStream(options) as AsyncIterable<Buffer>;
  } finally {
    await handle.close();
  }
}

/** For `catch`: undefined where there is no such file. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  try {
    await sync(path);
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
