/** Owns whether a row of the log is one that is asked for, as `logConditions` of history.ts says it to SQLite. Must never read any. */
import type { LogRow } from "../schema/log-row.ts";
import { PathGlob } from "../schema/path-glob.ts";
import type { LogQuery } from "./history.ts";

/** Renames and the limit are left out. @throws PfsError USAGE for a malformed pattern */
export function rowMatcher(query: LogQuery): (row: LogRow) => boolean {
  const { bookId, path, userId, layers, agent, operation, status, afterSeq, beforeSeq, since, until } = query;
  const below = query.below === undefined || query.below === "" ? undefined : `${query.below}/`;
  const glob = query.glob === undefined ? undefined : new PathGlob(query.glob);
  return (row) =>
    (bookId === undefined || row.book_id === bookId) &&
    (path === undefined || row.path === path) &&
    (below === undefined || row.path.startsWith(below)) &&
    (glob === undefined || glob.matches(row.path)) &&
    (userId === undefined || row.user_id === userId) &&
    (layers === undefined || layers.some((layer) => layer === row.user_id)) &&
    (agent === undefined || row.agent_id === agent) &&
    (operation === undefined || row.operation === operation) &&
    (status === undefined || row.status === status) &&
    (afterSeq === undefined || row.seq > afterSeq) &&
    (beforeSeq === undefined || row.seq < beforeSeq) &&
    (since === undefined || row.timestamp >= since) &&
    (until === undefined || row.timestamp < until);
}
