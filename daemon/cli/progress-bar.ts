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

  update(done: number, total: number, detail = ""): void {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs < this.#nextMs || total === 0) return;
    this.#nextMs = nowMs + INTERVAL_MS;
    const filled = Math.round((Math.min(done, total) / total) * BAR_WIDTH);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
    const text = `${this.#label} [${bar}] ${done}/${total}${detail === "" ? "" : ` ${detail}`}`;
    process.stderr.write(`\r${text.slice(0, (process.stderr.columns || DEFAULT_COLUMNS) - 1)}\u001b[K`);
    this.#isDrawn = true;
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isDrawn) process.stderr.write("\r\u001b[K");
    this.#isDrawn = false;
  }
}
