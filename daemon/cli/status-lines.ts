/** Owns how a store is told at a glance: `pfs status`, and `pfs top` again and again. */
import { readLog } from "../../lib/history.ts";
import { StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import type { LogRow } from "../../schema/log-row.ts";
import type { CacheStatus } from "../cache-keeper.ts";
import type { DaemonStatus } from "../daemon-status.ts";
import { type CheckStatus, type KnownDifference, stillCheckStatus } from "../desync-checks.ts";
import type { Health } from "../health.ts";
import { type SyncStatus, stillStatus } from "../sync-status.ts";
import { type Context, statusOf } from "./context.ts";
import { isMoveAway, logLines } from "./log-lines.ts";
import { type Cell, styled } from "./style.ts";
import { ageOf, clockTime, columns, counted, localTime, readableSize } from "./text.ts";

/** The same fields whether a daemon runs or not. */
export type Status = { readonly [Field in keyof DaemonStatus]: DaemonStatus[Field] | null } & Pick<
  DaemonStatus,
  "mounts" | "sync" | "check"
>;

export interface Seen {
  readonly status: Status;
  /** Undefined without a daemon. */
  readonly health: Health | undefined;
  /** The last ones, newest first. */
  readonly changes: readonly LogRow[];
}

const CHANGES = 5;

/**
 * How a store and its daemon are at this moment, and what was changed last.
 * @throws as findDaemon and StoreReader.open, but for a store that is not made yet
 */
export async function look(context: Context, changes = CHANGES): Promise<Seen> {
  const { storeDirectory } = context;
  const daemon = await context.daemon();
  if (daemon === undefined) return { ...lookWithout(storeDirectory, changes), health: undefined };
  const [status, health] = await Promise.all([statusOf(daemon), daemon.call("GET", "/readyz")]);
  return {
    status,
    health: health as Health,
    changes: withReader(storeDirectory, (reader) => lastChanges(reader, changes)) ?? [],
  };
}

function lookWithout(store: string, changes: number): Omit<Seen, "health"> {
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
    cache: null,
    check: { interval_seconds: null, parts: [], differences: [] },
    retention: null,
  };
  const seen = withReader(store, (reader): Omit<Seen, "health"> => {
    const { seq, entryHash } = reader.head();
    const there = { seq, head: entryHash, conflicts: reader.countConflicts() };
    const shared = { sync: stillStatus(reader), check: stillCheckStatus(reader) };
    return { status: { ...none, ...there, ...shared }, changes: lastChanges(reader, changes) };
  });
  return seen ?? { status: { ...none, seq: null, head: null }, changes: [] };
}

/** Undefined when the store is not made yet. */
function withReader<Result>(store: string, use: (reader: StoreReader) => Result): Result | undefined {
  let reader: StoreReader;
  try {
    reader = StoreReader.open(store);
  } catch (error) {
    if (error instanceof PfsError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
  try {
    return use(reader);
  } finally {
    reader.close();
  }
}

function lastChanges(reader: StoreReader, limit: number): LogRow[] {
  // Of a rename one row is told.
  const rows = [...readLog(reader, { limit: 2 * limit })];
  return rows.filter((row) => !isMoveAway(row)).slice(0, limit);
}

export function statusLines({ status, health, changes }: Seen, nowMs: number): Cell[][] {
  const { mounts } = status;
  const users = mounts.map(({ directory, book, agent, options }) => [
    `  ${directory}`,
    book,
    options,
    `agent ${agent}`,
  ]);
  const lines = changes.flatMap((row) => logLines(row, ageOf(row.timestamp, nowMs).padEnd(14)).slice(0, 1));
  return [
    ...columns(overviewOf(status, health)),
    ...columns(users),
    ...(lines.length === 0 ? [] : [["last changes"]]),
    ...lines.map(([time = "", ...others]) => ["", time, ...others]),
  ];
}

function overviewOf(status: Status, health: Health | undefined): Cell[][] {
  const {
    store,
    pid,
    version,
    started_at,
    seq,
    drafts,
    conflicts,
    mounts,
    http,
    config,
    sync,
    cache,
    check,
    retention,
  } = status;
  const daemon =
    pid === null
      ? styled("yellow", "none runs")
      : `process ${pid}, version ${version}, since ${localTime(started_at as string)}`;
  const rows: Cell[][] = [
    ["store", seq === null ? `${store} (not made yet)` : `${store}`],
    ["daemon", daemon],
  ];
  if (health !== undefined)
    rows.push(["health", styled(health.status === "pass" ? "green" : "red", health.reason)]);
  rows.push(["log", counted(seq ?? 0, "row")]);
  if (drafts !== null) rows.push(["drafts", `${counted(drafts, "file")} open and not saved`]);
  if ((conflicts ?? 0) > 0)
    rows.push(["conflicts", styled("yellow", `${conflicts}; \`pfs conflicts\` lists them`)]);
  if (http !== null) rows.push(["monitor", `http://${http}/metrics`]);
  if (config !== null && (config.read_at !== null || config.problems.length > 0))
    rows.push(["config", config.file]);
  for (const problem of config?.problems ?? []) rows.push(["problem", styled("red", problem)]);
  for (const each of sync) rows.push(["sync", syncCell(each)]);
  if (cache !== null) rows.push(["cache", cacheCell(cache)]);
  for (const each of check.differences) rows.push(["differs", styled("red", differenceText(each))]);
  if (check.parts.length > 0) rows.push(["checks", checkCell(check, pid !== null)]);
  if (retention?.problem != null) rows.push(["retention", styled("yellow", retention.problem)]);
  if (pid !== null) rows.push(["mounts", mounts.length === 0 ? "none" : `${mounts.length}`]);
  return rows;
}

function differenceText({ book, kind, count, first, fix }: KnownDifference): string {
  const what = `${book === null ? "" : `${book}, `}${kind.replace("_", " ")}`;
  return `${what}: ${count === 1 ? "" : `${count} differences, the first: `}${first} ${fix}`;
}

/** When journal, log, bytes and remotes were last compared. */
function checkCell({ parts, interval_seconds }: CheckStatus, isDaemon: boolean): Cell {
  const told = parts.map(({ part, book, checked_at, is_running, problem }) => {
    const when = checked_at === null ? "not yet" : localTime(checked_at);
    const now = is_running ? ", going on" : problem === null ? "" : ` (${problem})`;
    return `${part === "store" ? "store" : `remote of ${book}`} ${when}${now}`;
  });
  const off = isDaemon && interval_seconds === null ? "; `check_interval` is off" : "";
  return `${told.join(", ")}${off}`;
}

function cacheCell({ bytes, limit_bytes, problem }: CacheStatus): Cell {
  const here = bytes === null ? "not counted yet" : `${readableSize(bytes)} of blobs here`;
  const told = `${here}, limit ${readableSize(limit_bytes)}`;
  return problem === null ? told : styled("yellow", `${told}. ${problem}`);
}

/** How a book is shared, what waits, what went wrong and what is done about it. */
function syncCell(sync: SyncStatus): Cell {
  const { book, log, state, pending, pending_bytes, last_sync, error, next_attempt } = sync;
  const waits =
    pending === 0
      ? "nothing waits"
      : `${counted(pending, "change")} waiting (${readableSize(pending_bytes)})`;
  const last = last_sync === null ? "" : `, last synced ${localTime(last_sync)}`;
  const doing =
    state === "syncing" ? ", syncing now" : state === "stopped" ? "; `pfs sync` sends and brings" : "";
  const told = `${book} on ${log}: ${waits}${last}${doing}`;
  if (error === null) return pending === 0 ? told : styled("yellow", told);
  const again = next_attempt === null ? "" : ` It is tried again at ${clockTime(next_attempt)}.`;
  return styled("red", `${told}. Failed: ${error}${again}`);
}
