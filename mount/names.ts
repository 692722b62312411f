/**
 * Owns what every operation demands of a name and of the directory that it is in, before the book is asked.
 */
import { PfsError, PosixError } from "../schema/errors.ts";
import { CONTROL_NAME } from "./control/control-tree.ts";
import { NAME_MAX_BYTES, ROOT_NODEID } from "./kernel/protocol.ts";
import { isControlNodeid } from "./node-ids.ts";
import type { Session } from "./session.ts";

/** True for `.pfs` in the root. */
export function isControlName(parent: number, name: string | undefined): boolean {
  return parent === ROOT_NODEID && name === CONTROL_NAME;
}

/** @throws PosixError ENAMETOOLONG */
export function checkLength(nameBytes: number): void {
  if (nameBytes > NAME_MAX_BYTES) {
    throw new PosixError("ENAMETOOLONG", `The name is longer than ${NAME_MAX_BYTES} bytes.`);
  }
}

/**
 * The name of something that is to be made.
 * @throws PosixError EROFS, ENAMETOOLONG; PfsError INVALID_PATH for a name that is not UTF-8
 */
export function newName(
  session: Session,
  parent: number,
  name: string | undefined,
  nameBytes: number,
): string {
  requireChangeable(session, parent, name);
  checkLength(nameBytes);
  if (name === undefined) throw new PfsError("INVALID_PATH", "The name is not valid UTF-8.");
  return name;
}

/**
 * The name of something that is to be removed or renamed.
 * @throws PosixError EROFS, ENAMETOOLONG; ENOENT for a name that no book can hold
 */
export function oldName(
  session: Session,
  parent: number,
  name: string | undefined,
  nameBytes: number,
): string {
  requireChangeable(session, parent, name);
  checkLength(nameBytes);
  if (name === undefined) throw new PosixError("ENOENT");
  return name;
}

function requireChangeable(session: Session, parent: number, name: string | undefined): void {
  session.requireWritable();
  if (isControlNodeid(parent) || isControlName(parent, name)) {
    throw new PosixError("EROFS", "The control files are read-only.");
  }
}
