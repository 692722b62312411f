/**
 * Owns a control file that is an archive of what its mount shows. Another thread makes it while the opening waits; it is a file
 * without a name from then on, which goes with its last reader. Must never make one here.
 */
import { closeSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failureFrom } from "../../lib/archive/archive-failure.ts";
import { type ArchiveOutcome, Deferred } from "../../lib/errands.ts";
import { timeOf } from "../../lib/past/position.ts";
import { fromIso, type Time } from "../../lib/time.ts";
import type { ArchiveScope } from "../../schema/archive-scope.ts";
import { PosixError } from "../../schema/errors.ts";
import { BASE, type Seq } from "../../schema/ids.ts";
import type { ControlContent, ControlFile, ControlLook, Opening } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";

/** Tells the archives of all mounts of the process from each other. */
let lastId = 0;

export class ArchiveFile implements ControlFile {
  readonly kind = "file";
  readonly #source: ControlSource;
  readonly #scope: ArchiveScope;
  readonly #id = ++lastId;
  /** Somebody reads it. */
  #open: MadeArchive | undefined;
  /** For the opening that is being asked for again. */
  #made: MadeArchive | Error | undefined;
  /** How many bytes the archive of a position has. */
  #measured = { seq: -1, sizeBytes: 0 };

  constructor(source: ControlSource, scope: ArchiveScope) {
    this.#source = source;
    this.#scope = scope;
  }

  look(): ControlLook {
    const seq = this.#seq();
    const sizeBytes = seq === this.#measured.seq ? this.#measured.sizeBytes : undefined;
    return { sizeBytes, mtime: this.#timeOf(seq) };
  }

  open({ mayDefer }: Opening): ControlContent {
    const made = this.#made;
    this.#made = undefined;
    if (made instanceof Error) throw made;
    const seq = this.#seq();
    const ready = made ?? (this.#open?.seq === seq && this.#open.isOpen ? this.#open : undefined);
    if (ready === undefined) {
      if (mayDefer) throw this.#deferred(seq);
      throw new PosixError("EIO", "The archive could not be made.");
    }
    this.#open = ready;
    return ready.open();
  }

  #deferred(seq: Seq): Deferred {
    const { store, worktree, position } = this.#source;
    const { layer } = worktree.tree;
    const path = join(store.directory, "drafts", `archive-${this.#id}-${seq}.zip`);
    const userId = layer === BASE ? undefined : layer;
    const { bookId } = worktree.book;
    return Deferred.of(
      { type: "archive", path, bookId, userId, seq: position, scope: this.#scope },
      (outcome) => this.#finish(path, seq, outcome),
      () => this.#end(path),
    );
  }

  #finish(path: string, seq: Seq, outcome: ArchiveOutcome): void {
    this.#forgetMade();
    try {
      if ("failure" in outcome) throw failureFrom(outcome.failure);
      const sizeBytes = outcome.archiveBytes;
      this.#made = new MadeArchive({ fd: openSync(path, "r"), seq, sizeBytes, mtime: this.#timeOf(seq) });
      this.#measured = { seq, sizeBytes };
    } catch (error) {
      // It is for who asks again.
      this.#made = error as Error;
    }
  }

  /** Nobody waits for it any more: who has opened it needs no name. */
  #end(path: string): void {
    this.#forgetMade();
    rmSync(path, { force: true });
  }

  #forgetMade(): void {
    if (this.#made instanceof MadeArchive && !this.#made.isOpen) this.#made.discard();
    this.#made = undefined;
  }

  #seq(): Seq {
    return this.#source.position ?? (this.#source.log.seq as Seq);
  }

  #timeOf(seq: Seq): Time {
    const { log, store, worktree } = this.#source;
    const time = seq === log.seq ? log.timestamp : timeOf(store.database, seq);
    return fromIso(time || worktree.book.createdAt);
  }
}

/** A file that has no name. */
class MadeArchive implements ControlContent {
  readonly seq: Seq;
  readonly sizeBytes: number;
  readonly mtime: Time;
  readonly isUncached = true;
  readonly #fd: number;
  #openings = 0;

  constructor({ fd, seq, sizeBytes, mtime }: { fd: number; seq: Seq; sizeBytes: number; mtime: Time }) {
    this.#fd = fd;
    this.seq = seq;
    this.sizeBytes = sizeBytes;
    this.mtime = mtime;
  }

  get version(): unknown {
    return this;
  }

  get isOpen(): boolean {
    return this.#openings > 0;
  }

  open(): ControlContent {
    this.#openings++;
    return this;
  }

  read(offset: number, target: Uint8Array): number {
    return readSync(this.#fd, target, 0, target.byteLength, offset);
  }

  close(): void {
    if (--this.#openings === 0) this.discard();
  }

  discard(): void {
    closeSync(this.#fd);
  }
}
