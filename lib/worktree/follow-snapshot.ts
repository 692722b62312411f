/**
 * Owns beginning a book with what is shared of it at one position: one row of the log for each file. Must never change a file
 * that is there already.
 */
import { PfsError } from "../../schema/errors.ts";
import { type FileId, isUserId, type UserId } from "../../schema/ids.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import type { Actor } from "../node.ts";
import type { PulledHead } from "../shared-rows.ts";
import { admitShared, type PulledChange } from "./admit-shared.ts";
import { applyShared } from "./apply-shared.ts";
import type { FollowParts } from "./follow-remote.ts";
import { LayerPlans } from "./layer-plans.ts";
import { writePlans } from "./write-plans.ts";

/** Some files of a snapshot. Those of the base come before those of overlays. */
export interface SnapshotPage {
  readonly files: readonly SharedFile[];
  /** What overlays hide of the base, with the last page. Nobody says who did it: it is in no row of the log. */
  readonly hidden?: readonly { readonly userId: UserId; readonly fileId: FileId }[] | undefined;
  /** The position of the shared log, with the last page. */
  readonly until?: PulledHead | undefined;
}

export interface SnapshotCounts {
  /** Files that are here now. */
  readonly files: number;
  /** Files that no store should have made, or that have no place in this book. */
  readonly refused: number;
}

/**
 * Makes the files, in one transaction. The same page again does nothing, so that a clone that was cut off begins anew.
 * @throws PfsError USAGE: the book is not shared, or something was pulled already; FULL
 */
export function followSnapshot(parts: FollowParts, { files, hidden, until }: SnapshotPage): SnapshotCounts {
  const { base, shared } = parts;
  const { bookId } = base.book;
  if (shared.position()?.pulledSeq !== 0)
    throw new PfsError("USAGE", `The book ${bookId} is not one that has just begun to be shared.`);
  base.store.checkSpace(0);
  return base.store.transaction(() => {
    const plans = new LayerPlans((layer) => (layer === base.layer ? base : parts.overlay(layer)));
    const changes = files.map((file) => admitShared(base.book, rowOf(bookId, file)));
    let refused = 0;
    for (const change of changes) if (!begin(plans, change)) refused++;
    for (const { userId, fileId } of hidden ?? [])
      if (isUserId(userId)) plans.of(userId).hidden.set(fileId, true);
    for (const change of changes)
      if (!(change instanceof PfsError) && change.file !== undefined) shared.noteBlob(change.file.hash);
    writePlans(plans, shared, actorOf(parts, files[0]), performance.now());
    if (until !== undefined) shared.advancePulled(until);
    shared.advancePushed();
    return { files: files.length - refused, refused };
  });
}

/** False where the file has no place here. */
function begin(plans: LayerPlans, change: PulledChange | PfsError): boolean {
  if (change instanceof PfsError) return false;
  const present = plans.of(change.layer).at(change.path);
  if (present !== undefined && present.hash === change.file?.hash) return true;
  return !(applyShared(plans, change, () => false) instanceof PfsError);
}

/** A file as the row that it would be if it had just been made. */
function rowOf(bookId: string, file: SharedFile): SharedRow {
  const {
    path,
    userId: user_id,
    hash: new_hash,
    sizeBytes: size,
    mode,
    mtime,
    fileId: file_id,
    baseHash,
    seq,
    agent,
  } = file;
  return {
    ...{ seq, book_id: bookId, path, user_id, prev_hash: null, new_hash, size, mode, mtime, file_id },
    base_hash: baseHash,
    ...{ agent_id: agent, operation: "create", status: "ok", error_message: null, prev_path: null },
    ...{
      uid: null,
      pid: null,
      command: null,
      execution_time_ms: 0,
      timestamp: "",
      origin: "",
      origin_seq: 0,
    },
    entry_hash: "",
  };
}

function actorOf({ base }: FollowParts, file: SharedFile | undefined): Actor {
  const { ownerUid: uid, ownerGid: gid } = base.store;
  const agent = (file?.agent ?? "clone") as Actor["agent"];
  return { agent, uid, gid, pid: 0, command: () => "", origin: undefined };
}
