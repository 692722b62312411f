/** READ: read(2), and what the kernel reads ahead. */
import { decodeRead } from "../kernel/decode-open-files.ts";
import { MAX_WRITE_BYTES } from "../kernel/protocol.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

export function read(session: Session, request: Request, reply: Reply): boolean {
  const { fh, offset, size: asked } = decodeRead(request);
  const size = Math.min(asked, MAX_WRITE_BYTES);
  const handle = session.handles.get(fh);
  if (handle.kind === "control") {
    reply.bytes(handle.snapshot.content.subarray(offset, offset + size));
    return true;
  }
  reply.finish(session.fileOf(handle).read(offset, reply.data(size)));
  return true;
}
