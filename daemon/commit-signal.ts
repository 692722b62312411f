/**
 * Tells the checkpointing thread that another has committed, at the cost of an atomic add, and asks that one for a moment
 * between two commits: owns three numbers in shared memory. Must never carry what was committed.
 */
const COMMITS = 0;
const STOPPED = 1;
const RESTART = 2;

export class CommitSignal {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Int32Array;

  /** Each thread makes one; the second from the memory of the first. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(12)) {
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

  /**
   * Asks the committing thread to let the write-ahead log start over between two commits, and blocks this thread until that
   * has tried. After `durationMs` the wish is withdrawn: a thread that does nothing needs no such moment.
   */
  requestRestart(durationMs: number): void {
    Atomics.store(this.#cells, RESTART, 1);
    Atomics.wait(this.#cells, RESTART, 1, durationMs);
    Atomics.store(this.#cells, RESTART, 0);
  }

  /** Between two commits: does `restart` if the other thread has asked for it. */
  restartIfRequested(restart: () => void): void {
    if (Atomics.load(this.#cells, RESTART) === 0) return;
    try {
      restart();
    } finally {
      Atomics.store(this.#cells, RESTART, 0);
      Atomics.notify(this.#cells, RESTART);
    }
  }
}
