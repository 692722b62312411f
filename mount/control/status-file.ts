/** Owns `.pfs/status.json`: how book, store and daemon are at this moment. */
import { measureOutbox } from "../../lib/outbox.ts";
import { findRemote } from "../../lib/shared-rows.ts";
import type { ControlModule } from "./control-module.ts";
import { GeneratedFile, jsonText } from "./generated-file.ts";

export const statusFile: ControlModule = {
  name: "status.json",
  description:
    "the position in the log, open drafts, conflicts, what waits to be synced and what is, the mounts of this book, the daemon",
  make: (source) =>
    new GeneratedFile(() => {
      const { worktree, log, store } = source;
      const { database } = store;
      const { bookId } = worktree.book;
      const remote = findRemote(database, bookId);
      return jsonText({
        book: bookId,
        seq: log.seq,
        head: log.head,
        drafts: worktree.draftCount,
        conflicts: worktree.conflicts.count,
        // Of the remote, null where there is none: rows that it does not have yet, and up to which position it has all.
        pending: remote === undefined ? null : measureOutbox(database, bookId).rows,
        synced: remote?.pushedSeq ?? null,
        ...source.process(),
      });
    }),
};
