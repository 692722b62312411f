/** Tells what happens to a person at a terminal: one line for each save and each refusal. */
import type { LogRow } from "../schema/log-row.ts";
import { whoDid } from "./cli/log-lines.ts";
import type { Output } from "./cli/output.ts";
import { clockTime, printable } from "./cli/text.ts";
import type { Reporter } from "./reporter.ts";

const verbs: Readonly<Record<LogRow["operation"], string>> = {
  create: "created",
  update: "saved",
  delete: "removed",
  rename: "renamed",
  attributes: "changed",
  hide: "hid",
  revert: "reverted",
  cover: "covered",
  uncover: "uncovered",
};
const VERB_WIDTH = 9;

/** A reporter that writes lines for people to `output`, or with --json the objects themselves; faults to standard error. */
export function makeTerminalReporter(output: Output): Reporter {
  const tell = (time: string, verb: string, rest: string): void =>
    output.say(`${clockTime(time)}  ${verb.padEnd(VERB_WIDTH)} ${rest}`);
  const now = (): string => new Date().toISOString();
  return {
    wantsChanges: true,
    started: () => undefined,
    mounted(mount) {
      const { book, directory, options, agent } = mount;
      tell(now(), "mounted", `${book} on ${directory} (${options}, agent ${agent})`);
      output.put({ event: "mounted", ...mount });
    },
    lacks: (message) => tellFault(message),
    unmounted(mount) {
      tell(now(), "unmounted", `${mount.book} from ${mount.directory}`);
      output.put({ event: "unmounted", ...mount });
    },
    imported({ type: _type, ...summary }, directory) {
      const { book, created, updated, unchanged } = summary;
      tell(
        now(),
        "imported",
        `${directory} into ${book}: ${created} created, ${updated} updated, ${unchanged} unchanged`,
      );
      output.put({ event: "imported", directory, ...summary });
    },
    row(row) {
      if (row.status !== "ok") return;
      output.put({ event: "row", ...row });
      const path = pathOf(row);
      if (path !== undefined) tell(row.timestamp, verbs[row.operation], `${path}  (${whoDid(row)})`);
    },
    refusal(book, refusal) {
      const { time, path, agent, command, code, message, hint, count } = refusal;
      tell(time, "refused", `${path}  (${agent}, ${command})${count === 1 ? "" : `, ${count} times`}`);
      if (count === 1) output.say(`          ${code}: ${message}${hint === null ? "" : ` ${hint}`}`);
      output.put({ event: "refusal", book, ...refusal });
    },
    busy: (message) => tellFault(`${message} Waiting; Ctrl-C again takes it away at once.`),
    differs: (message) => tellFault(`check: ${message}`),
    fault: (operation, message) => tellFault(`${operation}: ${message}`),
    stopped: () => undefined,
  };
}

/** A rename is two rows, of which one is shown. */
function pathOf({ operation, path, prev_path, new_hash }: LogRow): string | undefined {
  if (operation !== "rename") return path;
  return new_hash === null ? undefined : `${prev_path} → ${path}`;
}

function tellFault(text: string): void {
  process.stderr.write(`pfs: ${printable(text)}\n`);
}
