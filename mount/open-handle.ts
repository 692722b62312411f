/** Owns what one number of a kernel's open file stands for. Must never open or release anything. */
import type { TreeFile } from "../lib/book-tree.ts";
import type { BlobHash, FileId } from "../schema/ids.ts";
import type { OpenControl } from "./control/control-tree.ts";
import type { RequestActor } from "./request-actor.ts";
import type { HandleKnowledge } from "./seen-check.ts";

/** An open file of the book or of scratch. */
export interface FileHandle extends HandleKnowledge {
  readonly kind: "file";
  readonly nodeid: number;
  file: TreeFile;
  /** Set once the node id's file is gone although this handle's bytes live on: the id that they then had. */
  detachedAs: FileId | undefined;
  readonly writable: boolean;
  /** What is written goes past the kernel's pages. */
  readonly direct: boolean;
  /** The version that there was. */
  readonly opened: BlobHash | null;
  /** By performance.now(). */
  readonly openedMs: number;
  /** Who opened it or wrote through it last. */
  actor: RequestActor;
  /** Something was written through it since its last commit. */
  wrote: boolean;
}

/** An open control file. */
export interface ControlHandle {
  readonly kind: "control";
  readonly open: OpenControl;
}

export type OpenHandle = FileHandle | ControlHandle;
