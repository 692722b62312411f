/** `pfs doctor`: whether machine and store are fit, and what to do where they are not. */
import type { Command } from "commander";
import type { Diagnosis, DiagnosisStatus } from "../doctor/diagnosis.ts";
import { examineMachine, machinePlaces } from "../doctor/machine.ts";
import { examineService } from "../doctor/service.ts";
import { examineStore } from "../doctor/store.ts";
import type { ContextOf } from "./command.ts";
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
        "records, the clock, conflicts), the configuration, the daemon and its mounts. Each line is pass, warn or fail, with " +
        "what to do. Changes nothing; for a moment it mounts an empty directory of its own.",
    )
    .addHelpText(
      "after",
      "\nExit codes: 1 when a line says fail.\n\nExample:\n  pfs doctor --json | jq -r 'select(.status != \"pass\") | .fix'",
    )
    .action(async (_options: object, command: Command) => {
      const { output, storeDirectory } = contextOf(command);
      const bar = new ProgressBar("Examining");
      const seen: Diagnosis[] = [];
      try {
        seen.push(...(await examineMachine(machinePlaces())));
        seen.push(
          ...(await examineStore(storeDirectory, (done, total) => bar.update(done, total, "records"))),
        );
        seen.push(...(await examineService(storeDirectory)));
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
