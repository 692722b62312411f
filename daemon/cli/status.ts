/** `pfs status`: the daemon, its mounts, the position in the log, what was changed last. */
import type { Command } from "commander";
import type { ContextOf } from "./command.ts";
import { look, statusLines } from "./status-lines.ts";

export function addStatus(program: Command, contextOf: ContextOf): void {
  program
    .command("status")
    .summary("the daemon, its mounts, the last changes")
    .description(
      "Says whether a daemon runs and is well, what is mounted where and for whom, how far the log has come, what waits, and " +
        "what was changed last. In colour on a terminal, unless NO_COLOR is set.",
    )
    .addHelpText("after", "\nExample:\n  pfs status --json | jq -r '.mounts[].directory'")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const seen = await look(context);
      context.output.put(seen.status);
      for (const line of statusLines(seen, Date.now())) context.output.say(line);
    });
}
