/**
 * The mount thread's loop: waits for requests of all its mounts and for the doorbell, and answers one after the other.
 * Synchronous: must never await, nor let what one request throws end the service of the others.
 */
import { Alarm } from "../lib/alarm.ts";
import type { Doorbell } from "../lib/doorbell.ts";
import { PollSet } from "../lib/poll-set.ts";
import type { Device } from "./kernel/device.ts";
import { Reply } from "./kernel/reply.ts";
import { Request } from "./kernel/request.ts";
import type { Session } from "./session.ts";

/** Requests of one mount that are served before the others get their turn. */
const BURST = 32;
/** Places in the poll set. */
const [DOORBELL, ALARM, FIRST_MOUNT] = [0, 1, 2];
const FOR_EVER_MS = -1;
const NOT_AT_ALL_MS = 0;
/** How long what is to be ended before a wait may be put off: a program's next request mostly comes at once. */
const REST_AFTER_MS = 2;
/** How long it serves before it lets Node's event loop have a turn. */
const TURN_AFTER_MS = 1000;

export interface LoopOptions {
  readonly doorbell: Doorbell;
  /** The doorbell rang: look for messages (sessions that come and go, delivered notifications, the end). */
  onDoorbell(): void;
  /** True if `beforeWaiting` would have nothing to end. */
  isAtRest(): boolean;
  /**
   * Called before a wait at rest, and else a moment after the rest ended. Returns after how many milliseconds it wants to be
   * called again even if nothing happens; -1: not before something does.
   */
  beforeWaiting(): number;
  /** Told of what no request can be blamed for. */
  onFault(error: unknown, operation: string): void;
}

export interface Mount {
  readonly device: Device;
  readonly session: Session;
  /** The kernel has ended the mount. The session is closed; the device is the owner's to close. */
  onEnd(): void;
}

export class Loop {
  readonly #options: LoopOptions;
  readonly #pollSet = new PollSet();
  /**
   * Rings when it is time to rest. One timer for many waits: one for each was measured to cost more than the request that
   * ended it (2 to 3 µs, where the hypervisor sets timers).
   */
  readonly #alarm = new Alarm();
  #isAlarmSet = false;
  readonly #request = new Request();
  readonly #reply = new Reply();
  /** In the order of the poll set, after doorbell and alarm. */
  #mounts: Mount[] = [];
  #isStopped = false;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#pollSet.add(options.doorbell.fd);
    this.#pollSet.add(this.#alarm.fd);
  }

  /** Serves one more mount. To be called by what `run` calls, or before it. */
  add(mount: Mount): void {
    this.#pollSet.add(mount.device.fd);
    this.#mounts = [...this.#mounts, mount];
  }

  /** Serves a mount no longer and closes its session. Its `onEnd` is not called. */
  remove(session: Session): void {
    const mount = this.#mounts.find((candidate) => candidate.session === session);
    if (mount === undefined) return;
    this.#pollSet.remove(mount.device.fd);
    this.#mounts = this.#mounts.filter((candidate) => candidate !== mount);
    session.close();
  }

  /** Serves as {@link run}, with the turns that it asks for, then calls `stopped`. */
  runInTurns(stopped: () => void): void {
    if (this.run()) setImmediate(() => this.runInTurns(stopped));
    else stopped();
  }

  /** Makes `run` return false after what it is doing. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * Serves until `stop`, or until a moment has come for a turn of Node's event loop: true, it is to be called again after that. Addons
   * give back in such a turn what the garbage collector has found (N-API finalizers); without any, each of SQLite's statements that
   * is used once would stay for ever, some 4 KB.
   */
  run(): boolean {
    const turnMs = performance.now() + TURN_AFTER_MS;
    let busy = false;
    while (!this.#isStopped) {
      if (performance.now() > turnMs) return true;
      const waitMs = this.#options.isAtRest() ? this.#rest() : this.#restLater();
      this.#pollSet.wait(busy ? NOT_AT_ALL_MS : waitMs);
      busy = false;
      // What is served may add and remove mounts: the readiness of this round is that of these.
      const mounts = this.#mounts;
      const ready = mounts.map((_, index) => this.#pollSet.isReady(index + FIRST_MOUNT));
      if (this.#pollSet.isReady(ALARM)) this.#hearAlarm();
      if (this.#pollSet.isReady(DOORBELL)) this.#hear();
      for (let index = 0; index < mounts.length && !this.#isStopped; index++) {
        const mount = mounts[index] as Mount;
        if (ready[index] && this.#mounts.includes(mount) && this.#serve(mount)) busy = true;
      }
    }
    this.#alarm.close();
    return false;
  }

  #restLater(): number {
    if (!this.#isAlarmSet) this.#alarm.set(REST_AFTER_MS);
    this.#isAlarmSet = true;
    return FOR_EVER_MS;
  }

  #hearAlarm(): void {
    this.#alarm.clear();
    this.#isAlarmSet = false;
    if (!this.#options.isAtRest()) this.#rest();
  }

  /** Answers some of a mount's requests. True if there may be more. */
  #serve(mount: Mount): boolean {
    for (let served = 0; served < BURST; served++) {
      const received = this.#receive(mount);
      if (received !== true) {
        if (received === "unmounted") this.#end(mount);
        return false;
      }
      try {
        if (mount.session.handle(this.#request, this.#reply)) mount.device.send(this.#reply);
      } catch (error) {
        this.#options.onFault(error, this.#request.name);
      }
    }
    return true;
  }

  /** A device that cannot be read will never be again: its mount counts as gone. */
  #receive({ device }: Mount): boolean | "unmounted" {
    try {
      return device.receive(this.#request);
    } catch (error) {
      this.#options.onFault(error, "receive");
      return "unmounted";
    }
  }

  #end(mount: Mount): void {
    this.#guard("unmount", () => this.remove(mount.session));
    this.#guard("unmount", () => mount.onEnd());
  }

  #hear(): void {
    this.#guard("doorbell", () => {
      this.#options.doorbell.clear();
      this.#options.onDoorbell();
    });
  }

  #rest(): number {
    let waitMs = FOR_EVER_MS;
    this.#guard("rest", () => {
      waitMs = this.#options.beforeWaiting();
    });
    return waitMs;
  }

  #guard(operation: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.onFault(error, operation);
    }
  }
}
