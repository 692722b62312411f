/**
 * Owns which processes have written each draft, for all mounts of one tree: when it is saved they know the new version, and
 * one that is not of them is another writer. Must never decide what is refused.
 */
import type { TreeFile } from "../lib/book-tree.ts";
import type { BlobHash, FileId } from "../schema/ids.ts";
import type { LastReads } from "./last-reads.ts";

interface DraftWriting {
  readonly file: TreeFile;
  /** Version that the draft began with. */
  readonly base: BlobHash | null;
  readonly pids: Set<number>;
  /** Something was written through a mapping: nobody knows by whom. */
  mapped: boolean;
  /** Processes that have nothing to do with each other have written it: none of them knows what it is. */
  mixed: boolean;
}

export class DraftWriters {
  readonly #lastReads: LastReads;
  readonly #drafts = new Map<FileId, DraftWriting>();

  constructor(lastReads: LastReads) {
    this.#lastReads = lastReads;
  }

  /** Whether one of these processes has written the draft that a file has now. */
  includes(file: TreeFile, pid: number, opener: number): boolean {
    const pids = this.#of(file)?.pids;
    return pids !== undefined && (pids.has(pid) || pids.has(opener));
  }

  /** Whether something unsaved of a file came through a mapping. */
  isMapped(file: TreeFile): boolean {
    return this.#of(file)?.mapped === true;
  }

  /** Bytes of the draft came through a mapping. */
  noteMapped(file: TreeFile): void {
    const draft = this.#of(file);
    if (draft !== undefined) draft.mapped = true;
  }

  /** Who has written the draft that a file has: this process, perhaps among others, or others alone; undefined: there is none. */
  whose(fileId: FileId, pid: number): "own" | "others" | undefined {
    const draft = this.#drafts.get(fileId);
    if (draft?.file.dirty !== true || draft.file.fileId !== fileId) return undefined;
    return draft.pids.has(pid) ? "own" : "others";
  }

  /** A process is about to write, through a handle that `opener` opened. */
  join(file: TreeFile, pid: number, opener: number): void {
    const draft = this.#of(file);
    if (draft === undefined) {
      const pids = new Set([pid, opener]);
      this.#drafts.set(file.fileId, { file, base: file.hash, pids, mapped: false, mixed: false });
      return;
    }
    if (!draft.pids.has(pid) && !draft.pids.has(opener)) draft.mixed = true;
    draft.pids.add(pid).add(opener);
  }

  /** If a file's draft was saved since it began, by whatever did that, its writers know that version. */
  settle(fileId: FileId): void {
    const draft = this.#drafts.get(fileId);
    if (draft === undefined) return;
    const { file, base } = draft;
    if (file.fileId !== fileId || (file.dirty && file.hash === base)) return;
    this.#drafts.delete(fileId);
    if (draft.mixed || file.state !== "tracked" || file.hash === null) return;
    this.#lastReads.settle();
    for (const pid of draft.pids) this.#lastReads.wrote(pid, fileId, file.hash);
  }

  /** A handle of a file is gone. */
  released(file: TreeFile): void {
    this.settle(file.fileId);
    // What was removed meanwhile has another id by now.
    if (file.state !== "orphan") return;
    for (const [fileId, draft] of this.#drafts) if (draft.file === file) this.#drafts.delete(fileId);
  }

  #of(file: TreeFile): DraftWriting | undefined {
    if (!file.dirty) return undefined;
    const draft = this.#drafts.get(file.fileId);
    return draft?.file === file ? draft : undefined;
  }
}
