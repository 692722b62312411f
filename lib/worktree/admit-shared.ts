/**
 * Owns which shared rows of others a book takes: those that some store of the same book could have made (R1, R7). Must never
 * believe anything of a row that was not looked at here.
 */
import { PfsError, PosixError } from "../../schema/errors.ts";
import {
  type AgentName,
  BASE,
  type BlobHash,
  isBlobHash,
  parseAgentName,
  parseFileId,
  parseLayerOwner,
  type UserId,
} from "../../schema/ids.ts";
import { baseSaidBy, type LogOperation } from "../../schema/log-row.ts";
import { parseTreePath, type TreePath } from "../../schema/paths.ts";
import type { Profile } from "../../schema/profiles.ts";
import { refusedPath } from "../../schema/refused-path.ts";
import { isScratchName } from "../../schema/scratch.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import type { Book } from "../book.ts";
import type { RowMaker } from "../log.ts";
import type { FileState } from "./layer-plan.ts";
import { CONTROL_DIRECTORY } from "./name-class.ts";
import { JournalMode } from "./node-rows.ts";

/** What another store did to a path. */
export interface PulledChange {
  readonly sharedSeq: number;
  readonly layer: UserId;
  readonly path: TreePath;
  readonly operation: LogOperation;
  /** What the path has since; undefined: no file. */
  readonly file: FileState | undefined;
  /** Of the file that the row is about; undefined where it does not say, or nobody could have it. */
  readonly fileId: FileState["fileId"] | undefined;
  readonly prevPath: TreePath | undefined;
  /** What the path had, as far as the shared log knows. */
  readonly prevHash: string | null;
  /** In an overlay, what of the base the version began with, or the user hides; null: none; undefined: nobody has said so. */
  readonly base: BlobHash | null | undefined;
  readonly maker: RowMaker;
}

const MTIME = /^-?[0-9]{1,19}$/;
const MAX_MTIME = 2n ** 63n;
const MODES: readonly number[] = Object.values(JournalMode);
const ENDS: readonly LogOperation[] = ["delete", "rename", "hide", "revert"];
const OF_OVERLAYS: readonly LogOperation[] = ["hide", "revert"];

/** What a row of another store that was not refused says; or why this book does not take it. */
export function admitShared(book: Book, row: SharedRow): PulledChange | PfsError {
  try {
    return readRow(book, row);
  } catch (error) {
    if (error instanceof PfsError) return error;
    if (error instanceof PosixError) return new PfsError("INVALID_PATH", error.message, { path: row.path });
    throw error;
  }
}

function readRow({ profile }: Book, row: SharedRow): PulledChange {
  const path = parseTreePath(row.path);
  refuseMisplaced(profile, path);
  const layer = parseLayerOwner(row.user_id);
  const maker = makerOf(row);
  const { operation, prev_hash: prevHash } = row;
  const prevPath = row.prev_path === null ? undefined : parseTreePath(row.prev_path);
  const base = layer === BASE ? undefined : baseSaidBy(row);
  const shared = { sharedSeq: row.seq, layer, path, operation, prevPath, prevHash, base, maker };
  if (layer === BASE && OF_OVERLAYS.includes(operation)) throw odd(path, "hides something in the base");
  const fileId = row.file_id === null ? undefined : parseFileId(row.file_id);
  if (row.new_hash === null) {
    if (!ENDS.includes(operation)) throw odd(path, "makes a version without bytes");
    return { ...shared, file: undefined, fileId };
  }
  const { size, mode, mtime } = row;
  if (!isBlobHash(row.new_hash)) throw odd(path, "has no hash");
  if (operation !== "rename" && ENDS.includes(operation)) throw odd(path, "removes a file and has one");
  if (size === null || !Number.isSafeInteger(size) || size < 0) throw odd(path, "has no size");
  if (mode === null || !MODES.includes(mode)) throw odd(path, "has no mode that a book keeps");
  if (mtime === null || !MTIME.test(mtime) || isTooFar(BigInt(mtime))) throw odd(path, "has no time");
  if (fileId === undefined) throw odd(path, "has no file id");
  if (mode === JournalMode.symlink && !profile.symlinks)
    throw new PfsError(
      "SCHEMA_VIOLATION",
      `${path} is a symbolic link, and the profile ${profile.name} has none.`,
      {
        path,
      },
    );
  const file = { fileId, hash: row.new_hash, size, mode, mtime: BigInt(mtime), base: base ?? null };
  return { ...shared, file, fileId };
}

function isTooFar(nanoseconds: bigint): boolean {
  return nanoseconds >= MAX_MTIME || nanoseconds < -MAX_MTIME;
}

/** R1. @throws PfsError SCHEMA_VIOLATION */
function refuseMisplaced(profile: Profile, path: TreePath): void {
  const names = path.split("/");
  if (names[0] === CONTROL_DIRECTORY || names.some(isScratchName) || !profile.matchesFile(path))
    throw refusedPath(profile, path);
}

/** R7. @throws PfsError AGENT_REQUIRED, USAGE */
function makerOf({ agent_id, uid, pid, command }: SharedRow): RowMaker {
  const agent: AgentName = parseAgentName(agent_id);
  const text = command?.isWellFormed() === true ? command : null;
  return { agent, uid: integer(uid), pid: integer(pid), command: () => text };
}

function integer(value: number | null): number | null {
  return value !== null && Number.isSafeInteger(value) ? value : null;
}

function odd(path: string, what: string): PfsError {
  return new PfsError(
    "SCHEMA_VIOLATION",
    `A shared row of ${path} ${what}: no store of pfs makes such rows.`,
    {
      path,
      hint: "Look at who may write to the remote.",
    },
  );
}
