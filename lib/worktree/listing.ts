/**
 * Owns listing a directory: its sources (journal, worktree entries, files never saved; in an overlay the base's journal and
 * directories, too) merged by cookie, so that a listing can go on at any entry although others come and go, and costs what
 * it shows.
 */
import type { FileId } from "../../schema/ids.ts";
import type { Node } from "../node.ts";
import type { LocalRow, TrackedRow } from "./node-rows.ts";
import type { OpenFile } from "./open-file.ts";
import type { Tree } from "./tree.ts";

/** Answers whether to go on. */
export type Visit = (name: string, node: Node, cookie: number) => boolean;

interface Listed {
  readonly name: string;
  readonly cookie: number;
  /** Made only when it is visited: a scratch file's size is a question to the disk. */
  readonly node: () => Node;
}

const BATCH = 128;

export function listDirectory(tree: Tree, parent: FileId, after: number, visit: Visit): void {
  tree.store.read();
  const place = tree.paths.find(parent);
  if (place === undefined) return;
  const sources = place.own
    ? ownSources(tree, parent)
    : [...ownSources(tree, parent), ...sharedSources(tree, parent)];
  for (let cookie = after; ; ) {
    const { entries, end } = readBatch(sources, cookie);
    for (const entry of entries) {
      if (!visit(entry.name, entry.node(), entry.cookie)) return;
    }
    if (end === undefined) return;
    cookie = end;
  }
}

interface Source {
  /** Entries with a cookie greater than `after`, ascending, and, where there may be more of them, up to which cookie these go. */
  read(after: number): { readonly entries: Listed[]; readonly last: number | undefined };
}

function ownSources(tree: Tree, parent: FileId): Source[] {
  const sources: Source[] = [
    source(
      (after) => tree.trackedIn(parent, after, BATCH),
      (row) => listTracked(tree, row),
    ),
    source(
      (after) => tree.entries.list(parent, after, BATCH),
      (row) => listLocal(tree, row),
    ),
  ];
  const newborns = tree.newborns.get(parent);
  if (newborns !== undefined) sources.push(newbornSource(newborns));
  return sources;
}

/** What an overlay shows of the base. */
function sharedSources(tree: Tree, parent: FileId): Source[] {
  const { shared } = tree;
  if (shared === undefined) return [];
  const ownNames = tree.entries.namesIn(parent);
  for (const name of tree.newborns.get(parent)?.keys() ?? []) ownNames.add(name);
  const isShown = (row: TrackedRow | LocalRow): boolean =>
    shared.shows(row, ownNames) && !("path" in row && tree.vacancies.has(row.path));
  return [
    source(
      (after) => shared.filesIn(parent, after, BATCH),
      (row) => listTracked(tree, row),
      isShown,
    ),
    source(
      (after) => shared.directoriesIn(parent, after, BATCH),
      (row) => listLocal(tree, row),
      isShown,
    ),
  ];
}

function source<Row extends TrackedRow | LocalRow>(
  read: (after: number) => Row[],
  list: (row: Row) => Listed,
  isShown: (row: Row) => boolean = () => true,
): Source {
  return {
    read(after) {
      const rows = read(after);
      const last = rows.length < BATCH ? undefined : rows.at(-1);
      return {
        entries: rows.filter(isShown).map(list),
        last: last === undefined ? undefined : cookieOf(last),
      };
    },
  };
}

function newbornSource(newborns: ReadonlyMap<string, OpenFile>): Source {
  return {
    read(after) {
      const entries = [...newborns]
        .filter(([, file]) => file.fileId > after)
        .map(([name, file]) => ({ name, cookie: file.fileId, node: () => file.node() }));
      return { entries, last: undefined };
    },
  };
}

function cookieOf(row: TrackedRow | LocalRow): number {
  return "path" in row ? row.fileId : row.entryId;
}

function listTracked(tree: Tree, row: TrackedRow): Listed {
  const name = row.path.slice(row.path.lastIndexOf("/") + 1);
  return { name, cookie: row.fileId, node: () => tree.current(row) };
}

function listLocal(tree: Tree, row: LocalRow): Listed {
  return { name: row.name, cookie: row.entryId, node: () => tree.localNode(row) };
}

/** Merges the sources up to where the first of them may have more; `end` is that cookie, undefined at the very end. */
function readBatch(
  sources: readonly Source[],
  after: number,
): { entries: Listed[]; end: number | undefined } {
  const entries: Listed[] = [];
  let end: number | undefined;
  for (const { read } of sources) {
    const batch = read(after);
    entries.push(...batch.entries);
    if (batch.last !== undefined) end = Math.min(end ?? batch.last, batch.last);
  }
  entries.sort((a, b) => a.cookie - b.cookie);
  return { entries: end === undefined ? entries : entries.filter(({ cookie }) => cookie <= end), end };
}
