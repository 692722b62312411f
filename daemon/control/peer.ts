/** Owns finding out who is at the other end of a Unix socket. Must never decide what that one may do. */
import type { Socket } from "node:net";
import { type PeerCredentials, peerCredentials } from "../../lib/libc-sockets.ts";

/** undefined: nobody any more. */
export function peerOf(socket: Socket): PeerCredentials | undefined {
  // Node has no public way to a socket's descriptor; `_handle` is libuv's pipe (node/lib/net.js), null once it is closed.
  const { _handle: handle } = socket as unknown as { _handle: { fd?: number } | null };
  const fd = handle?.fd ?? -1;
  return fd < 0 ? undefined : peerCredentials(fd);
}
