/**
 * Owns the answers of one mount that are ready but kept back until other mounts' kernels know of the change that they
 * report (C1). Must never change an answer: what was done stays done.
 */
import type { Deliveries } from "./deliveries.ts";
import type { Reply } from "./kernel/reply.ts";
import type { Answer, KernelLink } from "./kernel-link.ts";
import { uniqueOf } from "./unique.ts";

export class ParkedAnswers {
  readonly #cause: object;
  readonly #deliveries: Deliveries;
  readonly #link: KernelLink;
  readonly #answers = new Map<number, Answer>();

  constructor(cause: object, deliveries: Deliveries, link: KernelLink) {
    this.#cause = cause;
    this.#deliveries = deliveries;
    this.#link = link;
  }

  /** How many answers are kept back. */
  get count(): number {
    return this.#answers.size;
  }

  /** Whether an answer that is made now may have to be kept back. */
  get mayWait(): boolean {
    return !this.#deliveries.isIdle;
  }

  /**
   * Keeps the finished `reply` back until the other kernels know all that this mount has changed. Returns what a
   * handler returns: true when there is nothing to wait for, so that the reply is to be sent now.
   *
   * `all` waits for names too. The kernel takes a directory's lock for those, so that a request during which this
   * kernel holds such a lock (create, unlink, rename, …) must wait for `inode` only, else two mounts that change the
   * same directories would wait for each other for ever.
   *
   * `alsoFor`: what this mount's own kernel is being told that the answer waits for, too. For what `Session.dropPages` returned,
   * of requests for files of the book only FLUSH and FSYNC may wait: others hold locks of pages that it takes.
   */
  afterDelivery(
    request: { uniqueLo: number; uniqueHi: number },
    reply: Reply,
    lanes: "inode" | "all",
    alsoFor?: object,
  ): boolean {
    if (this.#deliveries.isIdle) return true;
    const unique = uniqueOf(request);
    const causes = alsoFor === undefined ? [this.#cause] : [this.#cause, alsoFor];
    const parked = this.#deliveries.whenDelivered(causes, lanes, () => this.#send(unique));
    if (parked)
      this.#answers.set(unique, {
        buffer: Buffer.from(reply.buffer.subarray(0, reply.length)),
        length: reply.length,
      });
    return !parked;
  }

  /**
   * Somebody stopped waiting. What the request did is done, so that it gets its true answer rather than EINTR, only
   * sooner. False if no such request waits.
   */
  interrupt(request: { uniqueLo: number; uniqueHi: number }): boolean {
    return this.#send(uniqueOf(request));
  }

  /** The kernel is gone, and its descriptor's number is about to be another file's: nothing is sent any more. */
  abandon(): void {
    this.#answers.clear();
  }

  #send(unique: number): boolean {
    const answer = this.#answers.get(unique);
    if (answer === undefined) return false;
    this.#answers.delete(unique);
    this.#link.answer(answer);
    return true;
  }
}
