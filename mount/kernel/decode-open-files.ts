/**
 * Bodies of the requests on open files and directories: OPEN, OPENDIR, CREATE, TMPFILE, READ, READDIR,
 * READDIRPLUS, WRITE, FLUSH, RELEASE, RELEASEDIR, FSYNC, FSYNCDIR, FALLOCATE, LSEEK, COPY_FILE_RANGE, POLL, IOCTL.
 *
 * Every decoder fills and returns one object of its own, which is good until its next call. Offsets and sizes
 * that callers choose are numbers, rounded beyond 2^53. Layouts: include/uapi/linux/fuse.h. All throw ProtocolError.
 */
import { type NameBody, readName } from "./decode-names.ts";
import { FSYNC_FLAG, STRUCT_BYTES } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";
import type { Request } from "./request.ts";

const BODY = STRUCT_BYTES.in_header;
const NO_BYTES = Buffer.alloc(0);

export interface OpenBody {
  /** `O_…` flags of open(2), without O_CREAT, O_EXCL and O_NOCTTY. */
  flags: number;
  /** `OPEN_FLAG`. */
  openFlags: number;
}

export interface CreateBody extends NameBody, OpenBody {
  mode: number;
  /** Already applied to `mode` (INIT_FLAG.DONT_MASK is not taken). */
  umask: number;
}

export interface ReadBody {
  fh: number;
  offset: number;
  size: number;
  readFlags: number;
  /** The open file's `O_…` flags. */
  flags: number;
}

export interface WriteBody {
  fh: number;
  offset: number;
  /** A view of the request's buffer: copy it before the next message is loaded. */
  data: Buffer;
  /** `WRITE_FLAG`. */
  writeFlags: number;
  flags: number;
}

export interface FlushBody {
  fh: number;
  /** The two halves of the kernel's scrambled id of the closing process's file table. */
  lockOwnerLo: number;
  lockOwnerHi: number;
}

export interface ReleaseBody extends FlushBody {
  flags: number;
  /** `FUSE_RELEASE_FLUSH` (1), `FUSE_RELEASE_FLOCK_UNLOCK` (2). */
  releaseFlags: number;
}

export interface FsyncBody {
  fh: number;
  /** fdatasync(2): the file's times need not be durable. */
  dataOnly: boolean;
}

export interface FallocateBody {
  fh: number;
  offset: number;
  length: number;
  /** `FALLOC_FL_…` of fallocate(2). */
  mode: number;
}

export interface LseekBody {
  fh: number;
  /** Signed: lseek(2) lets callers ask for negative positions. */
  offset: number;
  /** `SEEK_DATA` (3) or `SEEK_HOLE` (4); the kernel does the others by itself unless it needs a fresh size. */
  whence: number;
}

export interface CopyFileRangeBody {
  fh: number;
  offset: number;
  targetNodeid: number;
  targetFh: number;
  targetOffset: number;
  length: number;
  flags: number;
}

export interface PollBody {
  fh: number;
  flags: number;
  events: number;
}

export interface IoctlBody {
  fh: number;
  flags: number;
  command: number;
  data: Buffer;
  /** Room for the answer. */
  outSize: number;
}

const openBody: OpenBody = { flags: 0, openFlags: 0 };
const createBody: CreateBody = { name: undefined, nameBytes: 0, flags: 0, openFlags: 0, mode: 0, umask: 0 };
const readBody: ReadBody = { fh: 0, offset: 0, size: 0, readFlags: 0, flags: 0 };
const writeBody: WriteBody = { fh: 0, offset: 0, data: NO_BYTES, writeFlags: 0, flags: 0 };
const flushBody: FlushBody = { fh: 0, lockOwnerLo: 0, lockOwnerHi: 0 };
const releaseBody: ReleaseBody = { fh: 0, lockOwnerLo: 0, lockOwnerHi: 0, flags: 0, releaseFlags: 0 };
const fsyncBody: FsyncBody = { fh: 0, dataOnly: false };
const fallocateBody: FallocateBody = { fh: 0, offset: 0, length: 0, mode: 0 };
const lseekBody: LseekBody = { fh: 0, offset: 0, whence: 0 };
const copyBody: CopyFileRangeBody = {
  fh: 0,
  offset: 0,
  targetNodeid: 0,
  targetFh: 0,
  targetOffset: 0,
  length: 0,
  flags: 0,
};
const pollBody: PollBody = { fh: 0, flags: 0, events: 0 };
const ioctlBody: IoctlBody = { fh: 0, flags: 0, command: 0, data: NO_BYTES, outSize: 0 };

/** OPEN, OPENDIR: `struct fuse_open_in`. */
export function decodeOpen(request: Request): OpenBody {
  request.need(STRUCT_BYTES.open_in);
  openBody.flags = request.u32(BODY);
  openBody.openFlags = request.u32(BODY + 4);
  return openBody;
}

/** CREATE: `struct fuse_create_in`, `name\0`. */
export function decodeCreate(request: Request): CreateBody {
  decodeTmpfile(request);
  readName(request, createBody, BODY + STRUCT_BYTES.create_in);
  return createBody;
}

/** TMPFILE (protocol 7.37): as CREATE, but its name means nothing and is left undefined. */
export function decodeTmpfile(request: Request): CreateBody {
  request.need(STRUCT_BYTES.create_in);
  createBody.flags = request.u32(BODY);
  createBody.mode = request.u32(BODY + 4);
  createBody.umask = request.u32(BODY + 8);
  createBody.openFlags = request.u32(BODY + 12);
  createBody.name = undefined;
  createBody.nameBytes = 0;
  return createBody;
}

/** READ, READDIR, READDIRPLUS: `struct fuse_read_in`. */
export function decodeRead(request: Request): ReadBody {
  request.need(STRUCT_BYTES.read_in);
  readBody.fh = request.id(BODY);
  readBody.offset = request.u64(BODY + 8);
  readBody.size = request.u32(BODY + 16);
  readBody.readFlags = request.u32(BODY + 20);
  readBody.flags = request.u32(BODY + 32);
  return readBody;
}

/** WRITE: `struct fuse_write_in`, data. */
export function decodeWrite(request: Request): WriteBody {
  request.need(STRUCT_BYTES.write_in);
  const start = BODY + STRUCT_BYTES.write_in;
  const size = request.u32(BODY + 16);
  if (size > request.bodyEnd - start) {
    throw new ProtocolError(`WRITE: ${size} bytes announced, ${request.bodyEnd - start} came`);
  }
  writeBody.fh = request.id(BODY);
  writeBody.offset = request.u64(BODY + 8);
  writeBody.writeFlags = request.u32(BODY + 20);
  writeBody.flags = request.u32(BODY + 32);
  writeBody.data = request.buffer.subarray(start, start + size);
  return writeBody;
}

/** FLUSH: `struct fuse_flush_in`. */
export function decodeFlush(request: Request): FlushBody {
  request.need(STRUCT_BYTES.flush_in);
  flushBody.fh = request.id(BODY);
  flushBody.lockOwnerLo = request.u32(BODY + 16);
  flushBody.lockOwnerHi = request.u32(BODY + 20);
  return flushBody;
}

/** RELEASE, RELEASEDIR: `struct fuse_release_in`. */
export function decodeRelease(request: Request): ReleaseBody {
  request.need(STRUCT_BYTES.release_in);
  releaseBody.fh = request.id(BODY);
  releaseBody.flags = request.u32(BODY + 8);
  releaseBody.releaseFlags = request.u32(BODY + 12);
  releaseBody.lockOwnerLo = request.u32(BODY + 16);
  releaseBody.lockOwnerHi = request.u32(BODY + 20);
  return releaseBody;
}

/** FSYNC, FSYNCDIR: `struct fuse_fsync_in`. */
export function decodeFsync(request: Request): FsyncBody {
  request.need(STRUCT_BYTES.fsync_in);
  fsyncBody.fh = request.id(BODY);
  fsyncBody.dataOnly = (request.u32(BODY + 8) & FSYNC_FLAG.FDATASYNC) !== 0;
  return fsyncBody;
}

/** FALLOCATE: `struct fuse_fallocate_in`. */
export function decodeFallocate(request: Request): FallocateBody {
  request.need(STRUCT_BYTES.fallocate_in);
  fallocateBody.fh = request.id(BODY);
  fallocateBody.offset = request.u64(BODY + 8);
  fallocateBody.length = request.u64(BODY + 16);
  fallocateBody.mode = request.u32(BODY + 24);
  return fallocateBody;
}

/** LSEEK: `struct fuse_lseek_in`. */
export function decodeLseek(request: Request): LseekBody {
  request.need(STRUCT_BYTES.lseek_in);
  lseekBody.fh = request.id(BODY);
  lseekBody.offset = request.i64(BODY + 8);
  lseekBody.whence = request.u32(BODY + 16);
  return lseekBody;
}

/** COPY_FILE_RANGE, COPY_FILE_RANGE_64: `struct fuse_copy_file_range_in`; the header's node is the source. */
export function decodeCopyFileRange(request: Request): CopyFileRangeBody {
  request.need(STRUCT_BYTES.copy_file_range_in);
  copyBody.fh = request.id(BODY);
  copyBody.offset = request.u64(BODY + 8);
  copyBody.targetNodeid = request.id(BODY + 16);
  copyBody.targetFh = request.id(BODY + 24);
  copyBody.targetOffset = request.u64(BODY + 32);
  copyBody.length = request.u64(BODY + 40);
  copyBody.flags = request.u64(BODY + 48);
  return copyBody;
}

/** POLL: `struct fuse_poll_in`. */
export function decodePoll(request: Request): PollBody {
  request.need(STRUCT_BYTES.poll_in);
  pollBody.fh = request.id(BODY);
  pollBody.flags = request.u32(BODY + 16);
  pollBody.events = request.u32(BODY + 20);
  return pollBody;
}

/** IOCTL: `struct fuse_ioctl_in`, data. */
export function decodeIoctl(request: Request): IoctlBody {
  request.need(STRUCT_BYTES.ioctl_in);
  const start = BODY + STRUCT_BYTES.ioctl_in;
  const size = request.u32(BODY + 24);
  if (size > request.bodyEnd - start) {
    throw new ProtocolError(`IOCTL: ${size} bytes announced, ${request.bodyEnd - start} came`);
  }
  ioctlBody.fh = request.id(BODY);
  ioctlBody.flags = request.u32(BODY + 8);
  ioctlBody.command = request.u32(BODY + 12);
  ioctlBody.outSize = request.u32(BODY + 28);
  ioctlBody.data = request.buffer.subarray(start, start + size);
  return ioctlBody;
}
