/**
 * One mount's connection to the kernel: owns the /dev/fuse descriptor, takes requests from it and sends answers.
 * Must never interpret either, nor wait: whoever polls the descriptor decides when to receive.
 */
import { endianness } from "node:os";
import { closeFd, pollFds, posixError, readFd, writeFd } from "../../lib/libc.ts";
import { Errno } from "../../schema/errors.ts";
import { STRUCT_BYTES } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";
import { Reply } from "./reply.ts";
import type { Request } from "./request.ts";

/** Of poll(2). */
const POLLOUT = 4;
const FULL_SOCKET_MS = 1000;

export class Device {
  /** Readable when a request waits, or when the mount is gone. */
  readonly fd: number;
  readonly #refusal = new Reply(0);

  /** Takes over the descriptor that `mountDirectory` returned. */
  constructor(fd: number) {
    if (endianness() !== "LE") throw new Error("pfs speaks to little-endian kernels only");
    this.fd = fd;
  }

  /**
   * Reads the next message into `request`. False: there is none now (or one that was interrupted meanwhile, or
   * one that the protocol does not allow, which has been answered with EINVAL). `unmounted`: there will be none.
   * @throws PosixError for what the device should never say
   */
  receive(request: Request): boolean | "unmounted" {
    const result = readFd(this.fd, request.buffer, request.buffer.length);
    if (result < 0) return readOutcome(-result);
    // The end of a socket: another process mounts for us, and has ended.
    if (result === 0) return "unmounted";
    try {
      request.load(result);
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (result >= STRUCT_BYTES.in_header) this.#refuse(request);
      return false;
    }
  }

  /**
   * Sends an answer. False: nobody waits for it any more (the request was interrupted, or the mount is gone), so
   * that what it granted, such as a lookup or an open file, was not taken.
   * @throws PosixError EINVAL if the answer does not fit the request, which then has failed with EIO
   */
  send(reply: Pick<Reply, "buffer" | "length">): boolean {
    let result = writeFd(this.fd, reply.buffer, reply.length);
    // Only a socket is ever full.
    if (result === -Errno.EAGAIN && waitForRoom(this.fd))
      result = writeFd(this.fd, reply.buffer, reply.length);
    if (result >= 0) return true;
    switch (-result) {
      case Errno.ENOENT:
      case Errno.ENODEV:
      case Errno.ENOTCONN:
      case Errno.EPERM:
      case Errno.EINTR:
      case Errno.EPIPE:
      case Errno.EAGAIN:
        return false;
      default:
        throw posixError(-result, "answering the kernel");
    }
  }

  /** Ends the connection: whatever still waits for an answer gets ECONNABORTED or ENOTCONN. */
  close(): void {
    closeFd(this.fd);
  }

  #refuse(request: Request): void {
    this.#refusal.start(request);
    this.#refusal.error(Errno.EINVAL);
    this.send(this.#refusal);
  }
}

/** Waits until the other end of a socket has taken something, but not for long: others wait for this thread. */
function waitForRoom(fd: number): boolean {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(POLLOUT, 4);
  return pollFds(entry, 1, FULL_SOCKET_MS) > 0;
}

function readOutcome(errnoNumber: number): false | "unmounted" {
  switch (errnoNumber) {
    case Errno.EAGAIN:
    case Errno.EINTR:
    case Errno.ENOENT:
      return false;
    case Errno.ENODEV:
    // The connection was aborted: by `umount -f`, or by somebody who wrote to /sys/fs/fuse/connections.
    case Errno.ECONNABORTED:
    case Errno.ECONNRESET:
      return "unmounted";
    default:
      throw posixError(errnoNumber, "reading from the kernel");
  }
}
