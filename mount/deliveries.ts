/**
 * Owns which notifications to kernels are still on their way, and the answers that wait for them (C1).
 * One per mount thread, for all its mounts. Must never write to a device.
 */

/** Invalidations of entries may wait for a directory's lock in the kernel; those of inodes never do. */
export type Lane = "inode" | "entry";

/** What is to be done about a notification besides waiting for it. */
export interface DeliveryWish {
  /** Called once, when it has been delivered. */
  readonly told?: (() => void) | undefined;
  /**
   * Called when the kernel did not know what it was told of, with how often that has been so. Says whether it was handed over
   * again, under the same ticket, because the kernel may be about to know it: and that others wait for that, or do not any more.
   */
  readonly again?: ((tries: number) => "awaited" | "unawaited" | "no") | undefined;
}

interface Undelivered extends DeliveryWish {
  /** The mount whose kernel is told. */
  readonly target: object;
  /** The mount whose request made the change; undefined if none did. */
  cause: object | undefined;
  /** Whether anybody is to wait for it. */
  isAwaited: boolean;
  readonly lane: Lane;
  tries: number;
  waiters: Waiter[] | undefined;
}

interface Waiter {
  left: number;
  readonly done: () => void;
}

export class Deliveries {
  #lastTicket = 0;
  readonly #undelivered = new Map<number, Undelivered>();

  /** True while nothing is on its way: with a single mount of a book, always. */
  get isIdle(): boolean {
    return this.#undelivered.size === 0;
  }

  /** Registers a notification that is about to be handed to `target`'s writer. Returns its ticket. */
  issue(target: object, cause: object | undefined, lane: Lane, { told, again }: DeliveryWish = {}): number {
    const ticket = ++this.#lastTicket;
    const state = { isAwaited: true, tries: 0, waiters: undefined };
    this.#undelivered.set(ticket, { target, cause, lane, told, again, ...state });
    return ticket;
  }

  /** The notification has reached the kernel, or never can. `isKnown`: the kernel knew what it was told of. */
  delivered(ticket: number, isKnown = true): void {
    const entry = this.#undelivered.get(ticket);
    if (entry === undefined) return;
    const again = isKnown ? "no" : (entry.again?.(++entry.tries) ?? "no");
    if (again === "awaited") return;
    if (again === "no") {
      this.#undelivered.delete(ticket);
      entry.told?.();
    }
    const waiters = entry.waiters ?? [];
    Object.assign(entry, { isAwaited: false, cause: undefined, waiters: undefined });
    for (const waiter of waiters) if (--waiter.left === 0) waiter.done();
  }

  /** Whether everything up to this ticket has reached its kernel, or is waited for no more. */
  hasDelivered(ticket: number): boolean {
    for (const [waiting, { isAwaited }] of this.#undelivered) {
      if (waiting > ticket) return true;
      if (isAwaited) return false;
    }
    return true;
  }

  /** The mount `target` is gone: what was on its way to it counts as delivered. */
  abandon(target: object): void {
    for (const [ticket, entry] of [...this.#undelivered]) {
      if (entry.target === target) this.delivered(ticket);
    }
  }

  /**
   * Calls `done` once everything that any of `causes` has made is delivered: all of it, or the inode invalidations only.
   * Returns false, and never calls it, when there is nothing to wait for.
   */
  whenDelivered(causes: readonly object[], lanes: "inode" | "all", done: () => void): boolean {
    if (this.#undelivered.size === 0) return false;
    const waiter: Waiter = { left: 0, done };
    for (const entry of this.#undelivered.values()) {
      if (
        entry.cause === undefined ||
        !causes.includes(entry.cause) ||
        (lanes === "inode" && entry.lane === "entry")
      )
        continue;
      waiter.left++;
      entry.waiters ??= [];
      entry.waiters.push(waiter);
    }
    return waiter.left > 0;
  }
}
