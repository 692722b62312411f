/** A progress bar on standard error: shown on a terminal only, and only for what takes a moment. */
const BAR_WIDTH = 30;
const FIRST_SHOWN_MS = 300;
const INTERVAL_MS = 100;
/** For terminals that do not say how wide they are. */
const DEFAULT_COLUMNS = 80;

export class ProgressBar {
  readonly #label: string;
  readonly #isShown: boolean;
  #nextMs = performance.now() + FIRST_SHOWN_MS;
  #isDrawn = false;

  constructor(label: string, { quiet = false }: { readonly quiet?: boolean } = {}) {
    this.#label = label;
    this.#isShown = process.stderr.isTTY === true && !quiet;
  }

  /** Of something whose end is not known. @param what how much is done, such as `200 files` */
  count(what: string): void {
    if (this.#isDue()) this.#draw(`${this.#label} ${what}`);
  }

  update(done: number, total: number, detail = ""): void {
    if (total === 0 || !this.#isDue()) return;
    const filled = Math.round((Math.min(done, total) / total) * BAR_WIDTH);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
    this.#draw(`${this.#label} [${bar}] ${done}/${total}${detail === "" ? "" : ` ${detail}`}`);
  }

  #isDue(): boolean {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs < this.#nextMs) return false;
    this.#nextMs = nowMs + INTERVAL_MS;
    return true;
  }

  #draw(text: string): void {
    process.stderr.write(`\r${text.slice(0, (process.stderr.columns || DEFAULT_COLUMNS) - 1)}\u001b[K`);
    this.#isDrawn = true;
  }

  /**
   * Shows what is told of something under way, until it is done; then the bar goes.
   * @returns the last event, of type `done`. @throws what the events throw
   */
  async follow<Event extends { readonly type: string }>(
    events: AsyncIterable<Event>,
    show: (event: Exclude<Event, { type: "done" }>) => void,
  ): Promise<Extract<Event, { type: "done" }>> {
    try {
      for await (const event of events) {
        if (event.type === "done") return event as Extract<Event, { type: "done" }>;
        show(event as Exclude<Event, { type: "done" }>);
      }
    } finally {
      this.end();
    }
    throw new Error(`${this.#label} has ended without an outcome`);
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isDrawn) process.stderr.write("\r\u001b[K");
    this.#isDrawn = false;
  }
}
