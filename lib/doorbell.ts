/**
 * Wakes a thread that waits in poll(2): an eventfd that one thread rings and another hears. Owns the descriptor;
 * must never carry a message (those go through a port and are looked for after the ring).
 */
import { Errno } from "../schema/errors.ts";
import { closeFd, createEventfd, posixError, readFd, writeFd } from "./libc.ts";

/** Both threads make one: the first with a new descriptor, the second, `new Doorbell(fd)`, from its number. */
export class Doorbell {
  /** Readable while a ring has not been cleared: give it to a PollSet. */
  readonly fd: number;
  readonly #count = Buffer.alloc(8);

  constructor(fd: number = createEventfd()) {
    this.fd = fd;
  }

  /** Never blocks. Rings that nobody has cleared yet become one. */
  ring(): void {
    this.#count.writeUInt32LE(1, 0);
    this.#count.writeUInt32LE(0, 4);
    const result = writeFd(this.fd, this.#count, 8);
    // EAGAIN: the counter is full, so that the bell is ringing already.
    if (result < 0 && result !== -Errno.EAGAIN) throw posixError(-result, "ringing the doorbell");
  }

  /** Takes the ring back; true if there was one. Look for messages after this, not before. */
  clear(): boolean {
    const result = readFd(this.fd, this.#count, 8);
    if (result < 0 && result !== -Errno.EAGAIN) throw posixError(-result, "clearing the doorbell");
    return result > 0;
  }

  /** For the thread that made it, when nobody listens any more. */
  close(): void {
    closeFd(this.fd);
  }
}
