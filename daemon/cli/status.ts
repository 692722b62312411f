/** `pfs status`: the daemon, its mounts and the position in the log. */
import type { Command } from "commander";
import { StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import type { DaemonStatus } from "../daemon.ts";
import { type SyncStatus, stillStatus } from "../sync-status.ts";
import type { ContextOf } from "./command.ts";
import { statusOf } from "./context.ts";
import type { Output } from "./output.ts";
import { clockTime, columns, counted, localTime, printable, readableSize } from "./text.ts";

/** The same fields whether a daemon runs or not. */
type Status = { readonly [Field in keyof DaemonStatus]: DaemonStatus[Field] | null } & Pick<
  DaemonStatus,
  "mounts" | "sync"
>;

export function addStatus(program: Command, contextOf: ContextOf): void {
  program
    .command("status")
    .summary("the daemon, its mounts, the position in the log")
    .description(
      "Says whether a daemon runs, what is mounted where and for whom, and how far the log has come.",
    )
    .addHelpText("after", "\nExample:\n  pfs status --json | jq -r '.mounts[].directory'")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const daemon = await context.daemon();
      const status: Status =
        daemon === undefined ? statusWithout(context.storeDirectory) : await statusOf(daemon);
      context.output.put(status);
      show(context.output, status);
    });
}

function statusWithout(store: string): Status {
  const none = {
    store,
    pid: null,
    version: null,
    started_at: null,
    drafts: null,
    conflicts: null,
    mounts: [],
    http: null,
    config: null,
    sync: [],
  };
  try {
    const reader = StoreReader.open(store);
    const { seq, entryHash } = reader.head();
    const conflicts = reader.countConflicts();
    const sync = stillStatus(reader);
    reader.close();
    return { ...none, seq, head: entryHash, conflicts, sync };
  } catch (error) {
    if (error instanceof PfsError && error.code === "NOT_FOUND") return { ...none, seq: null, head: null };
    throw error;
  }
}

/** How a book is shared, what waits, what went wrong and what is done about it. */
function syncText({
  book,
  log,
  state,
  pending,
  pending_bytes,
  last_sync,
  error,
  next_attempt,
}: SyncStatus): string {
  const waits =
    pending === 0
      ? "nothing waits"
      : `${counted(pending, "change")} waiting (${readableSize(pending_bytes)})`;
  const last = last_sync === null ? "" : `, last synced ${localTime(last_sync)}`;
  const doing =
    state === "syncing" ? ", syncing now" : state === "stopped" ? "; `pfs sync` sends and brings" : "";
  const again = next_attempt === null ? "" : ` It is tried again at ${clockTime(next_attempt)}.`;
  const failed = error === null ? "" : `. Failed: ${printable(error)}${again}`;
  return `${book} on ${log}: ${waits}${last}${doing}${failed}`;
}

function show(output: Output, status: Status): void {
  const { store, pid, version, started_at, seq, drafts, conflicts, mounts, http, config, sync } = status;
  const daemon =
    pid === null
      ? "none runs"
      : `process ${pid}, version ${version}, since ${localTime(started_at as string)}`;
  const rows = [
    ["store", seq === null ? `${store} (not made yet)` : `${store}`],
    ["daemon", daemon],
    ["log", counted(seq ?? 0, "row")],
  ];
  if (drafts !== null) rows.push(["drafts", `${counted(drafts, "file")} open and not saved`]);
  if ((conflicts ?? 0) > 0) rows.push(["conflicts", `${conflicts}; \`pfs conflicts\` lists them`]);
  if (http !== null) rows.push(["monitor", `http://${http}/metrics`]);
  if (config !== null && (config.read_at !== null || config.problems.length > 0))
    rows.push(["config", config.file]);
  for (const problem of config?.problems ?? []) rows.push(["problem", printable(problem)]);
  for (const each of sync) rows.push(["sync", syncText(each)]);
  if (pid !== null) rows.push(["mounts", mounts.length === 0 ? "none" : `${mounts.length}`]);
  for (const line of columns(rows)) output.say(line);
  const lines = mounts.map(({ directory, book, agent, options }) => [
    `  ${directory}`,
    book,
    options,
    `agent ${agent}`,
  ]);
  for (const line of columns(lines)) output.say(line);
}
