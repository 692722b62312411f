/** `pfs verify`: checks that the store is what it says. */
import type { Command } from "commander";
import { StoreReader } from "../../lib/reader.ts";
import { verifyStore } from "../../lib/verify.ts";
import { PfsError } from "../../schema/errors.ts";
import { settleStore } from "../local-owner.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { Told } from "./failure.ts";
import { ProgressBar } from "./progress-bar.ts";
import { counted } from "./text.ts";

export function addVerify(program: Command, contextOf: ContextOf): void {
  program
    .command("verify")
    .summary("check bytes, log chain and database")
    .description(
      "Checks the whole store: every file's bytes against its hash, the log's chain, agents, file ids, the schema of " +
        "every path, the database itself. Exit code 1 when there is an error. A daemon may go on working.",
    )
    .option("--no-rehash", "do not read every byte, only see that all is there")
    .action(async ({ rehash }: { rehash: boolean }, command: Command) => {
      const context = contextOf(command);
      const bar = new ProgressBar("Checking");
      const findings = await verify(context, rehash, bar).finally(() => bar.end());
      for (const finding of findings) {
        context.output.put(finding);
        const { rule, severity, subject, message, hint } = finding;
        context.output.say(`${severity} ${rule} ${subject}: ${message} ${hint}`);
      }
      const errors = findings.filter(({ severity }) => severity === "error").length;
      const warnings = counted(findings.length - errors, "warning");
      context.output.say(
        errors === 0 ? `The store is sound (${warnings}).` : `${counted(errors, "error")}, ${warnings}.`,
      );
      if (errors > 0) throw new Told();
    });
}

async function verify(context: Context, rehash: boolean, bar: ProgressBar) {
  await settle(context);
  const reader = StoreReader.open(context.storeDirectory);
  try {
    return await verifyStore(reader, {
      rehash,
      onProgress: ({ step, done, total }) => bar.update(done, total, step),
    });
  } finally {
    reader.close();
  }
}

/** Enters what waits in the log. A store that is damaged or cannot be written is to be checked all the same. */
async function settle(context: Context): Promise<void> {
  const daemon = await context.daemon();
  if (daemon !== undefined) {
    await daemon.call("POST", "/settle", {});
    return;
  }
  try {
    settleStore(context.storeDirectory);
  } catch (error) {
    // The reader that comes next says it as well, and better.
    if (error instanceof PfsError) return;
    process.stderr.write(`pfs: ${(error as Error).message}; checking what is there.\n`);
  }
}
