/** RENAME, RENAME2: rename(2), with RENAME_NOREPLACE and RENAME_EXCHANGE. Over a tracked path it is a commit. */
import type { Node } from "../../lib/node.ts";
import type { Place } from "../../lib/worktree/create.ts";
import type { RenameFlags } from "../../lib/worktree/rename.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { decodeRename } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { isControlName, newName, oldName } from "../names.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { RequestActor } from "../request-actor.ts";
import type { Session } from "../session.ts";

/** Source: linux/include/uapi/linux/fs.h */
const [RENAME_NOREPLACE, RENAME_EXCHANGE] = [1, 2];

export function rename(session: Session, request: Request, reply: Reply): boolean {
  const { name, nameBytes, newParent, newName: target, newNameBytes, flags } = decodeRename(request);
  // RENAME_WHITEOUT, and what later kernels may invent, would need nodes that a book cannot hold.
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) throw new PosixError("EINVAL");
  if (isControlNodeid(request.nodeid) && !isControlNodeid(newParent) && flags !== RENAME_EXCHANGE)
    refuseMoveOut(session, request, { name, newParent, target });
  const from = {
    name: oldName(session, request.nodeid, name, nameBytes),
    parent: session.nodeIds.fileIdOf(request.nodeid),
  };
  const to = {
    name: newName(session, newParent, target, newNameBytes),
    parent: session.nodeIds.fileIdOf(newParent),
  };
  const wishes = { noReplace: (flags & RENAME_NOREPLACE) !== 0, exchange: (flags & RENAME_EXCHANGE) !== 0 };
  const actor = session.actor(request);
  if (session.deferred.mayDefer) session.tree.prepareRename(from, to, wishes);
  const before = requireSeen(session, { from, to, wishes, actor });
  const identities = session.tree.rename(from, to, wishes, actor);
  session.identify(identities);
  if (!wishes.exchange) {
    for (const node of [before.moved, before.replaced])
      if (node?.tracked === true) session.seen.displaced(node, identities, actor);
  }
  noteOutcome(session, { from, to, wishes, actor }, before);
  reply.ok();
  // Both directories are locked in this kernel: it must not wait for names.
  return session.parked.afterDelivery(request, reply, "inode");
}

/**
 * What may be removed from `.pfs/` can be moved out of it, as from another file system: `mv` copies and removes it.
 * @throws PosixError EXDEV for that; PfsError NOT_PERMITTED where `mv` would remove what the base shows through
 */
function refuseMoveOut(
  session: Session,
  request: Request,
  { name, newParent, target }: { name: string | undefined; newParent: number; target: string | undefined },
): void {
  session.requireWritable();
  if (name === undefined || !session.control.canRemove(request.nodeid, name)) return;
  if (target === undefined || isControlName(newParent, target)) return;
  const there = session.tree.lookup(session.nodeIds.fileIdOf(newParent), target);
  if (session.reverts && there?.tracked === true) {
    // mv removes what is there first, and then demands that nothing is.
    const path = session.tree.pathOf(there);
    const message = `${path} cannot be replaced by moving something out of .pfs: that would revert it first.`;
    const hint = "Copy it over the file with cp, and then remove it.";
    const error = new PfsError("NOT_PERMITTED", message, { path, hint });
    session.refusals.record(error, path, session.actor(request));
    throw error;
  }
  throw new PosixError("EXDEV");
}

interface Renaming {
  readonly from: Place;
  readonly to: Place;
  readonly wishes: RenameFlags;
  readonly actor: RequestActor;
}

/** What was at both names. */
interface Before {
  readonly moved: Node | undefined;
  readonly replaced: Node | undefined;
  /** Where `moved` was. */
  readonly path: string;
}

/** What is moved away and what is replaced must be known to whoever does it (W1). @throws PfsError CONFLICT, HASH_REQUIRED */
function requireSeen({ tree, seen, check }: Session, { from, to, wishes, actor }: Renaming): Before {
  const moved = tree.lookup(from.parent, from.name);
  const replaced = tree.lookup(to.parent, to.name);
  // Nothing will happen: the same file, or one that is not to be replaced.
  const isVoid = moved === undefined || moved.fileId === replaced?.fileId;
  if (!isVoid && !(wishes.noReplace && replaced !== undefined)) {
    seen.beforeNameChange(moved, { check, actor, operation: "rename" });
    const operation = wishes.exchange ? "rename" : "update";
    if (replaced !== undefined) seen.beforeNameChange(replaced, { check, actor, operation });
  }
  return { moved, replaced, path: moved?.tracked === true ? tree.pathOf(moved) : "" };
}

/** Who knows what, now that it is done. */
function noteOutcome({ tree, seen }: Session, { from, to, wishes, actor }: Renaming, before: Before): void {
  const { moved, replaced, path } = before;
  const arrived = tree.lookup(to.parent, to.name);
  if (arrived?.tracked === true) {
    if (moved?.tracked !== true) seen.wrote(actor, arrived);
    if (replaced?.tracked === true) seen.replaced(replaced.fileId, arrived.fileId);
    else seen.cameTo(tree.pathOf(arrived), arrived.fileId);
  }
  if (moved?.tracked !== true) return;
  const returned = wishes.exchange ? tree.lookup(from.parent, from.name) : undefined;
  if (returned?.tracked !== true) {
    seen.leftFrom(path, moved.fileId);
    return;
  }
  if (replaced?.tracked !== true) seen.wrote(actor, returned);
  seen.replaced(moved.fileId, returned.fileId);
}
