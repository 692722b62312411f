/** Owns how long rows of the log stay in a store's own table before they may move into segments, as it is written. */
import { PfsError } from "./errors.ts";
import { quote } from "./ids.ts";

/** Milliseconds, or for good. */
export type Retention = number | "forever";

const DAY_MS = 86_400_000;
export const DEFAULT_RETENTION: Retention = 90 * DAY_MS;

const days = /^([1-9][0-9]{0,4})d$/;

/** `90d`, or `forever`. @throws PfsError USAGE */
export function parseRetention(text: string): Retention {
  if (text === "forever") return text;
  const [, count] = days.exec(text) ?? [];
  if (count !== undefined) return Number(count) * DAY_MS;
  throw new PfsError("USAGE", `${quote(text)} is no time for which rows of the log stay.`, {
    hint: "It is a number of days such as 90d, or forever.",
  });
}

/** As {@link parseRetention} takes it. */
export function retentionText(retention: Retention): string {
  return retention === "forever" ? retention : `${Math.round(retention / DAY_MS)}d`;
}
