/**
 * Owns every way pfs can say no: refusal codes with their errno, plain POSIX outcomes, and the one function that
 * turns anything thrown into an errno. Must never know who throws or who shows the message.
 */

/**
 * Linux error numbers of the generic table (x86_64 and arm64 share it).
 * Source: linux/include/uapi/asm-generic/errno-base.h and errno.h.
 */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  ESTALE: 116,
  EDQUOT: 122,
  ECANCELED: 125,
} as const;

/** The name of an error number that {@link Errno} knows. */
export type ErrnoName = keyof typeof Errno;

/** What a code means to the kernel's callers and to people. */
interface CodeMeaning {
  readonly errnoName: ErrnoName;
  readonly errno: number;
  /** A few words for lists and headings; the error's own message says the particulars. */
  readonly title: string;
}

function meaning(errnoName: ErrnoName, title: string): CodeMeaning {
  return { errnoName, errno: Errno[errnoName], title };
}

/**
 * Every refusal code with its errno: the one table. The first block is what users of a book meet, the second what
 * operators and the command line meet.
 */
export const errorCodes = {
  CONFLICT: meaning("ESTALE", "the file changed since this writer read it"),
  HASH_REQUIRED: meaning("EPERM", "the current version must be read before it is overwritten"),
  SCHEMA_VIOLATION: meaning("EINVAL", "the book's schema has no place for this path"),
  INVALID_PATH: meaning("EINVAL", "this is not a valid path"),
  NOT_FOUND: meaning("ENOENT", "not found"),
  READ_ONLY: meaning("EROFS", "read-only"),
  NOT_PERMITTED: meaning("EPERM", "not permitted in a book"),
  TOO_LARGE: meaning("EFBIG", "over the book's file size limit"),
  UNAVAILABLE: meaning("EIO", "only the remote can do this, and it cannot be reached"),
  CORRUPT: meaning("EIO", "stored bytes do not match their hash"),
  FULL: meaning("ENOSPC", "the store's disk is full"),
  TOO_MANY: meaning("ENFILE", "more at once than pfs keeps"),
  AGENT_REQUIRED: meaning("EPERM", "every change needs an agent who answers for it"),

  USAGE: meaning("EINVAL", "the request is not understood"),
  EXISTS: meaning("EEXIST", "already there"),
  STORE_BUSY: meaning("EBUSY", "another process owns the store"),
  STORE_DAMAGED: meaning("EIO", "the store's database cannot be read"),
  UNSUPPORTED_VERSION: meaning("EPROTO", "made by a newer version of pfs"),
  DAEMON_UNREACHABLE: meaning("ECONNREFUSED", "the daemon does not answer"),
  MOUNT_FAILED: meaning("EIO", "the book could not be mounted"),
} as const satisfies Record<string, CodeMeaning>;

/** Why pfs refuses something. */
export type ErrorCode = keyof typeof errorCodes;

/** True when `text` is one of the refusal codes, for codes that arrive as text (control socket, log). */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCodes, text);
}

export interface PfsErrorOptions {
  /** The book's path that the refusal is about. */
  readonly path?: string | undefined;
  /** One sentence: what the reader can do now. */
  readonly hint?: string | undefined;
  /** What a conflict is between. */
  readonly hashes?: ConflictingHashes | undefined;
  readonly cause?: unknown;
}

/** Hashes of the version that a writer knew of a file and of the one that there is; null: none. */
export interface ConflictingHashes {
  readonly seen: string | null;
  readonly current: string | null;
}

/** A refusal or failure that pfs explains: its message is one clear sentence, `hint` says what to do. */
export class PfsError extends Error {
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly hint: string | undefined;
  readonly hashes: ConflictingHashes | undefined;

  constructor(code: ErrorCode, message: string, options: PfsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PfsError";
    this.code = code;
    this.path = options.path;
    this.hint = options.hint;
    this.hashes = options.hashes;
  }

  /** The Linux error number that the kernel's caller sees. */
  get errno(): number {
    return errorCodes[this.code].errno;
  }
}

export interface PosixErrorOptions {
  readonly path?: string | undefined;
  readonly cause?: unknown;
}

/** A plain POSIX outcome that refuses nothing of ours: no such file, directory not empty, name too long. */
export class PosixError extends Error {
  /** Positive Linux error number. */
  readonly errno: number;
  /** Its name, such as `ENOENT`. */
  readonly code: ErrnoName;
  readonly path: string | undefined;

  constructor(code: ErrnoName, message: string = code, options: PosixErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PosixError";
    this.code = code;
    this.errno = Errno[code];
    this.path = options.path;
  }
}

/**
 * Failures of the machine below the store that its users may see as they are. Anything else that the store's own
 * files answer (ENOENT for a lost blob file, EACCES for a wrong owner) says nothing true about the book's file of
 * that name, and is EIO: unreachable is not deleted.
 */
const passedOn: ReadonlySet<string> = new Set<ErrnoName>([
  "ENOSPC",
  "EDQUOT",
  "EFBIG",
  "EROFS",
  "ENOMEM",
  "EMFILE",
  "ENFILE",
  "EINTR",
]);

/** SQLite result codes with a closer errno than EIO. Source: https://www.sqlite.org/rescode.html */
const sqliteErrno: Readonly<Record<string, number>> = {
  SQLITE_FULL: Errno.ENOSPC,
  SQLITE_TOOBIG: Errno.EFBIG,
  SQLITE_NOMEM: Errno.ENOMEM,
  SQLITE_IOERR_NOMEM: Errno.ENOMEM,
};

/**
 * The errno to answer for anything thrown: the one place that decides it.
 * Knows PfsError, PosixError, Node's system errors and SQLite's errors; everything else is EIO.
 */
export function errnoOf(error: unknown): number {
  if (error instanceof PfsError || error instanceof PosixError) return error.errno;
  if (typeof error !== "object" || error === null) return Errno.EIO;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string") return Errno.EIO;
  if (passedOn.has(code)) return Errno[code as ErrnoName];
  if (code.startsWith("SQLITE_")) return sqliteErrno[code] ?? Errno.EIO;
  return Errno.EIO;
}
