// Owns how a test resets a TCP connection, at whatever moment.

import type { Socket } from "node:net";

/**
 * One that is just being shut down cannot be reset any more: libuv refuses it (EINVAL), and Node, which takes it for closed, looks for
 * its end for ever when the process ends. It is closed instead.
 */
export function resetConnection(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
