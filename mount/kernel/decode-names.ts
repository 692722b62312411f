/**
 * Bodies of the requests that name directory entries: LOOKUP, UNLINK, RMDIR, MKNOD, MKDIR, SYMLINK, LINK,
 * RENAME, RENAME2, and of FORGET and BATCH_FORGET, which undo what they looked up.
 *
 * Every decoder fills and returns one object of its own, which is good until its next call. A name that is not
 * valid UTF-8 is `undefined`: answer ENOENT to LOOKUP, UNLINK and RMDIR, EINVAL to the others. The kernel sends
 * names longer than NAME_MAX_BYTES; `nameBytes` tells. Layouts: include/uapi/linux/fuse.h. All throw ProtocolError.
 */
import { OPCODE, STRUCT_BYTES } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { Request } from "./request.ts";

const BODY = STRUCT_BYTES.in_header;

export interface NameBody {
  name: string | undefined;
  nameBytes: number;
}

export interface MknodBody extends NameBody {
  mode: number;
  rdev: number;
  umask: number;
}

export interface MkdirBody extends NameBody {
  mode: number;
  umask: number;
}

export interface SymlinkBody extends NameBody {
  /** The target's bytes, without the NUL: a view of the request's buffer. */
  target: Buffer;
}

export interface LinkBody extends NameBody {
  /** The node that gets another name. */
  nodeid: number;
}

export interface RenameBody extends NameBody {
  newParent: number;
  newName: string | undefined;
  newNameBytes: number;
  /** `RENAME_NOREPLACE` (1), `RENAME_EXCHANGE` (2), `RENAME_WHITEOUT` (4); 0 with RENAME. */
  flags: number;
}

export interface ForgetBody {
  /** How many lookups are taken back. */
  count: number;
}

const NO_BYTES = Buffer.alloc(0);
const nameBody: NameBody = { name: undefined, nameBytes: 0 };
const mknodBody: MknodBody = { name: undefined, nameBytes: 0, mode: 0, rdev: 0, umask: 0 };
const mkdirBody: MkdirBody = { name: undefined, nameBytes: 0, mode: 0, umask: 0 };
const symlinkBody: SymlinkBody = { name: undefined, nameBytes: 0, target: NO_BYTES };
const linkBody: LinkBody = { name: undefined, nameBytes: 0, nodeid: 0 };
const renameBody: RenameBody = {
  name: undefined,
  nameBytes: 0,
  newParent: 0,
  newName: undefined,
  newNameBytes: 0,
  flags: 0,
};
const forgetBody: ForgetBody = { count: 0 };

/** Fills the name that starts at `start`; returns the offset after its NUL. */
export function readName(request: Request, body: NameBody, start: number): number {
  const end = request.stringEnd(start);
  body.name = request.entryName(start, end);
  body.nameBytes = end - start;
  return end + 1;
}

/** LOOKUP, UNLINK, RMDIR: `name\0`. */
export function decodeName(request: Request): NameBody {
  readName(request, nameBody, BODY);
  return nameBody;
}

/** MKNOD: `struct fuse_mknod_in`, `name\0`. */
export function decodeMknod(request: Request): MknodBody {
  request.need(STRUCT_BYTES.mknod_in);
  mknodBody.mode = request.u32(BODY);
  mknodBody.rdev = request.u32(BODY + 4);
  mknodBody.umask = request.u32(BODY + 8);
  readName(request, mknodBody, BODY + STRUCT_BYTES.mknod_in);
  return mknodBody;
}

/** MKDIR: `struct fuse_mkdir_in`, `name\0`. */
export function decodeMkdir(request: Request): MkdirBody {
  request.need(STRUCT_BYTES.mkdir_in);
  mkdirBody.mode = request.u32(BODY);
  mkdirBody.umask = request.u32(BODY + 4);
  readName(request, mkdirBody, BODY + STRUCT_BYTES.mkdir_in);
  return mkdirBody;
}

/** SYMLINK: `name\0target\0`. */
export function decodeSymlink(request: Request): SymlinkBody {
  const start = readName(request, symlinkBody, BODY);
  symlinkBody.target = request.buffer.subarray(start, request.stringEnd(start));
  return symlinkBody;
}

/** LINK: `struct fuse_link_in`, `name\0`; the header's node is the directory. */
export function decodeLink(request: Request): LinkBody {
  request.need(STRUCT_BYTES.link_in);
  linkBody.nodeid = request.id(BODY);
  readName(request, linkBody, BODY + STRUCT_BYTES.link_in);
  return linkBody;
}

/** RENAME and RENAME2: `struct fuse_rename_in` or `fuse_rename2_in`, `name\0newname\0`. */
export function decodeRename(request: Request): RenameBody {
  const hasFlags = request.opcode === OPCODE.RENAME2;
  const size = hasFlags ? STRUCT_BYTES.rename2_in : STRUCT_BYTES.rename_in;
  request.need(size);
  renameBody.newParent = request.id(BODY);
  renameBody.flags = hasFlags ? request.u32(BODY + 8) : 0;
  const second = readName(request, renameBody, BODY + size);
  const end = request.stringEnd(second);
  renameBody.newName = request.entryName(second, end);
  renameBody.newNameBytes = end - second;
  return renameBody;
}

/** FORGET: `struct fuse_forget_in`. Never answered. */
export function decodeForget(request: Request): ForgetBody {
  request.need(STRUCT_BYTES.forget_in);
  forgetBody.count = request.id(BODY);
  return forgetBody;
}

/** BATCH_FORGET: calls `forget` for each `struct fuse_forget_one`. Never answered. */
export function decodeBatchForget(request: Request, forget: (nodeid: number, count: number) => void): void {
  request.need(STRUCT_BYTES.batch_forget_in);
  const count = request.u32(BODY);
  const first = BODY + STRUCT_BYTES.batch_forget_in;
  const room = request.bodyEnd - first;
  if (count * STRUCT_BYTES.forget_one > room) {
    throw new ProtocolError(`BATCH_FORGET: ${count} entries in ${room} bytes`);
  }
  for (let index = 0; index < count; index++) {
    const at = first + index * STRUCT_BYTES.forget_one;
    forget(request.id(at), request.id(at + 8));
  }
}
