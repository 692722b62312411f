/**
 * Runs a daemon in this process until it is asked to end, by a signal or over its socket. Owns what signals mean; must
 * never say anything itself.
 */
import { Daemon } from "./daemon.ts";
import type { Reporter } from "./reporter.ts";

export interface RunOptions {
  readonly storeDirectory: string;
  readonly reporter: Reporter;
  /** What to do once it listens. What this throws ends the daemon and is thrown. */
  onListening?(daemon: Daemon): Promise<void> | void;
}

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** npm passes on the Ctrl-C that the terminal has sent already: two signals this close are one. */
const SAME_SIGNAL_MS = 500;
/** How long the process may outlive the daemon, which has nothing to do any more. */
const LINGER_MS = 1000;

/** Resolves when the daemon has ended in order. A second signal takes mounts in use away at once. */
export async function runDaemon({ storeDirectory, reporter, onListening }: RunOptions): Promise<void> {
  const daemon = await Daemon.start({ storeDirectory, reporter });
  let firstMs: number | undefined;
  const stop = (): void => {
    const nowMs = performance.now();
    if (firstMs !== undefined && nowMs - firstMs < SAME_SIGNAL_MS) return;
    firstMs ??= nowMs;
    void daemon.stop();
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, stop);
  try {
    await onListening?.(daemon);
    await daemon.stopped;
  } finally {
    await daemon.stop();
    for (const signal of ENDING_SIGNALS) process.off(signal, stop);
    setTimeout(() => process.exit(), LINGER_MS).unref();
  }
}
