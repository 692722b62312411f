/**
 * Owns the text that names a past state of a book (REF): the beginning of a manifest hash, a position in the log, an ISO
 * time, an age. Must never know which of them a book has.
 */
import { PfsError } from "./errors.ts";
import { quote, type Seq } from "./ids.ts";
import { UNITS_MS } from "./time-units.ts";

/** What a text may mean; a text may have two readings, such as a number that is the beginning of a hash, too. */
export interface Reference {
  readonly text: string;
  readonly seq?: Seq;
  /** The first 8 to 64 digits of a manifest hash. */
  readonly hashPrefix?: string;
  /** The time that is meant when it is asked for at `nowMs`; both milliseconds since 1970. */
  readonly timeMs?: (nowMs: number) => number;
}

const position = /^[0-9]{1,15}$/;
const hashBeginning = /^[0-9a-f]{8,64}$/;
const age = /^([0-9]{1,9})([smhdw])$/;
const isoTime =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?$/;

/** What REF may be, for messages. */
export const REFERENCE_FORMS =
  "a manifest hash (its first 8 digits at least), a position in the log, an ISO time or an age such as 2h";

/** @throws PfsError USAGE when the text has no reading */
export function parseReference(text: string): Reference {
  const timeMs = parseTime(text);
  const reference: Reference = {
    text,
    ...(position.test(text) ? { seq: Number(text) as Seq } : {}),
    ...(isHashBeginning(text) ? { hashPrefix: text } : {}),
    ...(timeMs === undefined ? {} : { timeMs }),
  };
  if (Object.keys(reference).length > 1) return reference;
  throw new PfsError("USAGE", `${quote(text)} names no state of a book.`, {
    hint: `It takes ${REFERENCE_FORMS}.`,
  });
}

/** Whether it is a manifest hash, or enough of its beginning to name it by. */
export function isHashBeginning(text: string): boolean {
  return hashBeginning.test(text);
}

/** Whether {@link parseReference} takes it. */
export function isReference(text: string): boolean {
  return position.test(text) || isHashBeginning(text) || parseTime(text) !== undefined;
}

/**
 * An ISO time such as `2025-11-25T21:46:00Z`, or an age such as `2h` before a given moment. As ECMAScript has it, a day
 * alone begins in UTC, and a time without a zone is this machine's.
 */
export function parseTime(text: string): ((nowMs: number) => number) | undefined {
  const [, count, unit] = age.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) {
    const ageMs = Number(count) * (UNITS_MS[unit] as number);
    return (nowMs) => nowMs - ageMs;
  }
  const ms = isoTime.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : () => ms;
}
