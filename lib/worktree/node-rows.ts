/**
 * Owns how rows of the journal and of the worktree become nodes. Must never write.
 */
import type { BlobHash, FileId } from "../../schema/ids.ts";
import { FileType, type Node } from "../node.ts";
import type { Store } from "../store.ts";
import { compareTimes, fromQuotient, type Time } from "../time.ts";

/** The columns of a worktree_node `w` that every node needs. */
const WORKTREE_COLUMNS = `w.mode, w.uid, w.gid, w.nlink,
  w.atime / 1000000000 AS atimeS, w.atime % 1000000000 AS atimeN,
  w.ctime / 1000000000 AS ctimeS, w.ctime % 1000000000 AS ctimeN`;

/** Selects tracked files: journal `j` with its local attributes `w`. Add a WHERE, with `+?` for its parameters:
 * a bare one in a join makes SQLite (built with STAT4) plan the statement again at every new value, ten times the cost. */
export const SELECT_TRACKED = `SELECT j.file_id AS fileId, j.parent, j.path, j.sha256, j.size, j.mode AS journalMode,
  j.mtime / 1000000000 AS mtimeS, j.mtime % 1000000000 AS mtimeN,
  j.last_written_at / 1000000000 AS writtenS, j.last_written_at % 1000000000 AS writtenN,
  ${WORKTREE_COLUMNS}
  FROM file_journal j LEFT JOIN worktree_node w ON w.file_id = j.file_id`;

/** Selects what is only in the worktree: entry `e` with its node `w`. Add a WHERE, with `+?` as above. */
export const SELECT_LOCAL = `SELECT e.entry_id AS entryId, e.file_id AS fileId, e.parent, e.name,
  w.mtime / 1000000000 AS mtimeS, w.mtime % 1000000000 AS mtimeN, length(w.target) AS targetSize,
  ${WORKTREE_COLUMNS}
  FROM worktree_entry e JOIN worktree_node w ON w.file_id = e.file_id`;

/** Modes of the journal: what git keeps of a file's mode. Source: git's index format, "mode". */
export const JournalMode = { file: 0o100644, executable: 0o100755, symlink: 0o120000 } as const;

interface WorktreeColumns {
  readonly fileId: FileId;
  readonly parent: FileId;
  readonly mode: number | null;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly nlink: number | null;
  readonly mtimeS: number;
  readonly mtimeN: number;
  readonly atimeS: number | null;
  readonly atimeN: number | null;
  readonly ctimeS: number | null;
  readonly ctimeN: number | null;
}

export interface TrackedRow extends WorktreeColumns {
  readonly path: string;
  readonly sha256: BlobHash;
  readonly size: number;
  readonly journalMode: number;
  readonly writtenS: number;
  readonly writtenN: number;
}

export interface LocalRow extends WorktreeColumns {
  readonly entryId: number;
  readonly name: string;
  readonly targetSize: number | null;
}

/** What a node says of a directory's size; the same that most file systems show for a small one. */
const DIRECTORY_SIZE_BYTES = 4096;

/** st_mode that a tracked file has while nobody changed it on this machine. */
export function defaultMode(journalMode: number): number {
  if (journalMode === JournalMode.symlink) return FileType.symlink | 0o777;
  return journalMode;
}

export function trackedNode(row: TrackedRow, store: Store): Node {
  const written = fromQuotient(row.writtenS, row.writtenN);
  const mtime = fromQuotient(row.mtimeS, row.mtimeN);
  const changed = row.ctimeS === null ? written : later(written, fromQuotient(row.ctimeS, row.ctimeN ?? 0));
  return makeNode(
    row,
    row.path.slice(row.path.lastIndexOf("/") + 1),
    row.mode ?? defaultMode(row.journalMode),
    1,
    row.size,
    mtime,
    changed,
    row.sha256,
    store,
  );
}

/** Size and times of a scratch file; they are its backing file's. */
export interface ScratchState {
  /** Bytes. */
  readonly size: number;
  readonly mtime: Time;
  readonly ctime: Time;
}

/** `scratch` is needed for regular files only. */
export function localNode(row: LocalRow, store: Store, scratch: ScratchState | undefined): Node {
  const mode = row.mode ?? 0;
  const type = mode & FileType.mask;
  const size =
    scratch?.size ??
    (type === FileType.directory
      ? DIRECTORY_SIZE_BYTES
      : type === FileType.symlink
        ? (row.targetSize ?? 0)
        : 0);
  const mtime = scratch?.mtime ?? fromQuotient(row.mtimeS, row.mtimeN);
  const ctime = row.ctimeS === null ? mtime : fromQuotient(row.ctimeS, row.ctimeN ?? 0);
  const changed = scratch?.ctime ?? ctime;
  return makeNode(row, row.name, mode, row.nlink ?? 1, size, mtime, changed, undefined, store);
}

function makeNode(
  row: WorktreeColumns,
  name: string,
  mode: number,
  nlink: number,
  size: number,
  mtime: Time,
  ctime: Time,
  blobHash: BlobHash | undefined,
  store: Store,
): Node {
  const atime = row.atimeS === null ? mtime : fromQuotient(row.atimeS, row.atimeN ?? 0);
  return {
    fileId: row.fileId,
    parent: row.parent,
    name,
    mode,
    nlink,
    uid: row.uid ?? store.ownerUid,
    gid: row.gid ?? store.ownerGid,
    size,
    atimeSeconds: atime.seconds,
    atimeNanoseconds: atime.nanoseconds,
    mtimeSeconds: mtime.seconds,
    mtimeNanoseconds: mtime.nanoseconds,
    ctimeSeconds: ctime.seconds,
    ctimeNanoseconds: ctime.nanoseconds,
    hash: blobHash,
    tracked: blobHash !== undefined,
  };
}

function later(a: Time, b: Time): Time {
  return compareTimes(a, b) >= 0 ? a : b;
}
