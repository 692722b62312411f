/**
 * What the kernel is told without having asked: drop these pages, this name. Owns the encoding and the sending of
 * notifications. They must never be sent by the thread that serves the mount: the kernel takes inode and page
 * locks for them that a request in that very thread's queue may hold. Layouts: include/uapi/linux/fuse.h.
 */
import { write } from "node:fs";
import { posixError } from "../../lib/libc.ts";
import { Errno } from "../../schema/errors.ts";
import { writeInt64 } from "./attributes.ts";
import { NOTIFY, STRUCT_BYTES } from "./protocol.ts";

const BODY = STRUCT_BYTES.out_header;

/**
 * - `told`: the kernel has done it;
 * - `unknown`: it did not know the node or name, so that there was nothing to do, or could not drop it now (a
 *   directory in use, ENOTEMPTY or EBUSY to a deletion);
 * - `unmounted`: there is no mount any more.
 */
export type NotifyOutcome = "told" | "unknown" | "unmounted";

export interface InodeRange {
  readonly nodeid: number;
  /** Bytes; negative: the attributes only, no pages. */
  readonly offset: number;
  /** Bytes; 0: to the end. */
  readonly length: number;
}

export interface EntryName {
  readonly parent: number;
  readonly name: string;
  /** INVALIDATE_ENTRY_FLAG: 0 drops the name, EXPIRE_ONLY lets it be looked up anew when it is next used. */
  readonly flags: number;
}

function message(code: number, bodyBytes: number): { buffer: Buffer; view: DataView } {
  const buffer = Buffer.alloc(BODY + bodyBytes);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  view.setUint32(0, buffer.length, true);
  // `unique` stays 0, which is what makes it a notification; `error` holds the code.
  view.setInt32(4, code, true);
  return { buffer, view };
}

/** FUSE_NOTIFY_INVAL_INODE: cached attributes, and pages in the range, are no longer right. */
export function encodeInvalidateInode({ nodeid, offset, length }: InodeRange): Buffer {
  const { buffer, view } = message(NOTIFY.INVAL_INODE, STRUCT_BYTES.notify_inval_inode_out);
  writeInt64(view, BODY, nodeid);
  writeInt64(view, BODY + 8, offset);
  writeInt64(view, BODY + 16, length);
  return buffer;
}

/** FUSE_NOTIFY_INVAL_ENTRY: what is cached of this name, also that it does not exist, is no longer right. */
export function encodeInvalidateEntry({ parent, name, flags }: EntryName): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const { buffer, view } = message(NOTIFY.INVAL_ENTRY, STRUCT_BYTES.notify_inval_entry_out + nameBytes + 1);
  writeInt64(view, BODY, parent);
  view.setUint32(BODY + 8, nameBytes, true);
  view.setUint32(BODY + 12, flags, true);
  buffer.write(name, BODY + STRUCT_BYTES.notify_inval_entry_out, "utf8");
  return buffer;
}

/**
 * FUSE_NOTIFY_DELETE: as INVAL_ENTRY, and if the name means `child` for the kernel, that file is gone, which inotify tells whoever
 * watches it (IN_DELETE_SELF). The kernel locks the file for that.
 */
export function encodeDelete({ parent, child, name }: Omit<EntryName, "flags"> & { child: number }): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const { buffer, view } = message(NOTIFY.DELETE, STRUCT_BYTES.notify_delete_out + nameBytes + 1);
  writeInt64(view, BODY, parent);
  writeInt64(view, BODY + 8, child);
  view.setUint32(BODY + 16, nameBytes, true);
  buffer.write(name, BODY + STRUCT_BYTES.notify_delete_out, "utf8");
  return buffer;
}

/** Sends a notification on another thread. Await one before sending the next where their order matters. @throws PosixError */
export function sendNotificationAsync(fd: number, notification: Buffer): Promise<NotifyOutcome> {
  return new Promise((resolve, reject) => {
    write(fd, notification, 0, notification.length, null, (error) => {
      if (!error) resolve("told");
      else {
        try {
          resolve(outcomeOf(Math.abs(error.errno ?? Errno.EIO)));
        } catch (failure) {
          reject(failure);
        }
      }
    });
  });
}

function outcomeOf(errnoNumber: number): NotifyOutcome {
  switch (errnoNumber) {
    case Errno.ENOENT:
    case Errno.ENOTDIR:
    case Errno.ENOTEMPTY:
    case Errno.EBUSY:
      return "unknown";
    // EPERM: the connection was never established or is gone; EBADF: we closed it.
    case Errno.ENODEV:
    case Errno.ENOTCONN:
    case Errno.EPERM:
    case Errno.EBADF:
      return "unmounted";
    default:
      throw posixError(errnoNumber, "notifying the kernel");
  }
}
