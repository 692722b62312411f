/**
 * Owns what all checks of a store share: the state they look at, where findings go, how far they are. Must never know a
 * rule.
 */
import type { StoreReader } from "../reader.ts";
import type { Finding, VerifyProgress } from "../verify.ts";

/** Of one rule in one step; a store that is damaged all over must not fill the memory. */
const MAX_FINDINGS = 200;
const ROWS_BETWEEN_BREATHS = 256;

export class Check {
  /** The store as it was when the check began. */
  readonly snapshot: StoreReader;
  /** The store as it is now. */
  readonly live: StoreReader;
  readonly findings: Finding[] = [];
  readonly #onProgress: ((progress: VerifyProgress) => void) | undefined;
  readonly #onFinding: ((finding: Finding) => void) | undefined;
  readonly #counts = new Map<Finding["rule"], number>();
  #step = "";
  #done = 0;
  #total = 0;

  constructor(
    snapshot: StoreReader,
    live: StoreReader,
    onProgress: ((progress: VerifyProgress) => void) | undefined,
    /** Told of all findings, also of those that are too many to keep. */
    onFinding?: (finding: Finding) => void,
  ) {
    this.snapshot = snapshot;
    this.live = live;
    this.#onProgress = onProgress;
    this.#onFinding = onFinding;
  }

  /** `total` is what {@link tick} will be called for; 0 when nobody knows. */
  begin(step: string, total: number): void {
    this.end();
    this.#step = step;
    this.#done = 0;
    this.#total = total;
    this.#tell();
  }

  /** One more row is done. True now and then: it is time to {@link breathe}. */
  tick(): boolean {
    this.#done++;
    return this.#done % ROWS_BETWEEN_BREATHS === 0;
  }

  /** Tells how far it is and lets others have the thread. */
  async breathe(): Promise<void> {
    this.#tell();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  report(finding: Finding): void {
    const count = (this.#counts.get(finding.rule) ?? 0) + 1;
    this.#counts.set(finding.rule, count);
    this.#onFinding?.(finding);
    if (count <= MAX_FINDINGS) this.findings.push(finding);
  }

  /** Whether more findings of a rule would only be counted, so that looking for particulars is not worth it. */
  isFull(rule: Finding["rule"]): boolean {
    return (this.#counts.get(rule) ?? 0) >= MAX_FINDINGS;
  }

  end(): void {
    for (const [rule, count] of this.#counts) {
      if (count <= MAX_FINDINGS) continue;
      this.findings.push({
        rule,
        severity: "error",
        subject: this.#step,
        message: `There are ${count - MAX_FINDINGS} more findings of this kind.`,
        hint: "Mend what is named first, then verify again.",
      });
    }
    this.#counts.clear();
    if (this.#step !== "") this.#tell();
    this.#step = "";
  }

  #tell(): void {
    this.#onProgress?.({ step: this.#step, done: this.#done, total: Math.max(this.#total, this.#done) });
  }
}

/** Number of rows of a table. */
export function countRows(reader: StoreReader, table: string): number {
  return (reader.database.prepare(`SELECT count(*) AS rows FROM ${table}`).get() as { rows: number }).rows;
}
