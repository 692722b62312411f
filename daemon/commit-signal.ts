/**
 * Tells one thread that another has committed, at the cost of an atomic add: owns two numbers in shared memory. Must
 * never carry what was committed.
 */
const COMMITS = 0;
const STOPPED = 1;

export class CommitSignal {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;

  /** Each thread makes one; the second from the memory of the first. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.memory = memory;
    this.#cells = new Int32Array(memory);
  }

  /** Something was committed. */
  raise(): void {
    Atomics.add(this.#cells, COMMITS, 1);
    Atomics.notify(this.#cells, COMMITS);
  }

  /** Ends the other's waiting for good. */
  stop(): void {
    Atomics.store(this.#cells, STOPPED, 1);
    Atomics.notify(this.#cells, STOPPED);
    this.raise();
  }

  get isStopped(): boolean {
    return Atomics.load(this.#cells, STOPPED) !== 0;
  }

  /** How often it was raised; wraps around. */
  get count(): number {
    return Atomics.load(this.#cells, COMMITS);
  }

  /** Blocks this thread until the count is no longer `seen`. */
  waitForMore(seen: number): void {
    Atomics.wait(this.#cells, COMMITS, seen);
  }

  /** Blocks this thread; `stop` wakes it. */
  pause(durationMs: number): void {
    Atomics.wait(this.#cells, STOPPED, 0, durationMs);
  }
}
