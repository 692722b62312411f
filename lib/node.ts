/**
 * Owns what the book's tree says about one of its files or directories, who acts on it, and how a change is told.
 * Must never hold an open file's bytes.
 */
import type { AgentName, BlobHash, FileId } from "../schema/ids.ts";
import type { CheckMode } from "../schema/mount-options.ts";
import type { Time } from "./time.ts";

/** File types in st_mode. Source: linux/include/uapi/linux/stat.h */
export const FileType = {
  mask: 0o170000,
  socket: 0o140000,
  symlink: 0o120000,
  file: 0o100000,
  directory: 0o040000,
  fifo: 0o010000,
} as const;

/** One file or directory of the tree as it was when asked; never changes afterwards. */
export interface Node {
  readonly fileId: FileId;
  /** The directory that holds it; 0 for an orphan (removed, but still open or known to a kernel). */
  readonly parent: FileId;
  /** Its name there (one of them, for scratch with several); "" for the root and for orphans. */
  readonly name: string;
  /** st_mode with the file type. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly atimeSeconds: number;
  readonly atimeNanoseconds: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: number;
  readonly ctimeNanoseconds: number;
  /** Hash of the committed bytes; tracked files only. */
  readonly hash: BlobHash | undefined;
  /** False for what is not in the journal: directories, scratch, fifos, sockets, a file being created. */
  readonly tracked: boolean;
}

/** On whose behalf something is done (R7). */
export interface Actor {
  readonly agent: AgentName;
  readonly uid: number;
  readonly gid: number;
  /** The process (thread group) that asked; 0 when there is none. Asked for only when a row is logged. */
  readonly pid: number;
  /** The process's command name; asked for only when a row is logged. */
  command(): string;
  /** The mount on whose behalf it is done, if any: it is not told of its own changes. */
  readonly origin: object | undefined;
  /** In an overlay: what is removed there is hidden although the base has it (`delete=hide`). Default: the base shows again. */
  readonly hidesBase?: boolean | undefined;
  /** How it is checked what has been read before; none where there is no mount. Counted, not obeyed. */
  readonly check?: CheckMode | undefined;
}

/** The object that was known as `from` is now `to`. */
export interface Identity {
  readonly from: FileId;
  readonly to: FileId;
}

/** What changed, told after it was committed. */
export type Change =
  | { readonly type: "content"; readonly fileId: FileId }
  | { readonly type: "attributes"; readonly fileId: FileId }
  | {
      readonly type: "entry";
      readonly parent: FileId;
      readonly name: string;
      /** What a kernel that has moved the name believes to be there, and which is elsewhere. */
      readonly not?: FileId | undefined;
      /** The file that had the name, and has none any more. */
      readonly gone?: FileId | undefined;
    };

/** What setattr(2)'s family may change; what is absent stays. */
export interface AttributeChange {
  /** Permission bits (07777). */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Bytes. */
  readonly size?: number;
  readonly atime?: Time | "now";
  readonly mtime?: Time | "now";
}

export function isDirectory(mode: number): boolean {
  return (mode & FileType.mask) === FileType.directory;
}
