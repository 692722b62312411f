// What running one test file or one step came to. Owns the shape and its one line of output; must never decide what runs.

/** One test that did not pass: its name as a path through its suites, and all that helps to see why. */
export interface Failure {
  readonly name: string;
  readonly details: string;
}

/** The result of one file of tests, or of one step that counts as a single test. */
export interface Outcome {
  readonly title: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly durationMs: number;
}

/** The line for the list of results and, for a failed outcome, its failures' details below it. */
export function describeOutcome({ title, passed, failures, durationMs }: Outcome): string {
  const seconds = `${(durationMs / 1000).toFixed(1)} s`;
  const counts = failures.length === 0 ? `${passed}` : `${passed} passed, ${failures.length} failed`;
  const mark = failures.length === 0 ? "ok  " : "FAIL";
  const line = `${mark} ${title.padEnd(56)} ${counts.padStart(5)} ${seconds.padStart(9)}\n`;
  return line + failures.map(({ name, details }) => `\n  ✖ ${name}\n${indent(details)}\n`).join("");
}

/** The end of a run: the names of the failures once more, then the totals as the last line. */
export function describeTotals(outcomes: readonly Outcome[]): string {
  const failed = outcomes.filter(({ failures }) => failures.length > 0);
  const names = failed.flatMap(({ title, failures }) =>
    failures.map(({ name }) => `  ✖ ${title}: ${name}\n`),
  );
  const passedCount = outcomes.reduce((sum, { passed }) => sum + passed, 0);
  const list = names.length === 0 ? "" : `\nFailed:\n${names.join("")}`;
  return `${list}\n${passedCount} passed, ${names.length} failed\n`;
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, "    ");
}
