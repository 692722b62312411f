/** Owns what a failure of a shared directory means to whoever uses it as a remote. Must never change anything there. */
import { accessSync, constants } from "node:fs";
import { PfsError } from "../../schema/errors.ts";
import { RemoteError } from "./remote-error.ts";

const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const FORBIDDEN: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"]);
/** What a network's file system, or a machine short of something, may do better in a moment. */
const PASSING: ReadonlySet<string> = new Set([
  "EAGAIN",
  "EBUSY",
  "EHOSTDOWN",
  "EINTR",
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOTCONN",
  "ESTALE",
  "ETIMEDOUT",
]);

/** The error to throw for one that working in `directory` met; itself where no system call failed. */
export function asDirectoryError(error: unknown, directory: string): unknown {
  if (error instanceof PfsError) return error;
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  if (FULL.has(code)) {
    return new RemoteError("FULL", `The disk of the remote ${directory} is full.`, {
      hint: "Free some space on it.",
      isRetryable: false,
      cause: error,
    });
  }
  if (code === "ENOENT" || code === "ENOTDIR") return missingRemote(directory, error);
  const why = FORBIDDEN.has(code) ? `this user may not (${code})` : code;
  return new RemoteError("UNAVAILABLE", `The remote ${directory} cannot be used: ${why}.`, {
    isRetryable: PASSING.has(code),
    cause: error,
  });
}

/** For `catch`: undefined where there is no such file. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}

/** Why this process may not write a file or a directory, without a full stop; undefined: it may. */
export function whyUnwritable(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return `this user may not write ${path} (${(error as NodeJS.ErrnoException).code})`;
  }
}

export function missingRemote(directory: string, cause?: unknown): RemoteError {
  return new RemoteError("UNAVAILABLE", `There is no remote at ${directory}.`, {
    hint: "Mount the disk that it is on, if it is on another one.",
    isRetryable: false,
    cause,
  });
}

/** Something else has the name of a file. */
export function noFile(path: string): RemoteError {
  return new RemoteError("CORRUPT", `${path} is no file.`, {
    hint: "Somebody else has put it there: take it away, and `pfs repair --remote` sends again what is missing.",
    isRetryable: false,
  });
}

/** Something else has the name of a directory below those that a remote begins with: what belongs there is not to be had. */
export function noDirectory(path: string): RemoteError {
  return new RemoteError("CORRUPT", `${path} is no directory.`, {
    hint: "Somebody else has put it there: take it away, and `pfs repair --remote` sends again what is missing.",
    isRetryable: false,
  });
}

/** Something else, such as a symbolic link, has the name of a directory that a remote cannot be without. */
export function linkedRemote(path: string): RemoteError {
  return new RemoteError(
    "UNAVAILABLE",
    `${path} is no directory, and symbolic links in a remote are not followed.`,
    {
      hint: "Put the directory itself there. The remote as a whole may be behind a link.",
      isRetryable: false,
    },
  );
}

/** A blob has other bytes than its name says. */
export function wrongBytes(path: string): RemoteError {
  return new RemoteError("CORRUPT", `${path} has other bytes than its name says.`, {
    hint: "`pfs repair --remote` sends it again, from a machine that has it.",
    isRetryable: false,
  });
}
