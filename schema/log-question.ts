/**
 * Owns a question to the log as one line of text: `agent=ann&op=update&since=2h`. Must never know what rows there are.
 */
import { PfsError } from "./errors.ts";
import { type BookId, parseAgentName, parseUserId, quote, type UserId } from "./ids.ts";
import { type LogOperation, type LogStatus, logOperations } from "./log-row.ts";
import { PathGlob } from "./path-glob.ts";
import { parseTime } from "./reference.ts";

/** Which rows are meant. */
interface Asked {
  bookId?: BookId;
  agent?: string;
  operation?: LogOperation;
  userId?: UserId;
  status?: LogStatus;
  path?: string;
  glob?: string;
}

/** A time, when it is asked for at another; both milliseconds since 1970. */
type TimeAt = (nowMs: number) => number;

export interface LogQuestion {
  readonly query: Readonly<Asked>;
  /** Rows of that time or later. */
  readonly since: TimeAt | undefined;
  /** Rows before that time. */
  readonly until: TimeAt | undefined;
}

const HINT =
  "Ask as in agent=ann&op=update&user=bob&status=refused&since=2h&until=2025-11-25T21:46:00Z&path=content/01-*/**, " +
  "with any of them; % and two hexadecimal digits stand for a character that has a meaning.";

/** @throws PfsError USAGE, AGENT_REQUIRED: what is asked has no meaning */
export function parseLogQuestion(text: string): LogQuestion {
  const [query, times]: [Asked, { since?: TimeAt; until?: TimeAt }] = [{}, {}];
  const seen = new Set<string>();
  for (const part of text.split("&")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(0, equals));
    const value = decode(part.slice(equals + 1));
    if (seen.has(key)) throw refused(`It asks for ${quote(key)} twice.`);
    seen.add(key);
    if (key === "agent") query.agent = parseAgentName(value);
    else if (key === "user") query.userId = parseUserId(value);
    else if (key === "op") query.operation = oneOf(logOperations, value, "operation");
    else if (key === "status") query.status = oneOf(["ok", "refused"] as const, value, "status");
    else if (key === "since" || key === "until") times[key] = timeOf(value);
    else if (key === "path") Object.assign(query, askedPaths(value));
    else throw refused(`${quote(part)} asks nothing of the log.`);
  }
  return { query, since: times.since, until: times.until };
}

/** The conditions for a pattern of paths, which may be a path. @throws PfsError USAGE */
export function askedPaths(pattern: string): { path: string } | { glob: string } {
  const { path } = new PathGlob(pattern);
  return path === undefined ? { glob: pattern } : { path };
}

function oneOf<Value extends string>(values: readonly Value[], text: string, what: string): Value {
  const value = values.find((each) => each === text);
  if (value === undefined)
    throw refused(`There is no ${what} ${quote(text)}; there are ${values.join(", ")}.`);
  return value;
}

function timeOf(text: string): TimeAt {
  const time = parseTime(text);
  if (time === undefined) throw refused(`${quote(text)} is no time.`);
  return time;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(`${quote(text)} has a % that stands for no character.`);
  }
}

function refused(message: string): PfsError {
  return new PfsError("USAGE", message, { hint: HINT });
}
