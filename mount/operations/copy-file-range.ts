/** COPY_FILE_RANGE: copy_file_range(2) within one mount; `cp` uses it. */

import { allocatePageAligned } from "../../lib/libc.ts";
import { decodeCopyFileRange } from "../kernel/decode-open-files.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

const CHUNK_BYTES = 1024 * 1024;
/** Most that one request copies, so that others are served in between. The caller asks again for the rest. */
const MAX_BYTES = 16 * 1024 * 1024;

let chunk: Buffer | undefined;

export function copyFileRange(session: Session, request: Request, reply: Reply): boolean {
  session.requireWritable();
  const { fh, offset, targetFh, targetOffset, length } = decodeCopyFileRange(request);
  const source = session.fileOf(session.fileHandle(fh));
  const handle = session.fileHandle(targetFh);
  const target = session.fileOf(handle);
  const actor = session.actor(request);
  session.requireSeen(handle, target, handle.nodeid, actor);
  chunk ??= allocatePageAligned(0, CHUNK_BYTES);
  const wanted = Math.min(length, MAX_BYTES, Math.max(0, source.size - offset));
  let copied = 0;
  while (copied < wanted) {
    const count = source.read(offset + copied, chunk.subarray(0, Math.min(CHUNK_BYTES, wanted - copied)));
    if (count === 0) break;
    target.write(targetOffset + copied, chunk.subarray(0, count), actor);
    copied += count;
  }
  if (copied > 0) {
    handle.actor = actor;
    handle.wrote = true;
  }
  reply.copied(copied);
  return true;
}
