/** `pfs up`: a daemon in this terminal. */
import type { Command } from "commander";
import { runDaemon } from "../run-daemon.ts";
import { makeTerminalReporter } from "../terminal-reporter.ts";
import type { ContextOf } from "./command.ts";

export function addUp(program: Command, contextOf: ContextOf): void {
  program
    .command("up")
    .summary("serve the store from this terminal")
    .description(
      "Runs the daemon here instead of in the background and tells saves and refusals as they happen. It mounts " +
        "nothing by itself: `pfs mount` in another terminal does. Ctrl-C unmounts everything and ends it.",
    )
    .action(async (_options: object, command: Command) => {
      const { output, storeDirectory } = contextOf(command);
      await runDaemon({
        storeDirectory,
        reporter: makeTerminalReporter(output),
        onListening: () =>
          output.say(`Serving the store ${storeDirectory} (process ${process.pid}). Ctrl-C ends it.`),
      });
    });
}
