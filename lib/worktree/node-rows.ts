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

/**
 * Of a directory that an overlay shares with the base, as of those that overlayfs merges: "not counted", which find(1) and
 * others know. To count what is seen would cost every stat(2) all that is in the directory in both layers.
 */
export const SHARED_LINKS = 1;

/** The same of what an overlay shares with the base: where its own row `o` says nothing, the base's `w` holds. */
const SHARED_COLUMNS = `coalesce(o.mode, w.mode) AS mode, coalesce(o.uid, w.uid) AS uid, coalesce(o.gid, w.gid) AS gid,
  coalesce(o.atime, w.atime) / 1000000000 AS atimeS, coalesce(o.atime, w.atime) % 1000000000 AS atimeN,
  max(coalesce(o.ctime, w.ctime), coalesce(w.ctime, o.ctime)) / 1000000000 AS ctimeS,
  max(coalesce(o.ctime, w.ctime), coalesce(w.ctime, o.ctime)) % 1000000000 AS ctimeN`;
/** Of the two modification times of a directory, that of the later change. */
const SHARED_MTIME = "CASE WHEN o.mtime IS NULL OR w.ctime > o.ctime THEN w.mtime ELSE o.mtime END";

const TRACKED_COLUMNS = `j.file_id AS fileId, j.parent, j.path, j.sha256, j.size, j.mode AS journalMode,
  j.mtime / 1000000000 AS mtimeS, j.mtime % 1000000000 AS mtimeN,
  j.last_written_at / 1000000000 AS writtenS, j.last_written_at % 1000000000 AS writtenN`;
const TRACKED_TABLES =
  "file_journal j LEFT JOIN worktree_node w ON w.file_id = j.file_id AND w.user_id = j.user_id";

/** Selects tracked files: journal `j` with its local attributes `w`. Add a WHERE, with `+?` for its parameters:
 * a bare one in a join makes SQLite (built with STAT4) plan the statement again at every new value, ten times the cost. */
export const SELECT_TRACKED = `SELECT ${TRACKED_COLUMNS}, ${WORKTREE_COLUMNS} FROM ${TRACKED_TABLES}`;

/** Selects tracked files of the base as an overlay shows them. The first parameter is the overlay's user. */
export const SELECT_SHARED_TRACKED = `SELECT ${TRACKED_COLUMNS}, ${SHARED_COLUMNS}, 1 AS nlink FROM ${TRACKED_TABLES}
  LEFT JOIN worktree_node o ON o.file_id = j.file_id AND o.user_id = +?`;

const LOCAL_COLUMNS = `e.entry_id AS entryId, e.file_id AS fileId, e.parent, e.name, length(w.target) AS targetSize`;
const LOCAL_TABLES =
  "worktree_entry e JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id";

/** Selects what is only in the worktree: entry `e` with its node `w`. Add a WHERE, with `+?` as above. */
export const SELECT_LOCAL = `SELECT ${LOCAL_COLUMNS}, w.mtime / 1000000000 AS mtimeS, w.mtime % 1000000000 AS mtimeN,
  ${WORKTREE_COLUMNS} FROM ${LOCAL_TABLES}`;

/** Selects directories of the base as an overlay shows them. The first parameter is the overlay's user. */
export const SELECT_SHARED_LOCAL = `SELECT ${LOCAL_COLUMNS}, ${SHARED_MTIME} / 1000000000 AS mtimeS,
  ${SHARED_MTIME} % 1000000000 AS mtimeN, ${SHARED_COLUMNS}, ${SHARED_LINKS} AS nlink FROM ${LOCAL_TABLES}
  LEFT JOIN worktree_node o ON o.file_id = e.file_id AND o.user_id = +?`;

/** Selects a book's root directory: parameters are its file id, the base's user, and the overlay's user or the base's. */
export const SELECT_ROOT = `SELECT w.file_id AS entryId, w.file_id AS fileId, w.file_id AS parent, '' AS name,
  NULL AS targetSize, ${SHARED_MTIME} / 1000000000 AS mtimeS, ${SHARED_MTIME} % 1000000000 AS mtimeN, ${SHARED_COLUMNS},
  w.nlink FROM worktree_node w LEFT JOIN worktree_node o ON o.file_id = w.file_id AND o.user_id = +? AND o.user_id <> w.user_id
  WHERE w.file_id = +? AND w.user_id = +?`;

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

/**
 * The mode that was set on this machine, with what the book keeps of the file's: type and executable bit. They differ where
 * an overlay has set the mode of a file of the base, and the base has made that another since.
 */
export function modeAs(mode: number, journalMode: number): number {
  const type = journalMode & FileType.mask;
  if ((mode & FileType.mask) !== type || type === FileType.symlink) return defaultMode(journalMode);
  const isExecutable = journalMode === JournalMode.executable;
  if (((mode & 0o100) !== 0) === isExecutable) return mode;
  return type | (isExecutable ? (mode & 0o7777) | ((mode & 0o444) >> 2) : mode & 0o7666);
}

export function trackedNode(row: TrackedRow, store: Store): Node {
  const written = fromQuotient(row.writtenS, row.writtenN);
  const mtime = fromQuotient(row.mtimeS, row.mtimeN);
  const changed = row.ctimeS === null ? written : later(written, fromQuotient(row.ctimeS, row.ctimeN ?? 0));
  return makeNode(
    row,
    row.path.slice(row.path.lastIndexOf("/") + 1),
    row.mode === null ? defaultMode(row.journalMode) : modeAs(row.mode, row.journalMode),
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
