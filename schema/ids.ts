/**
 * Owns the brands of the domain's identifiers and the parsers that are the only way to make them.
 * Must never read a store: an id that parses need not exist.
 */
import { randomFillSync } from "node:crypto";
import { PfsError } from "./errors.ts";

declare const brand: unique symbol;
type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A book: `[a-z0-9-]{3,50}`. */
export type BookId = Brand<string, "BookId">;
/** The owner of a layer: {@link BASE} or `[A-Za-z0-9_-]{1,100}` that does not begin with `__`. */
export type UserId = Brand<string, "UserId">;
/** Who answers for a change (R7): 1 to 200 characters, never `system`. */
export type AgentName = Brand<string, "AgentName">;
/** SHA-256 of some bytes: 64 lower-case hexadecimal digits. */
export type BlobHash = Brand<string, "BlobHash">;
/** Identity of a file through edits, renames and copy-up, and its inode number (I1): 2^32 ≤ id < 2^53. */
export type FileId = Brand<number, "FileId">;
/** Row number in the log; 0 is the position before the first row. */
export type Seq = Brand<number, "Seq">;

/** The user id of the shared base. No parser makes it from what a user typed. */
export const BASE = "__base__" as UserId;

const bookIdPattern = /^[a-z0-9-]{3,50}$/;
const userIdPattern = /^[A-Za-z0-9_-]{1,100}$/;
const hashPattern = /^[0-9a-f]{64}$/;
const decimalPattern = /^(?:0|[1-9][0-9]*)$/;
const controlCharacters = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const AGENT_MAX_CHARS = 200;
const QUOTED_MAX_CHARS = 160;
/** Below it are the inode numbers of what is not a book's file: directories, scratch, control files. */
const FILE_ID_MIN = 2 ** 32;

/** `text` in double quotes with control characters escaped and its length bounded, fit for a message. */
export function quote(text: string): string {
  const shown = text.length > QUOTED_MAX_CHARS ? `${text.slice(0, QUOTED_MAX_CHARS)}…` : text;
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** @throws PfsError USAGE */
export function parseBookId(text: string): BookId {
  if (bookIdPattern.test(text)) return text as BookId;
  throw new PfsError("USAGE", `${quote(text)} is not a book id.`, {
    hint: "A book id is 3 to 50 of a-z, 0-9 and hyphen, such as my-book.",
  });
}

export function isUserId(text: string): text is UserId {
  return userIdPattern.test(text) && !text.startsWith("__");
}

/** A user as typed by a person; `__base__` is not a user. @throws PfsError USAGE */
export function parseUserId(text: string): UserId {
  if (isUserId(text)) return text;
  throw new PfsError("USAGE", `${quote(text)} is not a user id.`, {
    hint: "A user id is 1 to 100 of letters, digits, _ and -, and does not begin with __.",
  });
}

/** The owner of a layer as stored in a row: the base or a user. @throws PfsError USAGE */
export function parseLayerOwner(text: string): UserId {
  return text === BASE ? BASE : parseUserId(text);
}

/**
 * The name of who answers for a change (R7).
 * @throws PfsError AGENT_REQUIRED when empty, blank or `system` in any case; USAGE when malformed
 */
export function parseAgentName(text: string): AgentName {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.toLowerCase() === "system") {
    const what = trimmed === "" ? "No agent is named" : `${quote(trimmed)} is not an agent`;
    throw new PfsError("AGENT_REQUIRED", `${what}: every change needs one who answers for it.`, {
      hint: "Name one, such as agent=alice or agent=claude-lesson-writer-7.",
    });
  }
  if (trimmed !== text) {
    throw new PfsError("USAGE", `The agent name ${quote(text)} begins or ends with a blank.`);
  }
  if (text.length > AGENT_MAX_CHARS) {
    throw new PfsError(
      "USAGE",
      `The agent name ${quote(text)} is longer than ${AGENT_MAX_CHARS} characters.`,
    );
  }
  if (controlCharacters.test(text) || !text.isWellFormed()) {
    throw new PfsError("USAGE", `The agent name ${quote(text)} holds a control character or broken text.`);
  }
  return text as AgentName;
}

/** True for 64 lower-case hexadecimal digits. */
export function isBlobHash(text: string): text is BlobHash {
  return hashPattern.test(text);
}

/** @throws PfsError USAGE */
export function parseBlobHash(text: string): BlobHash {
  if (isBlobHash(text)) return text;
  throw new PfsError("USAGE", `${quote(text)} is not a hash.`, {
    hint: "A hash is the SHA-256 of a file: 64 lower-case hexadecimal digits, as sha256sum prints it.",
  });
}

/** Takes a number or its decimal digits. @throws PfsError USAGE */
export function parseFileId(value: number | string): FileId {
  const id = toInteger(value);
  if (id !== undefined && id >= FILE_ID_MIN) return id as FileId;
  throw new PfsError("USAGE", `${quote(String(value))} is not a file id.`, {
    hint: "A file id is a whole number of at least 2^32 and below 2^53.",
  });
}

/** Takes a number or its decimal digits. @throws PfsError USAGE */
export function parseSeq(value: number | string): Seq {
  const seq = toInteger(value);
  if (seq !== undefined) return seq as Seq;
  throw new PfsError("USAGE", `${quote(String(value))} is not a position in the log.`, {
    hint: "A position is the seq of a log row: a whole number from 0 up.",
  });
}

function toInteger(value: number | string): number | undefined {
  const number = typeof value === "number" ? value : decimalPattern.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) && number >= 0 && !Object.is(number, -0) ? number : undefined;
}

const POOL_IDS = 512;
const pool = new Uint32Array(POOL_IDS * 2);
let poolNext = pool.length;

/** A new random file id, unique for all practical purposes on every machine: 53 random bits, no allocation. */
export function newFileId(): FileId {
  for (;;) {
    if (poolNext >= pool.length) {
      randomFillSync(pool);
      poolNext = 0;
    }
    const high = pool[poolNext]! & 0x1f_ffff;
    const low = pool[poolNext + 1]!;
    poolNext += 2;
    if (high !== 0) return (high * 0x1_0000_0000 + low) as FileId;
  }
}
