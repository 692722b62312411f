/**
 * Bodies of GETATTR, STATX, SETATTR, ACCESS and of the extended attributes' requests.
 *
 * Every decoder fills and returns one object of its own, which is good until its next call. Layouts:
 * include/uapi/linux/fuse.h. All throw ProtocolError.
 */
import { xattrName } from "../../schema/xattr-name.ts";
import { FATTR, GETATTR_FLAG, STRUCT_BYTES } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { Request } from "./request.ts";

const BODY = STRUCT_BYTES.in_header;

export interface GetattrBody {
  /** The open file that fstat was called on, or undefined. */
  fh: number | undefined;
}

export interface StatxBody extends GetattrBody {
  /** `AT_STATX_…` flags and `STATX_…` mask of statx(2). */
  flags: number;
  mask: number;
}

/** Only the fields that `valid` names (`FATTR`) mean something. */
export interface SetattrBody {
  valid: number;
  /** The open file that ftruncate was called on, or undefined (truncate, chmod, …). */
  fh: number | undefined;
  size: number;
  atimeSeconds: number;
  atimeNanoseconds: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  ctimeSeconds: number;
  ctimeNanoseconds: number;
  mode: number;
  uid: number;
  gid: number;
}

export interface AccessBody {
  /** `R_OK` | `W_OK` | `X_OK`. */
  mask: number;
}

export interface SetxattrBody {
  /** As xattrName makes it. */
  name: string;
  /** A view of the request's buffer. */
  value: Buffer;
  /** `XATTR_CREATE` (1), `XATTR_REPLACE` (2) of setxattr(2). */
  flags: number;
}

export interface GetxattrBody {
  /** As xattrName makes it; empty with LISTXATTR. */
  name: string;
  /** Room for the answer; 0 asks for the size only. */
  size: number;
}

export interface RemovexattrBody {
  name: string;
}

const getattrBody: GetattrBody = { fh: undefined };
const statxBody: StatxBody = { fh: undefined, flags: 0, mask: 0 };
const setattrBody: SetattrBody = {
  valid: 0,
  fh: undefined,
  size: 0,
  atimeSeconds: 0,
  atimeNanoseconds: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  ctimeSeconds: 0,
  ctimeNanoseconds: 0,
  mode: 0,
  uid: 0,
  gid: 0,
};
const accessBody: AccessBody = { mask: 0 };
const setxattrBody: SetxattrBody = { name: "", value: Buffer.alloc(0), flags: 0 };
const getxattrBody: GetxattrBody = { name: "", size: 0 };
const removexattrBody: RemovexattrBody = { name: "" };

/** GETATTR: `struct fuse_getattr_in`. */
export function decodeGetattr(request: Request): GetattrBody {
  request.need(STRUCT_BYTES.getattr_in);
  getattrBody.fh = request.u32(BODY) & GETATTR_FLAG.FH ? request.id(BODY + 8) : undefined;
  return getattrBody;
}

/** STATX (protocol 7.39): `struct fuse_statx_in`. */
export function decodeStatx(request: Request): StatxBody {
  request.need(STRUCT_BYTES.statx_in);
  statxBody.fh = request.u32(BODY) & GETATTR_FLAG.FH ? request.id(BODY + 8) : undefined;
  statxBody.flags = request.u32(BODY + 16);
  statxBody.mask = request.u32(BODY + 20);
  return statxBody;
}

/** SETATTR: `struct fuse_setattr_in`. Its size is a u64, its times are i64 (rounded beyond 2^53). */
export function decodeSetattr(request: Request): SetattrBody {
  request.need(STRUCT_BYTES.setattr_in);
  const body = setattrBody;
  body.valid = request.u32(BODY);
  body.fh = body.valid & FATTR.FH ? request.id(BODY + 8) : undefined;
  body.size = request.u64(BODY + 16);
  body.atimeSeconds = request.i64(BODY + 32);
  body.mtimeSeconds = request.i64(BODY + 40);
  body.ctimeSeconds = request.i64(BODY + 48);
  body.atimeNanoseconds = request.u32(BODY + 56);
  body.mtimeNanoseconds = request.u32(BODY + 60);
  body.ctimeNanoseconds = request.u32(BODY + 64);
  body.mode = request.u32(BODY + 68);
  body.uid = request.u32(BODY + 76);
  body.gid = request.u32(BODY + 80);
  return body;
}

/** ACCESS: `struct fuse_access_in`. */
export function decodeAccess(request: Request): AccessBody {
  request.need(STRUCT_BYTES.access_in);
  accessBody.mask = request.u32(BODY);
  return accessBody;
}

/**
 * SETXATTR: `struct fuse_setxattr_in`, `name\0value`. `extended` says that INIT_FLAG.SETXATTR_EXT was
 * agreed on, which makes the structure 16 bytes instead of 8.
 */
export function decodeSetxattr(request: Request, extended: boolean): SetxattrBody {
  const struct = extended ? STRUCT_BYTES.setxattr_in : STRUCT_BYTES.setxattr_in_before_ext;
  request.need(struct);
  const size = request.u32(BODY);
  setxattrBody.flags = request.u32(BODY + 4);
  const end = request.stringEnd(BODY + struct);
  const valueEnd = end + 1 + size;
  if (valueEnd > request.bodyEnd) {
    throw new ProtocolError(`SETXATTR: a value of ${size} bytes in ${request.bodyEnd - end - 1}`);
  }
  setxattrBody.name = nameIn(request, BODY + struct, end);
  setxattrBody.value = request.buffer.subarray(end + 1, valueEnd);
  return setxattrBody;
}

/** GETXATTR: `struct fuse_getxattr_in`, `name\0`. */
export function decodeGetxattr(request: Request): GetxattrBody {
  request.need(STRUCT_BYTES.getxattr_in);
  const start = BODY + STRUCT_BYTES.getxattr_in;
  getxattrBody.size = request.u32(BODY);
  getxattrBody.name = nameIn(request, start, request.stringEnd(start));
  return getxattrBody;
}

/** LISTXATTR: `struct fuse_getxattr_in` alone. */
export function decodeListxattr(request: Request): GetxattrBody {
  request.need(STRUCT_BYTES.getxattr_in);
  getxattrBody.size = request.u32(BODY);
  getxattrBody.name = "";
  return getxattrBody;
}

/** REMOVEXATTR: `name\0`. */
export function decodeRemovexattr(request: Request): RemovexattrBody {
  removexattrBody.name = nameIn(request, BODY, request.stringEnd(BODY));
  return removexattrBody;
}

function nameIn(request: Request, start: number, end: number): string {
  return xattrName(request.text(start, end), request.buffer.subarray(start, end));
}
