/**
 * Owns which operation answers which kernel request: a total table, so that a request type without an answer is a
 * compile error. Must never do anything itself.
 */
import { Errno } from "../schema/errors.ts";
import { OPCODE, type OpcodeName } from "./kernel/protocol.ts";
import { getattr, setattr } from "./operations/attributes.ts";
import { copyFileRange } from "./operations/copy-file-range.ts";
import { create } from "./operations/create.ts";
import { mkdir, mknod, rmdir } from "./operations/directories.ts";
import { flush, fsync, fsyncdir, syncfs } from "./operations/flush.ts";
import { batchForget, forget } from "./operations/forget.ts";
import type { Handler } from "./operations/handler.ts";
import { destroy, init } from "./operations/init.ts";
import { interrupt } from "./operations/interrupt.ts";
import { link } from "./operations/link.ts";
import { opendir, readdir, readdirplus, releasedir } from "./operations/listing.ts";
import { lookup } from "./operations/lookup.ts";
import { open, release } from "./operations/open.ts";
import { read } from "./operations/read.ts";
import { rename } from "./operations/rename.ts";
import { fallocate, lseek, statfs } from "./operations/space.ts";
import { readlink, symlink } from "./operations/symlinks.ts";
import { unlink } from "./operations/unlink.ts";
import { write } from "./operations/write.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./operations/xattrs.ts";

function refuseWith(errno: number): Handler {
  return (_session, _request, reply) => {
    reply.error(errno);
    return true;
  };
}

/** ENOSYS: the kernel does it by itself or tells its callers that it cannot be done, and does not ask again. */
const notServed = refuseWith(Errno.ENOSYS);

const handlers: Record<OpcodeName, Handler> = {
  LOOKUP: lookup,
  FORGET: forget,
  GETATTR: getattr,
  SETATTR: setattr,
  READLINK: readlink,
  SYMLINK: symlink,
  MKNOD: mknod,
  MKDIR: mkdir,
  UNLINK: unlink,
  RMDIR: rmdir,
  RENAME: rename,
  LINK: link,
  OPEN: open,
  READ: read,
  WRITE: write,
  STATFS: statfs,
  RELEASE: release,
  FSYNC: fsync,
  SETXATTR: setxattr,
  GETXATTR: getxattr,
  LISTXATTR: listxattr,
  REMOVEXATTR: removexattr,
  FLUSH: flush,
  INIT: init,
  OPENDIR: opendir,
  READDIR: readdir,
  RELEASEDIR: releasedir,
  FSYNCDIR: fsyncdir,
  // Locks were not negotiated: the kernel keeps them.
  GETLK: notServed,
  SETLK: notServed,
  SETLKW: notServed,
  // The kernel checks modes itself (default_permissions).
  ACCESS: notServed,
  CREATE: create,
  INTERRUPT: interrupt,
  BMAP: notServed,
  DESTROY: destroy,
  IOCTL: refuseWith(Errno.ENOTTY),
  POLL: notServed,
  NOTIFY_REPLY: notServed,
  BATCH_FORGET: batchForget,
  FALLOCATE: fallocate,
  READDIRPLUS: readdirplus,
  RENAME2: rename,
  LSEEK: lseek,
  COPY_FILE_RANGE: copyFileRange,
  SETUPMAPPING: notServed,
  REMOVEMAPPING: notServed,
  SYNCFS: syncfs,
  // open(2) with O_TMPFILE then says EOPNOTSUPP, after which programs fall back to a named file.
  TMPFILE: notServed,
  // Birth times are not kept; the kernel falls back to GETATTR.
  STATX: notServed,
  COPY_FILE_RANGE_64: copyFileRange,
};

const byOpcode: (Handler | undefined)[] = [];
for (const [name, opcode] of Object.entries(OPCODE)) byOpcode[opcode] = handlers[name as OpcodeName];

/** The operation for an opcode, undefined for one that this protocol version does not know. */
export function handlerOf(opcode: number): Handler | undefined {
  return byOpcode[opcode];
}
