/** READ: read(2), and what the kernel reads ahead. */
import type { TreeFile } from "../../lib/book-tree.ts";
import { decodeRead } from "../kernel/decode-open-files.ts";
import { MAX_WRITE_BYTES } from "../kernel/protocol.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { FileHandle } from "../open-handle.ts";
import type { Session } from "../session.ts";

export function read(session: Session, request: Request, reply: Reply): boolean {
  const { fh, offset, size: asked } = decodeRead(request);
  const size = Math.min(asked, MAX_WRITE_BYTES);
  const handle = session.handles.get(fh);
  if (handle.kind === "control") {
    const { content, direct } = handle.open;
    reply.finish(content.read(offset, reply.data(size), direct && session.deferred.mayDefer));
    return true;
  }
  const file = session.fileOf(handle);
  if (file.dirty || file.hash !== handle.seen) noteReading(session, handle, file, request.pid, offset);
  // It waits for this answer, so that it is there to be looked at.
  session.seen.lastReads.meetThread(request.pid);
  reply.finish(file.read(offset, reply.data(size)));
  return true;
}

/**
 * How long after opening a file a program may be in the midst of reading it for the first time, with the size that it then
 * had; and to learn that a small file has ended, the kernel asks from its beginning.
 */
const FIRST_READING_MS = 1000;

/**
 * A READ of what was not read through the handle before. If it is a new reading, from the beginning, its program knows the
 * version that there is; what goes on where an older version was read is neither of the two.
 */
function noteReading(
  session: Session,
  handle: FileHandle,
  file: TreeFile,
  tid: number,
  offset: number,
): void {
  const { seen, settled } = session;
  const { nodeid, direct } = handle;
  const isSure = direct || (settled.isSettledFor(tid, nodeid) && settled.hasAttributes(tid, nodeid));
  const isAnew = performance.now() - handle.openedMs > FIRST_READING_MS;
  // Of a draft nobody knows what it becomes.
  if (file.dirty) seen.read(handle, tid, file, false);
  else if (handle.seen === null)
    seen.read(
      handle,
      tid,
      file,
      // Whoever knows the version already, as it has made it, is not to lose that by reading it.
      (isSure && (isAnew || file.hash === handle.opened)) || seen.isKnown(tid, file),
    );
  else if (isSure && isAnew && offset === 0) seen.read(handle, tid, file, true);
}
