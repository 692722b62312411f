/** WRITE: write(2), and the kernel's writeback of what was changed through mmap. */
import { decodeWrite } from "../kernel/decode-open-files.ts";
import { WRITE_FLAG } from "../kernel/protocol.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { OPEN } from "../open-files.ts";
import type { FileHandle } from "../open-handle.ts";
import { dropPrivileges } from "../privileges.ts";
import type { RequestActor } from "../request-actor.ts";
import type { Session } from "../session.ts";

export function write(session: Session, request: Request, reply: Reply): boolean {
  session.requireWritable();
  const { fh, offset, data, writeFlags, flags } = decodeWrite(request);
  const handle = session.fileHandle(fh);
  const file = session.fileOf(handle);
  const writeback = (writeFlags & WRITE_FLAG.CACHE) !== 0;
  const actor = writeback ? handle.actor : writerOf(session, handle, request);
  // Where the file ends is ours to say: this kernel may not know yet what another mount has appended, or cut off.
  const appends = !writeback && (flags & OPEN.append) !== 0 && offset !== file.size;
  session.requireSeen(handle, file, handle.nodeid, actor);
  file.write(appends ? file.size : offset, data, actor);
  if (writeback) session.seen.wroteThroughMapping(file);
  handle.wrote = true;
  // The kernel has dropped its pages before it asked; others may have made it read them again since.
  if (appends || (handle.direct && file.isShared)) session.refreshPages(handle.nodeid);
  if (writeFlags & WRITE_FLAG.KILL_SUIDGID) dropPrivileges(session, file, actor);
  reply.write(data.length);
  return true;
}

/** The actor of a write; the same object as long as the same thread goes on writing. */
function writerOf(session: Session, handle: FileHandle, request: Request): RequestActor {
  const { actor } = handle;
  if (
    request.pid === 0 ||
    (actor.tid === request.pid && actor.uid === request.uid && actor.gid === request.gid)
  ) {
    return actor;
  }
  handle.actor = session.actor(request);
  return handle.actor;
}
