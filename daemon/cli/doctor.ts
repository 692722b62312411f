/** `pfs doctor`: whether machine and store are fit, and what to do where they are not. */
import type { Command } from "commander";
import { StoreReader } from "../../lib/reader.ts";
import type { ConfiguredRemote } from "../../schema/config.ts";
import { PfsError } from "../../schema/errors.ts";
import { configPlace, readConfig } from "../config-file.ts";
import { type Diagnosis, type DiagnosisStatus, fail } from "../doctor/diagnosis.ts";
import { examineMachine, machinePlaces } from "../doctor/machine.ts";
import { type ExaminedRemote, examineRemotes, remotesOf } from "../doctor/remotes.ts";
import { examineService } from "../doctor/service.ts";
import { examineStore } from "../doctor/store.ts";
import { findConfiguredUrls } from "../remote-urls.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { Told } from "./failure.ts";
import { ProgressBar } from "./progress-bar.ts";
import { type Style, styled } from "./style.ts";
import { columns, counted } from "./text.ts";

const STYLES: Readonly<Record<DiagnosisStatus, Style>> = { pass: "green", warn: "yellow", fail: "red" };

export function addDoctor(program: Command, contextOf: ContextOf): void {
  program
    .command("doctor")
    .summary("whether machine and store are fit, and what to do where not")
    .description(
      "Looks at the machine (Node, /dev/fuse, fusermount3, what the kernel offers, limits), the store (its directory, disk, " +
        "records, the clock, conflicts), the configuration, the daemon and its mounts, and asks each remote whether it answers, " +
        "may be written and has the same time: as the daemon if one runs, with its credentials. Each line is pass, warn or " +
        "fail, with what to do. Changes nothing; for a moment it mounts an empty directory of its own.",
    )
    .addHelpText(
      "after",
      "\nExit codes: 1 when a line says fail.\n\nExample:\n  pfs doctor --json | jq -r 'select(.status != \"pass\") | .fix'",
    )
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const { output, storeDirectory } = context;
      const bar = new ProgressBar("Examining");
      const seen: Diagnosis[] = [];
      try {
        seen.push(...(await examineMachine(machinePlaces())));
        seen.push(
          ...(await examineStore(storeDirectory, (done, total) => bar.update(done, total, "records"))),
        );
        seen.push(...(await examineService(storeDirectory)));
        seen.push(...(await askRemotes(context)));
      } finally {
        bar.end();
      }
      for (const each of seen) output.put(each);
      const rows = seen.map(({ status, check, message }) => [styled(STYLES[status], status), check, message]);
      for (const [index, line] of columns(rows).entries()) {
        output.say(line);
        const fix = seen[index]?.fix ?? null;
        if (fix !== null) output.say(`      → ${fix}`);
      }
      const count = (status: DiagnosisStatus) => seen.filter((each) => each.status === status).length;
      const [warnings, failures] = [count("warn"), count("fail")];
      output.say(`${counted(failures, "failure")}, ${counted(warnings, "warning")}.`);
      if (failures > 0) throw new Told();
    });
}

/** The daemon may have other credentials than whoever looks; what is only configured yet nobody has asked for. */
async function askRemotes(context: Context): Promise<Diagnosis[]> {
  const { storeDirectory } = context;
  const shared = sharedIn(storeDirectory);
  const known = new Set(shared.map(({ bookId }) => bookId));
  const seen: Diagnosis[] = [];
  const configured = configuredRemotes().flatMap((remote) => {
    if (known.has(remote.bookId)) return [];
    try {
      return [{ bookId: remote.bookId, ...findConfiguredUrls(remote), remoteId: undefined }];
    } catch (error) {
      if (!(error instanceof PfsError)) throw error;
      const fix = error.hint ?? "Correct the configuration.";
      seen.push(fail("remotes", `${remote.bookId}: ${error.message}`, fix));
      return [];
    }
  });
  try {
    const daemon = shared.length === 0 ? undefined : await context.daemon();
    if (daemon === undefined)
      return [...seen, ...(await examineRemotes([...shared, ...configured], storeDirectory))];
    for await (const line of daemon.stream("GET", "/remotes")) seen.push(line as Diagnosis);
    return [...seen, ...(await examineRemotes(configured, storeDirectory))];
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    return [fail("remotes", error.message, error.hint ?? "`pfs stop` ends the daemon; start it anew.")];
  }
}

/** What is wrong with the store itself was said. */
function sharedIn(storeDirectory: string): ExaminedRemote[] {
  try {
    const reader = StoreReader.open(storeDirectory);
    try {
      return remotesOf(reader);
    } finally {
      reader.close();
    }
  } catch (error) {
    if (error instanceof PfsError) return [];
    throw error;
  }
}

/** What is wrong with the configuration was said. */
function configuredRemotes(): readonly ConfiguredRemote[] {
  try {
    return readConfig(configPlace())?.remotes ?? [];
  } catch (error) {
    if (error instanceof PfsError) return [];
    throw error;
  }
}
