/** Owns which metrics the mount thread knows: what it has counted, and numbers that it has in memory. Must never read the store. */
import type { Library } from "../lib/library.ts";
import { counter, gauge, type MetricFamily } from "../lib/metric-family.ts";

export function threadMetrics(library: Library): MetricFamily[] {
  const { log, store } = library;
  const worktrees = library.openWorktrees();
  const drafts = worktrees.reduce((sum, { draftCount }) => sum + draftCount, 0);
  const openFiles = worktrees.reduce((sum, { tree }) => sum + tree.openFiles.size, 0);
  return [
    ...log.counters.families(),
    counter("pfs_transactions_total", "Write transactions begun since the start.", store.writeCount),
    counter(
      "pfs_rollbacks_total",
      "Write transactions that were undone since the start: nothing of them is in the store.",
      store.rollbackCount,
    ),
    gauge("pfs_log_position", "The number of the last row of the log.", log.seq),
    gauge("pfs_open_files", "Files that somebody has open on a mount.", openFiles),
    gauge("pfs_drafts", "Of these, files with something unsaved.", drafts),
  ];
}
