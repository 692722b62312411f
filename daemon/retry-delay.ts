/** Owns how long a daemon waits before it tries again what a remote could not do: ever longer, and no two machines alike. */
const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/** Milliseconds. Many machines that have lost the same remote must not all come back at once. @param failures before this one */
export function retryDelayMs(failures: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** failures) * (0.5 + Math.random() / 2);
}
