/**
 * One mount's connection to the kernel: owns the /dev/fuse descriptor, takes requests from it and sends answers.
 * Must never interpret either, nor wait: whoever polls the descriptor decides when to receive.
 */
import { endianness } from "node:os";
import { closeFd, posixError, readFd, writeFd } from "../../lib/libc.ts";
import { Errno } from "../../schema/errors.ts";
import { STRUCT_BYTES } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";
import { Reply } from "./reply.ts";
import type { Request } from "./request.ts";

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
    const result = writeFd(this.fd, reply.buffer, reply.length);
    if (result >= 0) return true;
    switch (-result) {
      case Errno.ENOENT:
      case Errno.ENODEV:
      case Errno.ENOTCONN:
      case Errno.EPERM:
      case Errno.EINTR:
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

function readOutcome(errnoNumber: number): false | "unmounted" {
  switch (errnoNumber) {
    case Errno.EAGAIN:
    case Errno.EINTR:
    case Errno.ENOENT:
      return false;
    case Errno.ENODEV:
    // The connection was aborted: by `umount -f`, or by somebody who wrote to /sys/fs/fuse/connections.
    case Errno.ECONNABORTED:
      return "unmounted";
    default:
      throw posixError(errnoNumber, "reading from the kernel");
  }
}
