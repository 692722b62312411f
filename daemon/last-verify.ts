/** Owns what the last check of the store has found, as far as this daemon was told. Must never check anything. */

import { gauge, type MetricFamily } from "../lib/metric-family.ts";
import type { Finding } from "../lib/verify.ts";

export interface VerifyOutcome {
  readonly errors: number;
  readonly warnings: number;
  /** The log's chain has an error (R6). */
  readonly chainBroken: boolean;
}

export function outcomeOf(findings: readonly Pick<Finding, "rule" | "severity">[]): VerifyOutcome {
  const errors = findings.filter(({ severity }) => severity === "error");
  return {
    errors: errors.length,
    warnings: findings.length - errors.length,
    chainBroken: errors.some(({ rule }) => rule === "R6"),
  };
}

export class LastVerify {
  #last: (VerifyOutcome & { readonly timeMs: number }) | undefined;

  note(outcome: VerifyOutcome): void {
    this.#last = { ...outcome, timeMs: Date.now() };
  }

  /** Undefined: none since the daemon was started. */
  get last(): (VerifyOutcome & { readonly timeMs: number }) | undefined {
    return this.#last;
  }

  /** Nothing is said of what was never checked. */
  families(): MetricFamily[] {
    if (this.#last === undefined) return [];
    const { errors, warnings, chainBroken, timeMs } = this.#last;
    const findings = { error: errors, warning: warnings };
    return [
      gauge(
        "pfs_chain_valid",
        "1: the log's chain was whole when it was last verified; 0: broken.",
        chainBroken ? 0 : 1,
      ),
      gauge(
        "pfs_verify_findings",
        "What the last verify has found, by severity (error, warning).",
        Object.entries(findings).map(([severity, value]) => ({ labels: { severity }, value })),
      ),
      gauge(
        "pfs_verify_time_seconds",
        "When the store was last verified, seconds since 1970.",
        timeMs / 1000,
      ),
    ];
  }
}
