/**
 * The `pfsd` program: a daemon for one store, which mounts nothing by itself and logs to standard error. Runs when it is
 * imported. Owns its command line only.
 */
import { Command } from "commander";
import { HTTP_HELP } from "../schema/http-address.ts";
import { failWith } from "./cli/failure.ts";
import { makeLogReporter } from "./log-reporter.ts";
import { packageVersion } from "./module-file.ts";
import { tellReady } from "./ready-pipe.ts";
import { runDaemon } from "./run-daemon.ts";
import { findStore } from "./store-location.ts";

async function main(): Promise<void> {
  const program = new Command("pfsd")
    .description("Serves the books of one store until SIGTERM. `pfs mount` starts it when it is needed.")
    .option("--store <dir>", "the store (default: PFS_STORE, else as `pfs --help` says)")
    .option("--http <address>", HTTP_HELP)
    .version(packageVersion())
    .exitOverride()
    .parse();
  const { store, http } = program.opts<{ store?: string; http?: string }>();
  const reporter = makeLogReporter();
  await runDaemon({ storeDirectory: findStore(store), reporter, http, onListening: () => tellReady() });
}

try {
  await main();
} catch (error) {
  tellReady(error);
  failWith(error, { json: false });
}
