/**
 * Owns how set-id bits fall when a file's bytes or owner change (FUSE_HANDLE_KILLPRIV_V2: the kernel says when, we do
 * it), as in Linux's setattr_should_drop_suidgid.
 */

import type { TreeFile } from "../lib/book-tree.ts";
import { FileType, type Node } from "../lib/node.ts";
import { rightsOf } from "./process-names.ts";
import type { RequestActor } from "./request-actor.ts";
import type { Session } from "./session.ts";

const [S_ISUID, S_ISGID, S_IXGRP] = [0o4000, 0o2000, 0o0010];

/** The permission bits that a file keeps when `actor` changes it, or undefined if it has no privileges to lose. */
export function modeWithoutPrivileges({ mode, gid }: Node, actor: RequestActor): number | undefined {
  if ((mode & FileType.mask) === FileType.directory) return undefined;
  let kept = mode & ~S_ISUID;
  if ((mode & S_ISGID) !== 0 && ((mode & S_IXGRP) !== 0 || !mayKeepGroup(gid, actor))) kept &= ~S_ISGID;
  return kept === mode ? undefined : kept & 0o7777;
}

/** Without group execution, set-gid is no privilege: members of the group and who may set it keep it. */
function mayKeepGroup(gid: number, actor: RequestActor): boolean {
  if (actor.gid === gid) return true;
  const { groups, keepsSetId } = rightsOf(actor.tid);
  return keepsSetId || groups.includes(gid);
}

/** Takes the set-id bits from an open file that was written. */
export function dropPrivileges(session: Session, file: TreeFile, actor: RequestActor): void {
  const mode = modeWithoutPrivileges(file.node(), actor);
  if (mode !== undefined) session.tree.setAttributes(file.fileId, { mode }, actor);
}
