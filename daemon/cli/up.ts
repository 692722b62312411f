/** `pfs up`: a daemon in this terminal. */
import type { Command } from "commander";
import { HTTP_HELP } from "../../schema/http-address.ts";
import { runDaemon } from "../run-daemon.ts";
import { makeTerminalReporter } from "../terminal-reporter.ts";
import type { ContextOf } from "./command.ts";

export function addUp(program: Command, contextOf: ContextOf): void {
  program
    .command("up")
    .summary("serve the store from this terminal")
    .description(
      "Runs the daemon here instead of in the background and tells saves and refusals as they happen. It mounts " +
        "what the configuration lists; `pfs mount` in another terminal mounts more. Ctrl-C unmounts everything and ends it.",
    )
    .option("--http <address>", HTTP_HELP)
    .addHelpText("after", "\nExample:\n  pfs up --http 9130 & curl http://127.0.0.1:9130/metrics")
    .action(async ({ http }: { http?: string }, command: Command) => {
      const { output, storeDirectory } = contextOf(command);
      await runDaemon({
        storeDirectory,
        reporter: makeTerminalReporter(output),
        http,
        onListening: async (daemon) => {
          const { http: address } = await daemon.status();
          if (address !== null) output.say(`Metrics and health are at http://${address}/.`);
          output.say(`Serving the store ${storeDirectory} (process ${process.pid}). Ctrl-C ends it.`);
        },
      });
    });
}
