/**
 * Owns looking at a store's database before anything may write to it: whether it is there, whole, one of ours and of a version
 * that this program knows. Must never change anything, nor be used by a process that has the store open: it closes the file,
 * which drops the locks that SQLite has on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
import { closeSync, opendirSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import { APPLICATION_ID, newestVersion, tooNew } from "./migrations.ts";
import { tellsCorruption } from "./sqlite-errors.ts";
import { asUnwritable } from "./unwritable.ts";

const SQLITE_MAGIC = "SQLite format 3\0";
/** Source: https://www.sqlite.org/fileformat2.html#the_database_header */
const HEADER_BYTES = 100;
/** Source: https://www.sqlite.org/fileformat2.html#walformat */
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

interface Facts {
  /** 0 before the first table. */
  readonly schemaVersion: number;
  readonly userVersion: number;
  readonly applicationId: number;
}

export function databaseFile(directory: string): string {
  return join(directory, "pfs.db");
}

/**
 * Whether there is a store in `directory`. There is none where the making of one was cut off, by a crash, before its database
 * had a table: nothing is put beside it until that is on the disk. So where something is, the database was lost.
 * @throws PfsError STORE_DAMAGED, UNSUPPORTED_VERSION, READ_ONLY
 */
export function holdsStore(directory: string): boolean {
  try {
    return examine(directory);
  } catch (error) {
    throw asUnwritable(error, directory);
  }
}

function examine(directory: string): boolean {
  const file = databaseFile(directory);
  if (whyNone(file) === undefined) return true;
  const trace = findTrace(directory);
  if (trace === undefined) return false;
  // Somebody may have made the store between these looks.
  const why = whyNone(file);
  if (why === undefined) return true;
  throw new PfsError(
    "STORE_DAMAGED",
    `The store ${directory} is damaged: its database pfs.db ${why}, and ${trace} shows that there was one.`,
    {
      hint: "Nothing was changed. Put pfs.db back, restore a backup in another place with `pfs restore-backup`, or name another store with --store.",
    },
  );
}

export function noStore(directory: string): PfsError {
  return new PfsError("NOT_FOUND", `There is no store in ${directory}.`, {
    hint: "Make a book with `pfs init BOOK`, or name another store with --store.",
  });
}

export function damaged(file: string, what: string, cause?: unknown): PfsError {
  return new PfsError("STORE_DAMAGED", `The store's database ${file} is damaged: ${what}.`, {
    hint: "It was left as it is. Restore it from a backup, or name another store with --store.",
    cause,
  });
}

export function foreign(file: string): PfsError {
  return new PfsError("STORE_DAMAGED", `${file} is a SQLite database, but not a store of pfs.`, {
    hint: "Name another store with --store. The file was left as it is.",
  });
}

/** The error to throw for one of SQLite's; itself where it tells of no damage. */
export function asDamage(error: unknown, file: string): unknown {
  return tellsCorruption(error) ? damaged(file, (error as Error).message, error) : error;
}

/** Why the file is no store's, where it could become one; undefined where it is one's. @throws as {@link holdsStore} */
function whyNone(file: string): string | undefined {
  const sizeBytes = sizeOf(file);
  if (sizeBytes === undefined) return "is missing";
  if (sizeBytes === 0) return "is empty";
  // What is committed may be in the write-ahead log only.
  const { schemaVersion, applicationId, userVersion } =
    (sizeOf(`${file}-wal`) ?? 0) > 0 ? readWithLog(file) : readAlone(file, sizeBytes);
  if (schemaVersion === 0) return "has no table";
  if (applicationId !== APPLICATION_ID) throw foreign(file);
  if (userVersion > newestVersion()) throw tooNew(file, userVersion);
  return undefined;
}

/** What only a store that was made has in its directory, by its name there. */
function findTrace(directory: string): string | undefined {
  const file = databaseFile(directory);
  // With such a file SQLite throws the log away.
  const isGone = (sizeOf(file) ?? 0) === 0;
  if (isGone && (sizeOf(`${file}-wal`) ?? 0) > 0) return "pfs.db-wal";
  const files = ["audit-last-head.json", "audit-key.pem"];
  const folders = ["objects", "scratch"];
  return (
    files.find((name) => sizeOf(join(directory, name)) !== undefined) ??
    folders.find((name) => isFilled(join(directory, name)))
  );
}

/** As bytes: a connection could write to the file, or leave others beside it. */
function readAlone(file: string, sizeBytes: number): Facts {
  const header = readHeader(file);
  // Page size at 16, page count at 28, valid while the change counter (24) equals version-valid-for (92).
  const declared = header.readUInt16BE(16);
  const wholeBytes = header.readUInt32BE(28) * (declared === 1 ? 65536 : declared);
  if (header.readUInt32BE(24) === header.readUInt32BE(92) && wholeBytes > sizeBytes)
    throw cutShort(file, sizeBytes, wholeBytes);
  // The schema cookie is at 40, the user version at 60, the application id at 68.
  return {
    schemaVersion: header.readUInt32BE(40),
    userVersion: header.readUInt32BE(60),
    applicationId: header.readUInt32BE(68),
  };
}

function readWithLog(file: string): Facts {
  readHeader(file);
  const database = new Sqlite(file, { readonly: true });
  try {
    const read = (name: string) => database.pragma(name, { simple: true }) as number;
    refuseCut(database, file, read("page_count"), read("page_size"));
    return {
      schemaVersion: read("schema_version"),
      userVersion: read("user_version"),
      applicationId: read("application_id"),
    };
  } catch (error) {
    throw asDamage(error, file);
  } finally {
    database.close();
  }
}

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const fd = openSync(file, "r");
  try {
    const length = readSync(fd, header, 0, HEADER_BYTES, 0);
    if (length === HEADER_BYTES && header.toString("latin1", 0, 16) === SQLITE_MAGIC) return header;
  } finally {
    closeSync(fd);
  }
  throw damaged(file, "it does not begin as a SQLite database does");
}

/** Each page must be in the file or in the log: SQLite itself takes one that is in neither for one full of zeros. */
function refuseCut(database: Sqlite.Database, file: string, pages: number, pageBytes: number): void {
  const sizeBytes = sizeOf(file) ?? 0;
  const pagesHere = Math.floor(sizeBytes / pageBytes);
  if (pagesHere >= pages || hasPages(`${file}-wal`, pageBytes, pagesHere, pages)) return;
  // A page that was free again before it was written is in neither; and somebody may be moving the log into the file.
  if (database.pragma("quick_check(1)", { simple: true }) === "ok") return;
  throw cutShort(file, sizeBytes, pages * pageBytes);
}

function cutShort(file: string, sizeBytes: number, wholeBytes: number): PfsError {
  return damaged(file, `it is cut short: ${sizeBytes} of ${wholeBytes} bytes`);
}

/** Whether the log has all pages after `after` up to `last`. */
function hasPages(wal: string, pageBytes: number, after: number, last: number): boolean {
  const found = new Set<number>();
  const fd = openSync(wal, "r");
  try {
    const header = Buffer.alloc(WAL_HEADER_BYTES);
    if (readSync(fd, header, 0, WAL_HEADER_BYTES, 0) < WAL_HEADER_BYTES) return false;
    const frame = Buffer.alloc(FRAME_HEADER_BYTES);
    for (let at = WAL_HEADER_BYTES; found.size < last - after; at += FRAME_HEADER_BYTES + pageBytes) {
      if (readSync(fd, frame, 0, FRAME_HEADER_BYTES, at) < FRAME_HEADER_BYTES) return false;
      // Frames with other salts are from before the log started over.
      if (frame.compare(header, 16, 24, 8, 16) !== 0) return false;
      const page = frame.readUInt32BE(0);
      if (page > after && page <= last) found.add(page);
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** Reads no more than one name: scratch may be a whole .git. */
function isFilled(folder: string): boolean {
  if (sizeOf(folder) === undefined) return false;
  const names = opendirSync(folder);
  try {
    return names.readSync() !== null;
  } finally {
    names.closeSync();
  }
}
