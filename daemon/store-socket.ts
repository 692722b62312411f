/**
 * Owns the address of a store's control socket, also where the store's path is longer than a socket's may be. Must never
 * connect or listen.
 */
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";

/** The socket's name in the store's directory. */
export const SOCKET_NAME = "pfsd.sock";
/** Bytes of `sun_path` (unix(7)) less its terminating NUL. */
const ADDRESS_MAX_BYTES = 107;

/** An address that is good until it is closed. */
export interface SocketAddress {
  readonly path: string;
  close(): void;
}

/** @throws Node's system error when the directory is not there or closed to this user */
export function openSocketAddress(storeDirectory: string): SocketAddress {
  const path = join(storeDirectory, SOCKET_NAME);
  if (Buffer.byteLength(path) <= ADDRESS_MAX_BYTES) return { path, close: () => undefined };
  // O_PATH (fcntl.h) would do and Node does not name it; the directory is readable to its owner.
  const fd = openSync(storeDirectory, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${fd}/${SOCKET_NAME}`, close: () => closeSync(fd) };
}
