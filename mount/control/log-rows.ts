/**
 * Owns which rows of the log a mount's control files show in their order: all, or, on a mount for another Unix user, those of
 * the layers that are that user's to read (R5). These lie anywhere among the others', so that another thread looks for them.
 */
import { fromIso } from "../../lib/time.ts";
import { AnswerFile } from "./answer-file.ts";
import type { ControlFile } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { LogFile } from "./log-file.ts";

interface Rows {
  /** Of this path only. */
  readonly path?: string;
  /** Position that they begin after; default 0. */
  readonly afterSeq?: number;
}

/** Undefined: there are none of that path. */
export function logRows(source: ControlSource, { path, afterSeq = 0 }: Rows): ControlFile | undefined {
  const { worktree, log, logPages: pages, shownLayers: layers } = source;
  const { bookId, createdAt } = worktree.book;
  if (path !== undefined && pages.latestOf(bookId, path, layers) === undefined) return undefined;
  if (layers !== undefined) {
    const query = path === undefined ? { bookId, layers } : { bookId, layers, path };
    return new AnswerFile(source, () => ({ query, afterSeq, untilSeq: log.seq }));
  }
  const latest = (): string => (path === undefined ? log.timestamp : (pages.latestOf(bookId, path) ?? ""));
  return new LogFile({
    pages,
    afterSeq,
    mtime: () => fromIso(latest() || createdAt),
    range: () => ({ bookId, path, untilSeq: log.seq }),
  });
}
