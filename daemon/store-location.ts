/** Owns where the store is unless somebody says it. Must never make or open one. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { readConfigDefaults } from "./config-file.ts";

/**
 * The store's directory, absolute: what `--store` says, else PFS_STORE, else what the configuration says, else as root
 * /var/lib/pfs, else $XDG_DATA_HOME/pfs, else ~/.local/share/pfs.
 * @throws as readConfigDefaults
 */
export function findStore(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const named = given ?? nonEmpty(env.PFS_STORE);
  return named === undefined ? usualStore(env) : resolve(named);
}

/** The store that is meant when neither command line nor environment name one. @throws as readConfigDefaults */
export function usualStore(env: NodeJS.ProcessEnv = process.env): string {
  const { store } = readConfigDefaults(env);
  if (store !== undefined) return resolve(store);
  if (process.geteuid?.() === 0) return "/var/lib/pfs";
  return resolve(nonEmpty(env.XDG_DATA_HOME) ?? join(homedir(), ".local/share"), "pfs");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
