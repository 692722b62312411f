/** Owns what one number of a kernel's open file stands for. Must never open or release anything. */
import type { OpenFile } from "../lib/worktree/open-file.ts";
import type { FileId } from "../schema/ids.ts";
import type { Snapshot } from "./control/control-tree.ts";
import type { RequestActor } from "./request-actor.ts";

/** An open file of the book or of scratch. */
export interface FileHandle {
  readonly kind: "file";
  readonly nodeid: number;
  file: OpenFile;
  /** Set once the node id's file is gone although this handle's bytes live on: the id that they then had. */
  detachedAs: FileId | undefined;
  readonly writable: boolean;
  /** Who opened it or wrote through it last. */
  actor: RequestActor;
  /** Something was written through it since its last commit. */
  wrote: boolean;
}

/** An open control file. */
export interface ControlHandle {
  readonly kind: "control";
  readonly snapshot: Snapshot;
}

export type OpenHandle = FileHandle | ControlHandle;
