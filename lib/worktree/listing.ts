/**
 * Owns listing a directory: three sources (journal, worktree entries, files never saved) merged by cookie, so that a
 * listing can go on at any entry although others come and go, and costs what it shows.
 */
import type { FileId } from "../../schema/ids.ts";
import type { Node } from "../node.ts";
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
  for (let cookie = after; ; ) {
    const batch = readBatch(tree, parent, cookie);
    for (const entry of batch) {
      if (!visit(entry.name, entry.node(), entry.cookie)) return;
      cookie = entry.cookie;
    }
    if (batch.length < BATCH) return;
  }
}

function readBatch(tree: Tree, parent: FileId, after: number): Listed[] {
  const listed: Listed[] = [];
  for (const row of tree.trackedIn(parent, after, BATCH)) {
    listed.push({
      name: row.path.slice(row.path.lastIndexOf("/") + 1),
      cookie: row.fileId,
      node: () => tree.current(row),
    });
  }
  const trackedCount = listed.length;
  for (const row of tree.entries.list(parent, after, BATCH)) {
    listed.push({ name: row.name, cookie: row.entryId, node: () => tree.localNode(row) });
  }
  const newborns = tree.newborns.get(parent);
  if (newborns !== undefined) {
    for (const [name, file] of newborns) {
      if (file.fileId > after) listed.push({ name, cookie: file.fileId, node: () => file.node() });
    }
  }
  if (listed.length > trackedCount) listed.sort((a, b) => a.cookie - b.cookie);
  return listed.length > BATCH ? listed.slice(0, BATCH) : listed;
}
