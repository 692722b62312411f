/**
 * Owns which violations of a schema can be mended by a rename that nobody has to be asked about (FR-010). Must never rename
 * anything itself.
 */
import type { Violation } from "./validate.ts";

/** What is to become of a violation: `to` is its new path; null: it is left, and `reason` says why. */
export type PathFix =
  | { readonly violation: Violation; readonly to: string }
  | { readonly violation: Violation; readonly to: null; readonly reason: string };

/** One for each violation, in their order. */
export function planFixes(violations: readonly Violation[]): PathFix[] {
  const wanted = new Map<string, number>();
  for (const { suggestion } of violations)
    if (suggestion !== null) wanted.set(suggestion, (wanted.get(suggestion) ?? 0) + 1);
  return violations.map((violation) => {
    const to = violation.suggestion;
    if (to === null)
      return { violation, to, reason: "No valid name near it is free, or nobody can tell which is meant." };
    if (wanted.get(to) === 1) return { violation, to };
    return { violation, to: null, reason: `More than one file would become ${to}.` };
  });
}
