/** `pfs verify`: checks that the store is what it says. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { StoreReader } from "../../lib/reader.ts";
import { verifyRemote } from "../../lib/sync/verify-remote.ts";
import type { KeptHead } from "../../lib/verify/heads.ts";
import { type Finding, type VerifyProgress, verifyStore } from "../../lib/verify.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseSignedHead } from "../../schema/signed-head.ts";
import { outcomeOf, type VerifyOutcome } from "../last-verify.ts";
import { settleStore } from "../local-owner.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { Told } from "./failure.ts";
import { ProgressBar } from "./progress-bar.ts";
import { withRemoteOf } from "./remote-parts.ts";
import { counted } from "./text.ts";

export function addVerify(program: Command, contextOf: ContextOf): void {
  program
    .command("verify")
    .summary("check bytes, log chain and database")
    .description(
      "Checks the whole store: every file's bytes against its hash, the log's chain, agents, file ids, the schema of " +
        "every path, the database itself. Exit code 1 when there is an error. A daemon may go on working. With --remote it " +
        "checks what the remote has of a book in place of the store: its log, that all bytes are there with their size, and " +
        "every published file; others may push meanwhile.",
    )
    .option("--remote <book>", "check the remote that this book is shared on")
    .option("--rehash", "with --remote: read every byte, too")
    .option("--no-rehash", "do not read every byte, only see that all is there")
    .option(
      "--head <file>",
      "the log must extend this head, which `pfs audit-head` gave earlier; may be given several times",
      (file: string, files: readonly string[] = []) => [...files, file],
    )
    .addHelpText(
      "after",
      "\nExamples:\n  pfs verify\n  pfs verify --head /mnt/auditor/2026-01-31.json\n  pfs verify --remote my-book",
    )
    .action(async ({ rehash, head: files = [], remote }: VerifyOptions, command: Command) => {
      const context = contextOf(command);
      if (remote !== undefined) {
        await showRemote(context, remote, rehash ?? false);
        return;
      }
      const heads = files.map(readHead);
      const bar = new ProgressBar("Checking");
      const findings = await verify(context, { rehash: rehash ?? true, heads }, bar).finally(() => bar.end());
      for (const { head, source } of heads) {
        if (findings.some(({ message }) => message.includes(source))) continue;
        context.output.say(`The log extends the head of row ${head.seq}, ${head.time}, in ${source}.`);
      }
      showFindings(context, findings, "The store");
    });
}

interface VerifyOptions {
  readonly rehash?: boolean;
  readonly head?: readonly string[];
  readonly remote?: string;
}

async function showRemote(context: Context, book: string, rehash: boolean): Promise<void> {
  const bar = new ProgressBar("Checking");
  const onProgress = ({ step, done, total }: VerifyProgress) => bar.update(done, total, step);
  const { findings } = await withRemoteOf(context, book, (parts) =>
    verifyRemote(parts, { rehash, onProgress }),
  ).finally(() => bar.end());
  showFindings(context, findings, `What the remote has of ${book}`);
}

/** @throws Told when there is an error */
function showFindings({ output }: Context, findings: readonly Finding[], what: string): void {
  for (const finding of findings) {
    output.put(finding);
    const { rule, severity, subject, message, hint } = finding;
    output.say(`${severity} ${rule} ${subject}: ${message} ${hint}`);
  }
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const warnings = counted(findings.length - errors, "warning");
  output.say(errors === 0 ? `${what} is sound (${warnings}).` : `${counted(errors, "error")}, ${warnings}.`);
  if (errors > 0) throw new Told();
}

/** @throws PfsError NOT_FOUND, USAGE: it holds no head, or a forged one */
function readHead(source: string): KeptHead {
  let text: string;
  try {
    text = readFileSync(source, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new PfsError(
      "NOT_FOUND",
      `The head ${source} cannot be read: ${code === "ENOENT" ? "there is no such file" : code}.`,
      {
        path: source,
        hint: "Name a file that `pfs audit-head -o FILE` made.",
        cause: error,
      },
    );
  }
  return { head: parseSignedHead(text, source), source };
}

async function verify(
  context: Context,
  options: { readonly rehash: boolean; readonly heads: readonly KeptHead[] },
  bar: ProgressBar,
) {
  await settle(context);
  const reader = StoreReader.open(context.storeDirectory);
  try {
    const findings = await verifyStore(reader, {
      ...options,
      onProgress: ({ step, done, total }) => bar.update(done, total, step),
    });
    await tellDaemon(context, outcomeOf(findings));
    return findings;
  } finally {
    reader.close();
  }
}

/** What is found is a metric of the daemon, if there is one. */
async function tellDaemon(context: Context, outcome: VerifyOutcome): Promise<void> {
  const { errors, warnings, chainBroken: chain_broken } = outcome;
  const daemon = await context.daemon();
  await daemon?.call("POST", "/verify/outcome", { errors, warnings, chain_broken });
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
