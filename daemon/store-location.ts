/** Owns where the store is unless somebody says it. Must never make or open one. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot, RUNS_FROM_SOURCE } from "./module-file.ts";
import { SOCKET_NAME } from "./store-socket.ts";

/** The store of `npm start`, in the checkout. */
export function checkoutStore(): string {
  return fileURLToPath(new URL(".store", packageRoot()));
}

/**
 * The store's directory, absolute: what `--store` says, else PFS_STORE, else in a checkout the store of the `npm start`
 * that runs there, else as root /var/lib/pfs, else $XDG_DATA_HOME/pfs, else ~/.local/share/pfs.
 */
export function findStore(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const named = given ?? nonEmpty(env.PFS_STORE);
  if (named !== undefined) return resolve(named);
  const dataHome = nonEmpty(env.XDG_DATA_HOME);
  if (dataHome === undefined && RUNS_FROM_SOURCE && existsSync(join(checkoutStore(), SOCKET_NAME))) {
    return checkoutStore();
  }
  if (process.geteuid?.() === 0) return "/var/lib/pfs";
  return resolve(dataHome ?? join(homedir(), ".local/share"), "pfs");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
