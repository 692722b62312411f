/**
 * Owns how files come into a directory that several processes share: whole or not at all, durable, with the permissions that
 * the directory has. Must never know what the files are.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, type FileHandle, link, mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { BlobHash } from "../../schema/ids.ts";
import { noDirectory, unlessGone, wrongBytes } from "./directory-errors.ts";
import { digestOf, pathOf, SharedFolder } from "./shared-folder.ts";

const TEMPORARY = "tmp";
const NAME_BYTES = 12;
/** What this makes there: nothing else is taken away. */
const TEMPORARY_NAME = /^[0-9a-f]{24}$/;
/** What a killed process has left is older. */
const LEFTOVER_AGE_MS = 24 * 3600 * 1000;
/** Of file systems that have no hard links. */
const NO_LINKS: ReadonlySet<string> = new Set(["EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK"]);

/** A file that is open, and what it should hold. */
export interface CopySource {
  readonly handle: FileHandle;
  /** For messages. */
  readonly path: string;
  readonly hash: BlobHash;
  readonly sizeBytes: number;
}

export class DirectoryFiles {
  readonly root: string;
  readonly #directoryMode: number;
  readonly #fileMode: number;

  /** `root` is there. Whoever may use it may use what comes into it: a new one is its maker's alone. */
  static async open(root: string): Promise<DirectoryFiles> {
    const { mode } = await stat(root);
    const files = new DirectoryFiles(root, mode);
    await files.ensureTop(TEMPORARY);
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
    return await this.#withName(async (folder, name) => {
      const handle = await open(folder.at(name), "wx", this.#fileMode);
      try {
        await write(handle);
        await handle.chmod(this.#fileMode);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return await use(folder.at(name));
    });
  }

  /**
   * The same with a copy of a file that is open, which shares its blocks where the file system can do that.
   * @throws RemoteError CORRUPT: the copy is not what it should be. Then nobody sees it
   */
  async withCopy<Result>(source: CopySource, use: (temporary: string) => Promise<Result>): Promise<Result> {
    if ((await source.handle.stat()).size !== source.sizeBytes) throw wrongBytes(source.path);
    return await this.#withName(async (folder, name) => {
      const temporary = folder.at(name);
      await copyFile(pathOf(source.handle), temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      const handle = await folder.openFile(name);
      try {
        // The copy and not the source: who can write that may have done so in between.
        if (handle === undefined || !(await holds(handle, source))) throw wrongBytes(source.path);
        await handle.chmod(this.#fileMode);
        await handle.sync();
      } finally {
        await handle?.close();
      }
      return await use(temporary);
    });
  }

  /** Gives a temporary file a lasting name, unless somebody has it. @returns whether it has it now */
  async nameNew(temporary: string, folder: SharedFolder, name: string): Promise<boolean> {
    try {
      await link(temporary, folder.at(name));
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return false;
      if (!NO_LINKS.has(code)) throw error;
      await rename(temporary, folder.at(name));
    }
    await folder.sync();
    return true;
  }

  /** Gives a temporary file a lasting name, in place of a file that has it. */
  async nameOver(temporary: string, folder: SharedFolder, name: string): Promise<void> {
    await rename(temporary, folder.at(name));
    await folder.sync();
  }

  /** Makes a directory that the remote begins with. */
  async ensureTop(name: string): Promise<void> {
    await (await SharedFolder.openRoot(this.root)).use(async (root) => await this.#make(root, name));
  }

  /** Opens a directory in another one, and makes it where there is none. @throws RemoteError CORRUPT: another thing is there */
  async ensure(folder: SharedFolder, name: string): Promise<SharedFolder> {
    const present = await folder.find(name);
    if (present !== undefined) return present;
    await this.#make(folder, name);
    const made = await folder.find(name);
    if (made === undefined) throw noDirectory(join(folder.path, name));
    return made;
  }

  async #make(folder: SharedFolder, name: string): Promise<void> {
    try {
      await mkdir(folder.at(name), this.#directoryMode);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      return;
    }
    // The umask took part of it.
    await (await folder.enter(name)).use(async (made) => await made.chmod(this.#directoryMode));
    await folder.sync();
  }

  async #withName<Result>(work: (folder: SharedFolder, name: string) => Promise<Result>): Promise<Result> {
    const folder = await SharedFolder.open(join(this.root, TEMPORARY));
    return await folder.use(async () => {
      const name = randomBytes(NAME_BYTES).toString("hex");
      try {
        return await work(folder, name);
      } finally {
        await unlink(folder.at(name)).catch(unlessGone);
      }
    });
  }

  async #clearLeftovers(): Promise<void> {
    const folder = await SharedFolder.open(join(this.root, TEMPORARY));
    await folder.use(async () => {
      for (const { name } of await folder.list()) {
        const found = TEMPORARY_NAME.test(name) ? await folder.status(name) : undefined;
        if (found?.isFile() !== true || Date.now() - found.mtimeMs < LEFTOVER_AGE_MS) continue;
        // What this user may not remove harms nobody.
        await unlink(folder.at(name)).catch(() => undefined);
      }
    });
  }
}

async function holds(handle: FileHandle, { hash, sizeBytes }: CopySource): Promise<boolean> {
  return (await handle.stat()).size === sizeBytes && (await digestOf(handle)).hash === hash;
}
