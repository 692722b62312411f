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

/** Resolves when the daemon has ended in order. A second signal takes mounts in use away at once. */
export async function runDaemon({ storeDirectory, reporter, onListening }: RunOptions): Promise<void> {
  const daemon = await Daemon.start({ storeDirectory, reporter });
  const stop = (): void => void daemon.stop();
  for (const signal of ENDING_SIGNALS) process.on(signal, stop);
  try {
    await onListening?.(daemon);
    await daemon.stopped;
  } finally {
    await daemon.stop();
    for (const signal of ENDING_SIGNALS) process.off(signal, stop);
  }
}
