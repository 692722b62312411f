/**
 * Owns the requests of one mount that wait for an errand of theirs. None of them has had an effect; each is handled again from
 * its start. Must never keep one that the kernel sends with pages locked: who writes notifications may wait for those locks in
 * the very threads that the errand needs. A READ of what is not cached has none, nor has a READLINK, as init.ts lets no kernel
 * cache targets; a SETATTR has the file's own lock only, which no notification takes. A RENAME has directories locked:
 * notifications of names wait for them, two at a time (notifier.ts), and none of the other lane does.
 */
import { Deferred } from "../lib/errands.ts";
import type { StrictChange } from "../lib/strict-change.ts";
import { Errno } from "../schema/errors.ts";
import type { ErrandDesk } from "./errand-desk.ts";
import { OPCODE } from "./kernel/protocol.ts";
import { Reply } from "./kernel/reply.ts";
import { Request } from "./kernel/request.ts";
import type { KernelLink } from "./kernel-link.ts";
import { isDying } from "./process-names.ts";
import { uniqueOf } from "./unique.ts";

/** Errands per request. A file that changes all the time would be hashed for ever: then it is done here and now. */
const MAX_TRIES = 3;
/** Larger than any request that may wait, and any answer but those of {@link READERS}. */
const BUFFER_BYTES = 1024;
/** Requests whose answers are bytes of the book. */
const READERS: ReadonlySet<number> = new Set([OPCODE.READ, OPCODE.READLINK]);
/** Requests of which a process that ends need not learn the outcome. */
const INTERRUPTIBLE: ReadonlySet<number> = new Set([
  OPCODE.OPEN,
  OPCODE.READ,
  OPCODE.READLINK,
  OPCODE.SETATTR,
  OPCODE.RENAME,
  OPCODE.RENAME2,
]);

interface Waiting {
  readonly bytes: Buffer;
  readonly tries: number;
  readonly change: StrictChange | undefined;
}

export interface DeferredRequestsOptions {
  readonly desk: ErrandDesk;
  readonly link: KernelLink;
  /** Handles a request; true if the reply is to be sent. */
  handle(request: Request, reply: Reply): boolean;
}

export class DeferredRequests {
  readonly #options: DeferredRequestsOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #request = new Request(BUFFER_BYTES);
  readonly #reply = new Reply(BUFFER_BYTES);
  #longReply: Reply | undefined;
  /** Errands of the request that is being handled. */
  #tries = 0;
  #change: StrictChange | undefined;

  constructor(options: DeferredRequestsOptions) {
    this.#options = options;
  }

  /** How many requests wait. */
  get count(): number {
    return this.#waiting.size;
  }

  /** Whether the request that is being handled may end with a {@link Deferred}. Only OPEN, READLINK, SETATTR, RENAME, FLUSH, FSYNC, and READ of what no kernel caches, ask. */
  get mayDefer(): boolean {
    return this.#tries < MAX_TRIES;
  }

  /** What the request that is being handled has begun to share, on a strict mount. */
  get change(): StrictChange | undefined {
    return this.#change;
  }

  /** Keeps the request for later, if that is why it was not answered, with what it has begun to share. */
  keep(request: Request, error: unknown, change?: StrictChange): boolean {
    if (!(error instanceof Deferred)) return false;
    const unique = uniqueOf(request);
    const bytes = Buffer.from(request.buffer.subarray(0, request.length));
    this.#waiting.set(unique, { bytes, tries: this.#tries + 1, change });
    this.#options.desk.add(error, () => this.#resume(unique));
    return true;
  }

  /**
   * Somebody who waits got a signal. As on any local file system only one that ends the process makes open(2), read(2), readlink(2), truncate(2) and rename(2)
   * return; what close(2) and fsync(2) promise is kept, and what has begun to be shared ends as it ends. False if no such request waits.
   */
  interrupt(request: { uniqueLo: number; uniqueHi: number }): boolean {
    const waiting = this.#waiting.get(uniqueOf(request));
    if (waiting === undefined) return false;
    this.#load(waiting);
    const { opcode, pid } = this.#request;
    if (!INTERRUPTIBLE.has(opcode) || waiting.change !== undefined || !isDying(pid)) return true;
    this.#waiting.delete(uniqueOf(request));
    this.#reply.start(this.#request);
    this.#reply.error(Errno.EINTR);
    this.#options.link.answer(this.#reply);
    return true;
  }

  /** The kernel is gone. */
  abandon(): void {
    this.#waiting.clear();
  }

  #resume(unique: number): void {
    const waiting = this.#waiting.get(unique);
    if (waiting === undefined) return;
    this.#waiting.delete(unique);
    this.#load(waiting);
    this.#tries = waiting.tries;
    this.#change = waiting.change;
    try {
      const reply = this.#replyTo(this.#request);
      if (this.#options.handle(this.#request, reply)) this.#options.link.answer(reply);
    } finally {
      this.#tries = 0;
      this.#change = undefined;
    }
  }

  #replyTo({ opcode }: Request): Reply {
    if (!READERS.has(opcode)) return this.#reply;
    this.#longReply ??= new Reply();
    return this.#longReply;
  }

  #load({ bytes }: Waiting): void {
    bytes.copy(this.#request.buffer);
    this.#request.load(bytes.length);
  }
}
