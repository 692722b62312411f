/**
 * Owns how set-id bits fall when a file's bytes or owner change (FUSE_HANDLE_KILLPRIV_V2: the kernel says when, we do
 * it), as in Linux's setattr_should_drop_suidgid.
 */
import { FileType } from "../lib/node.ts";
import type { OpenFile } from "../lib/worktree/open-file.ts";
import type { RequestActor } from "./request-actor.ts";
import type { Session } from "./session.ts";

const [S_ISUID, S_ISGID, S_IXGRP] = [0o4000, 0o2000, 0o0010];

/** The permission bits that a mode keeps, or undefined if it has no privileges to lose. */
export function modeWithoutPrivileges(mode: number): number | undefined {
  if ((mode & FileType.mask) !== FileType.file) return undefined;
  let kept = mode & ~S_ISUID;
  // Without group execution, set-gid means mandatory locking, not a privilege.
  if (mode & S_IXGRP) kept &= ~S_ISGID;
  return kept === mode ? undefined : kept & 0o7777;
}

/** Takes the set-id bits from an open file that was written. */
export function dropPrivileges(session: Session, file: OpenFile, actor: RequestActor): void {
  const mode = modeWithoutPrivileges(file.node().mode);
  if (mode !== undefined) session.worktree.setAttributes(file.fileId, { mode }, actor);
}
