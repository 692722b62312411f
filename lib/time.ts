/**
 * Owns points in time as the kernel and the journal know them: seconds and nanoseconds since 1970, before it negative.
 * Must never use a float for nanoseconds since 1970: it has no room for them.
 */

/** `nanoseconds` is 0 to 999,999,999 also before 1970, as in struct timespec. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const NANOSECONDS = 1_000_000_000;
let lastMs = 0;
let sinceLastMs = 0;

/**
 * The present, strictly later than every earlier answer in this process, so that two changes of a file never share a
 * time. Counts microseconds within the millisecond that the system's clock gives.
 */
export function now(): Time {
  const ms = Date.now();
  if (ms > lastMs) {
    lastMs = ms;
    sinceLastMs = 0;
  } else if (++sinceLastMs === 1000) {
    lastMs++;
    sinceLastMs = 0;
  }
  const seconds = Math.floor(lastMs / 1000);
  return { seconds, nanoseconds: (lastMs - seconds * 1000) * 1_000_000 + sinceLastMs * 1000 };
}

/** Nanoseconds since 1970, for SQLite. */
export function toNanoseconds(time: Time): bigint {
  return BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds);
}

/**
 * From `column / 1000000000` and `column % 1000000000` as SQLite computes them, which rounds toward zero.
 */
export function fromQuotient(seconds: number, remainder: number): Time {
  return remainder < 0
    ? { seconds: seconds - 1, nanoseconds: remainder + NANOSECONDS }
    : { seconds, nanoseconds: remainder };
}

/** From nanoseconds since 1970. */
export function fromNanoseconds(nanoseconds: bigint): Time {
  return fromQuotient(Number(nanoseconds / 1_000_000_000n), Number(nanoseconds % 1_000_000_000n));
}

/** From ISO 8601, as `Date` understands it. */
export function fromIso(text: string): Time {
  return fromNanoseconds(BigInt(Date.parse(text)) * 1_000_000n);
}

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareTimes(a: Time, b: Time): number {
  return a.seconds - b.seconds || a.nanoseconds - b.nanoseconds;
}
