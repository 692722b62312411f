/**
 * Owns what a control file and a control directory are to the tree that shows them. Each module of this folder makes one
 * of them; must never know how a kernel names nodes.
 */
import type { Actor } from "../../lib/node.ts";
import type { Time } from "../../lib/time.ts";

export type ControlNode = ControlFile | ControlDirectory | ControlSymlink;

/** Who may do what with a node; what is not given is the mounting user's, read-only. */
export interface ControlAccess {
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits, as of chmod(2). */
  readonly permissions?: number;
}

/** What stat(2) says of a file. */
export interface ControlLook {
  /** Undefined when only opening tells, or reading to the end: stat(2) then says 1, and reads go past the kernel's cache. */
  readonly sizeBytes: number | undefined;
  readonly mtime: Time;
}

/** The bytes of an open control file: those it had when it was opened. */
export interface ControlContent {
  /** 0 when only reading to the end tells. */
  readonly sizeBytes: number;
  readonly mtime: Time;
  /** The same value for the same bytes of a file, compared with `===`. */
  readonly version: unknown;
  /** It is made, or may change, while it is read: each read has to come here. */
  readonly isUncached?: true;
  /**
   * Copies bytes from `offset` on into `target`; returns how many, 0 at the end.
   * @param mayDefer whoever reads can come back: what takes long may be left to another thread
   * @throws Deferred for that
   */
  read(offset: number, target: Uint8Array, mayDefer?: boolean): number;
  close(): void;
}

/** Who opens a file, and how. */
export interface Opening {
  readonly actor: Actor;
  /** Whoever asks can come back: what takes long may be left to another thread. */
  readonly mayDefer: boolean;
}

export interface ControlFile {
  readonly kind: "file";
  readonly access?: ControlAccess;
  /** How it is while nobody has it open. Asked at each look at the file: must be quick. */
  look(): ControlLook;
  /**
   * The mount thread serves nobody else until this returns: what takes long belongs to another thread.
   * @throws Deferred for that, if the opening may wait
   */
  open(opening: Opening): ControlContent;
}

export interface ControlSymlink {
  readonly kind: "symlink";
  readonly access?: ControlAccess;
  look(): ControlLook;
  target(mayDefer: boolean): Uint8Array;
}

/** A name in a control directory. */
export interface ControlName {
  readonly name: string;
  readonly kind: ControlNode["kind"];
  /** At least 1, ascending in a listing, the same for a name as long as it is there. */
  readonly cookie: number;
}

export interface ControlDirectory {
  readonly kind: "directory";
  readonly access?: ControlAccess;
  /** Moves whenever a listing would differ: kernels keep listings for as long as it stays. */
  mtime(): Time;
  /**
   * The node of a name, which need not be listed. Undefined for a name that means nothing here.
   * @throws PfsError NOT_FOUND for one that is no name but a question, and why it has no answer; it is shown as a refusal
   */
  find(name: string): ControlNode | undefined;
  /** The listed names with a cookie greater than `after`. */
  list(after: number): Iterable<ControlName>;
  /**
   * unlink(2) or rmdir(2) of a name that is there; without this method nothing in the directory can be removed.
   * @throws PosixError ENOTEMPTY, EROFS and others
   */
  remove?(name: string, actor: Actor): void;
}
