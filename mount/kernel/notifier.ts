/**
 * Writes one mount's notifications to its device, for a thread that does not serve mounts. Owns their order: one queue
 * for each lane, as a name's invalidation may wait for a directory's lock in the kernel and must not hold up the pages'.
 */
import { setTimeout } from "node:timers/promises";
import { sendNotificationAsync } from "./notify.ts";

/** A notification as it came from the mount thread. */
export interface NotifierMessage {
  /** Messages of one lane keep their order; lanes do not wait for each other. */
  readonly lane: string;
  readonly ticket: number;
  readonly bytes: Uint8Array;
  /** To be written no sooner, outside its lane's order. */
  readonly afterMs?: number | undefined;
}

export interface NotifierOptions {
  /** The device's descriptor, which must stay open until `close` has resolved. */
  readonly fd: number;
  /**
   * Called with each ticket once the kernel has taken the notification, or never will; `isKnown` is false where it did not know
   * what it was told of.
   */
  delivered(ticket: number, isKnown: boolean): void;
  onFault(error: unknown): void;
}

/**
 * The lane whose messages may wait in the kernel for a directory's lock, which a request may hold whose answer waits for
 * messages of the other lane.
 */
const WAITING_LANE = "entry";
/** Of those that are written after a while, whatever lane they were of. */
const LATE_LANE = "late";
/**
 * How many of those are written at a time, to all mounts together: below the 4 threads of Node's pool, so that the other
 * lane always finds one, however many mounts there are.
 */
const MAX_WAITING = 2;
let waiting = 0;
const queue: (() => void)[] = [];

async function inTurn(write: () => Promise<void>): Promise<void> {
  if (waiting < MAX_WAITING) waiting++;
  else await new Promise<void>((resolve) => queue.push(resolve));
  try {
    await write();
  } finally {
    // The turn passes on to the next, if there is one.
    const next = queue.shift();
    if (next === undefined) waiting--;
    else next();
  }
}

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #late = new Set<Promise<void>>();
  #gone = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  send(message: NotifierMessage): void {
    if (message.afterMs === undefined) {
      void this.#enqueue(message.lane, message);
      return;
    }
    // One at a time, too, so that they leave threads to the others.
    const late = setTimeout(message.afterMs).then(() => this.#enqueue(LATE_LANE, message));
    this.#late.add(late);
    void late.then(() => this.#late.delete(late));
  }

  /** Resolves when the kernel has taken everything that was given to {@link send} until now. */
  async sent(): Promise<void> {
    await Promise.all([...this.#lanes.values(), ...this.#late]);
  }

  /** Writes nothing more; resolves when the descriptor is in nobody's hands here. */
  async close(): Promise<void> {
    this.#gone = true;
    await this.sent();
  }

  #enqueue(lane: string, message: NotifierMessage): Promise<void> {
    const before = this.#lanes.get(lane) ?? Promise.resolve();
    const written = before.then(() =>
      message.lane === WAITING_LANE ? inTurn(() => this.#write(message)) : this.#write(message),
    );
    this.#lanes.set(lane, written);
    return written;
  }

  async #write({ ticket, bytes }: NotifierMessage): Promise<void> {
    let isKnown = true;
    if (!this.#gone) {
      try {
        const outcome = await sendNotificationAsync(this.#options.fd, Buffer.from(bytes));
        isKnown = outcome !== "unknown";
        if (outcome === "unmounted") this.#gone = true;
      } catch (error) {
        this.#options.onFault(error);
      }
    }
    this.#options.delivered(ticket, isKnown);
  }
}
