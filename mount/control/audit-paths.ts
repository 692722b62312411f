/**
 * Owns `.pfs/audit/path/`: for each path that the log says anything of, `<path>.jsonl` with its rows. Nothing is listed, as
 * the log may know more paths than anybody wants to list.
 */
import { fromIso } from "../../lib/time.ts";
import { PfsError } from "../../schema/errors.ts";
import { AskedDirectory } from "./asked-directory.ts";
import type { ControlDirectory } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { LogFile } from "./log-file.ts";

const ENDING = ".jsonl";

/** @param directory in the book; "" is its root */
export function auditPaths(source: ControlSource, directory = ""): ControlDirectory {
  return new AskedDirectory((name) => {
    const { worktree, log, logPages: pages } = source;
    const { bookId } = worktree.book;
    const path = directory === "" ? name : `${directory}/${name}`;
    if (name.endsWith(ENDING)) {
      const of = path.slice(0, -ENDING.length);
      const mtime = () => fromIso(pages.latestOf(bookId, of) as string);
      if (pages.latestOf(bookId, of) !== undefined)
        return new LogFile({ pages, mtime, range: () => ({ bookId, path: of, untilSeq: log.seq }) });
    }
    if (pages.hasBelow(bookId, path)) return auditPaths(source, path);
    if (!name.endsWith(ENDING)) return undefined;
    throw new PfsError(
      "NOT_FOUND",
      `The log of ${bookId} has nothing about ${path.slice(0, -ENDING.length)}.`,
      {
        path: path.slice(0, -ENDING.length),
        hint: `Ask for a path as it was in the book, with ${ENDING} after it.`,
      },
    );
  });
}
