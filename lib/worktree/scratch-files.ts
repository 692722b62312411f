/**
 * Owns the bytes of scratch: one ordinary file per scratch file, named by its file id, under the store's scratch/. They
 * never become blobs while they are scratch (S1). Must never know their names in the tree.
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import type { FileId } from "../../schema/ids.ts";
import { FileDraft, writeFully } from "../content.ts";
import { openForPrograms } from "../descriptor-limit.ts";
import { newDraftPath } from "../draft-path.ts";
import { futimens, startWriteback } from "../libc.ts";
import { passStep } from "../step.ts";
import type { Store } from "../store.ts";
import { fromNanoseconds, type Time } from "../time.ts";
import type { ScratchState } from "./node-rows.ts";

/** The store is its owner's alone; what programs see of a scratch file's mode is in its row. */
const FILE_MODE = 0o600;

export class ScratchFiles {
  readonly #store: Store;
  readonly #directory: string;

  constructor(store: Store) {
    this.#store = store;
    this.#directory = join(store.directory, "scratch");
  }

  path(fileId: FileId): string {
    return join(this.#directory, String(fileId));
  }

  /** The bytes of a scratch file. Makes their file when there is none yet, which is at the first write. */
  open(fileId: FileId): FileDraft {
    const path = this.path(fileId);
    return new FileDraft(path, openForPrograms(path, constants.O_RDWR | constants.O_CREAT, 0o600), false);
  }

  /**
   * Makes the backing file of a scratch file that starts with the bytes of `source` (a path or the bytes).
   * @throws PfsError FULL
   */
  createFrom(fileId: FileId, source: string | Uint8Array, mtime: Time): void {
    const path = this.path(fileId);
    if (typeof source === "string") this.#copy(source, path);
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      if (typeof source !== "string") writeFully(fd, 0, source);
      futimens(fd, mtime, mtime);
      // If it stays, its path will be gone in a second, and it must be on the disk by then.
      if (typeof source === "string") startWriteback(fd, 0, fstatSync(fd).size);
    } finally {
      closeSync(fd);
    }
    passStep("scratch.created");
  }

  /** Makes a scratch file's bytes durable; nothing to do for what has none here. */
  sync(fileId: FileId): void {
    for (const path of [this.path(fileId), this.#directory]) {
      let fd: number;
      try {
        fd = openSync(path, "r");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        return;
      }
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
    passStep("scratch.synced");
  }

  /** Size and times of a scratch file's bytes; undefined when they are gone. */
  state(fileId: FileId): ScratchState | undefined {
    const stat = lstatSync(this.path(fileId), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return {
      size: Number(stat.size),
      mtime: fromNanoseconds(stat.mtimeNs),
      ctime: fromNanoseconds(stat.ctimeNs),
    };
  }

  /** Moves the ctime on, as a change of anything but the bytes does. Nothing to do for what has no bytes here. */
  touch(fileId: FileId): void {
    const path = this.path(fileId);
    if (existsSync(path)) chmodSync(path, FILE_MODE);
  }

  remove(fileId: FileId): void {
    rmSync(this.path(fileId), { force: true });
    passStep("scratch.removed");
  }

  /** A file for a draft that is too large for memory, starting with `bytes`; it has no name in the tree. */
  createDraft(bytes: Uint8Array): FileDraft {
    const path = newDraftPath(this.#store.directory);
    const draft = new FileDraft(path, this.#openNew(path), true);
    try {
      if (bytes.byteLength > 0) draft.write(0, bytes);
      return draft;
    } catch (error) {
      draft.close();
      throw error;
    }
  }

  #openNew(path: string): number {
    try {
      return openForPrograms(path, "wx+", 0o600);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  /** The same, starting with the bytes of another file. @throws PfsError FULL */
  copyDraft(source: string): FileDraft {
    const path = newDraftPath(this.#store.directory);
    try {
      this.#copy(source, path);
      return new FileDraft(path, openForPrograms(path, "r+"), true);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  /** Copies without taking space where the file system shares blocks between files, else if there is space for it all. */
  #copy(source: string, target: string): void {
    try {
      copyFileSync(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      return;
    } catch (error) {
      if (!CANNOT_CLONE.has((error as NodeJS.ErrnoException).code)) throw error;
    }
    this.#store.checkSpace(statSync(source).size);
    copyFileSync(source, target, constants.COPYFILE_EXCL);
  }
}

/** What FICLONE answers where blocks cannot be shared. Source: ioctl_ficlone(2); libuv says ENOSYS where it does not know it */
const CANNOT_CLONE: ReadonlySet<string | undefined> = new Set([
  "ENOTSUP",
  "EOPNOTSUPP",
  "EXDEV",
  "EINVAL",
  "ENOTTY",
  "ENOSYS",
  "ETXTBSY",
  "EPERM",
]);
