/**
 * Runs a daemon in this process until it is asked to end, by a signal or over its socket. Owns what signals mean; must
 * never say anything itself.
 */
import { setFlagsFromString } from "node:v8";
import type { Config } from "../schema/config.ts";
import { parseHttpAddress } from "../schema/http-address.ts";
import { type ConfigPlace, configPlace, readConfig } from "./config-file.ts";
import { takeCredentials } from "./credentials.ts";
import { Daemon } from "./daemon.ts";
import type { Reporter } from "./reporter.ts";
import { ServiceManager } from "./service-manager.ts";
import { usualStore } from "./store-location.ts";

export interface RunOptions {
  readonly storeDirectory: string;
  readonly reporter: Reporter;
  /** As of `--http`; by default what PFS_HTTP says, else the configuration, if anything. */
  readonly http?: string | undefined;
  /** What to do once it listens. What this throws ends the daemon and is thrown. */
  onListening?(daemon: Daemon): Promise<void> | void;
}

/**
 * A daemon stays: V8 is to collect garbage rather than to ask for more memory. Without the first its room for young objects grows
 * to more than 100 MB under load, without the second old ones lie about until there are 30 MB of them; neither is given back.
 */
const LITTLE_MEMORY = ["--semi-space-growth-factor=1", "--memory-saver-mode"];
const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** npm passes on the Ctrl-C that the terminal has sent already: two signals this close are one. */
const SAME_SIGNAL_MS = 500;
/** How long the process may outlive the daemon, which has nothing to do any more. */
const LINGER_MS = 1000;

/** Resolves when the daemon has ended in order. A second signal takes mounts in use away at once. */
export async function runDaemon({
  storeDirectory,
  reporter,
  http = process.env.PFS_HTTP,
  onListening,
}: RunOptions): Promise<void> {
  for (const flag of LITTLE_MEMORY) setFlagsFromString(flag);
  // Before any thread takes the environment over.
  takeCredentials();
  const manager = ServiceManager.take(process.env, (message) => reporter.fault("service manager", message));
  const configuration = configurationOf(storeDirectory);
  const daemon = await Daemon.start({
    storeDirectory,
    reporter,
    http: http === undefined || http === "" ? configuration?.config?.http : parseHttpAddress(http),
  });
  let firstMs: number | undefined;
  const stop = (): void => {
    const nowMs = performance.now();
    if (firstMs !== undefined && nowMs - firstMs < SAME_SIGNAL_MS) return;
    firstMs ??= nowMs;
    manager?.stopping();
    void daemon.stop();
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, stop);
  try {
    if (configuration !== undefined) await daemon.follow(configuration);
    await onListening?.(daemon);
    manager?.ready(async () => void (await daemon.host.call("status", {})));
    await daemon.stopped;
  } finally {
    manager?.stopping();
    await daemon.stop();
    manager?.close();
    for (const signal of ENDING_SIGNALS) process.off(signal, stop);
    setTimeout(() => process.exit(), LINGER_MS).unref();
  }
}

/** The configuration, if it is about this store: it is named, or the store is the usual one. @throws as readConfig */
function configurationOf(
  storeDirectory: string,
): { readonly place: ConfigPlace; readonly config: Config | undefined } | undefined {
  const place = configPlace();
  if (!place.isNamed && storeDirectory !== usualStore()) return undefined;
  return { place, config: readConfig(place) };
}
