/**
 * Owns `.pfs/audit/path/`: for each path that the log says anything of, `<path>.jsonl` with its rows. Nothing is listed, as
 * the log may know more paths than anybody wants to list.
 */
import { PfsError } from "../../schema/errors.ts";
import { AskedDirectory } from "./asked-directory.ts";
import type { ControlDirectory } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { logRows } from "./log-rows.ts";

const ENDING = ".jsonl";

/** @param directory in the book; "" is its root */
export function auditPaths(source: ControlSource, directory = ""): ControlDirectory {
  return new AskedDirectory((name) => {
    const { worktree, logPages: pages, shownLayers } = source;
    const { bookId } = worktree.book;
    const path = directory === "" ? name : `${directory}/${name}`;
    if (name.endsWith(ENDING)) {
      const rows = logRows(source, { path: path.slice(0, -ENDING.length) });
      if (rows !== undefined) return rows;
    }
    // Whether others alone have something below it is not told; to find out who has would be to look at all that they have.
    const isThere = shownLayers === undefined ? pages.hasBelow(bookId, path) : !name.endsWith(ENDING);
    if (isThere) return auditPaths(source, path);
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
