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
  lstatSync,
  openSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { FileId } from "../../schema/ids.ts";
import { FileDraft, writeFully } from "../content.ts";
import { futimens } from "../libc.ts";
import { passStep } from "../step.ts";
import type { Store } from "../store.ts";
import { fromNanoseconds, type Time } from "../time.ts";
import type { ScratchState } from "./node-rows.ts";

/** The store is its owner's alone; what programs see of a scratch file's mode is in its row. */
const FILE_MODE = 0o600;

export class ScratchFiles {
  readonly #directory: string;
  readonly #drafts: string;
  #draftCount = 0;

  constructor(store: Store) {
    this.#directory = join(store.directory, "scratch");
    this.#drafts = join(store.directory, "drafts");
  }

  path(fileId: FileId): string {
    return join(this.#directory, String(fileId));
  }

  /** The bytes of a scratch file. Makes their file when there is none yet, which is at the first write. */
  open(fileId: FileId): FileDraft {
    const path = this.path(fileId);
    return new FileDraft(path, openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600), false);
  }

  /** Makes the backing file of a scratch file that starts with the bytes of `source` (a path or the bytes). */
  createFrom(fileId: FileId, source: string | Uint8Array, mtime: Time): void {
    const path = this.path(fileId);
    if (typeof source === "string") copyFileSync(source, path, constants.COPYFILE_FICLONE);
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      if (typeof source !== "string") writeFully(fd, 0, source);
      futimens(fd, mtime, mtime);
    } finally {
      closeSync(fd);
    }
    passStep("scratch.created");
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
    const path = join(this.#drafts, `${process.pid}-${++this.#draftCount}`);
    const draft = new FileDraft(path, openSync(path, "wx+", 0o600), true);
    try {
      if (bytes.byteLength > 0) draft.write(0, bytes);
      return draft;
    } catch (error) {
      draft.close();
      throw error;
    }
  }

  /** The same, starting with the bytes of another file. */
  copyDraft(source: string): FileDraft {
    const path = join(this.#drafts, `${process.pid}-${++this.#draftCount}`);
    try {
      copyFileSync(source, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      return new FileDraft(path, openSync(path, "r+"), true);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }
}
