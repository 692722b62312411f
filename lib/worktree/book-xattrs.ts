/**
 * Owns the extended attributes by which a book says what it knows of a file: `user.pfs.hash`, `.layer`, `.seq`, `.agent`,
 * `.sync`.
 * They are read by name and not listed, so that tools which copy attributes do not carry them along. Must never store any.
 */
import { BASE, type FileId } from "../../schema/ids.ts";
import type { Tree } from "./tree.ts";

/** Names that begin so are the book's: programs cannot set them. */
export const BOOK_XATTR_PREFIX = "user.pfs.";

/** The value; undefined for a name that means nothing, and for what is not in the journal. */
export function bookXattr(tree: Tree, fileId: FileId, name: string): Uint8Array | undefined {
  const node = tree.get(fileId);
  if (node?.tracked !== true) return undefined;
  const path = tree.pathOf(node.parent, node.name);
  const isOverlay = tree.layer !== BASE && tree.journal.get(path) !== undefined;
  const layer = isOverlay ? tree.layer : BASE;
  switch (name.slice(BOOK_XATTR_PREFIX.length)) {
    case "hash":
      return text(node.hash);
    case "layer":
      return text(isOverlay ? "overlay" : "base");
    case "seq":
      return text(lastRow(tree, path, layer)?.seq.toString());
    case "agent":
      return text(lastRow(tree, path, layer)?.agent);
    case "sync":
      return text(syncState(tree, path, layer));
    default:
      return undefined;
  }
}

/** Whether a remote has the current version, and whether somebody has to decide about another one. */
function syncState(tree: Tree, path: string, layer: string): "pending" | "synced" | "conflict" {
  const { database } = tree.store;
  const conflict = database.prepare(
    "SELECT 1 FROM conflict WHERE book_id = ? AND path = ? AND user_id = ? AND ended IS NULL LIMIT 1",
  );
  if (conflict.get(tree.book.bookId, path, layer) !== undefined) return "conflict";
  const shared = database.prepare(
    "SELECT 1 FROM shared_row s JOIN remote r ON r.book_id = s.book_id WHERE s.seq = ?",
  );
  return shared.get(lastRow(tree, path, layer)?.seq) === undefined ? "pending" : "synced";
}

/** The row of the log that made the current version, or changed its attributes since. */
function lastRow(tree: Tree, path: string, layer: string): { seq: number; agent: string } | undefined {
  return tree.store.database
    .prepare<unknown[], { seq: number; agent: string }>(
      `SELECT seq, agent_id AS agent FROM audit_log
       WHERE book_id = ? AND path = ? AND user_id = ? AND status = 'ok' ORDER BY seq DESC LIMIT 1`,
    )
    .get(tree.book.bookId, path, layer);
}

function text(value: string | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
