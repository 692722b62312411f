/**
 * Owns what is counted of a store's work since it was opened: numbers in memory, which cost a write less than a microsecond.
 * Must never be asked for a decision.
 */
import { type ErrorCode, errorCodes } from "../schema/errors.ts";
import { BASE } from "../schema/ids.ts";
import { type LogRow, localOperations } from "../schema/log-row.ts";
import type { RowMaker } from "./log.ts";
import { Histogram, LabelledCount, type MetricFamily } from "./metric-family.ts";

const WRITE_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const PLANNED_FILES = [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000];

export class Counters {
  readonly #writes = new LabelledCount<"operation" | "status" | "layer" | "mode">(
    "pfs_writes_total",
    "Changes and refused changes in the log since the start, by operation, status (ok, refused), layer (base, overlay) and the writer's check mode (seen, require, off; none: no mount).",
  );
  readonly #durations = new Histogram(
    "pfs_write_duration_seconds",
    "How long each of them took, from the request to its row of the log.",
    WRITE_SECONDS,
  );
  readonly #refusals = new LabelledCount<"code">(
    "pfs_refusals_total",
    "What was refused since the start, by code; each time counts, also those of which the log has one row for many.",
    Object.keys(errorCodes).map((code) => ({ code })),
  );
  readonly #plans = new Histogram(
    "pfs_plan_files",
    "How many files the plans have listed that were read in .pfs/plan since the start.",
    PLANNED_FILES,
  );

  /** A row of the log was committed. A rename is two rows and one change; what follows for others of a change is none. */
  wrote(row: LogRow, { check }: Pick<RowMaker, "check">): void {
    const { operation, status } = row;
    if (localOperations.includes(operation)) return;
    if (operation === "rename" && status === "ok" && row.prev_path === null) return;
    const layer = row.user_id === BASE ? "base" : "overlay";
    this.#writes.add({ operation, status, layer, mode: check ?? "none" });
    this.#durations.observe(row.execution_time_ms / 1000);
  }

  refused(code: ErrorCode): void {
    this.#refusals.add({ code });
  }

  planned(files: number): void {
    this.#plans.observe(files);
  }

  families(): MetricFamily[] {
    return [this.#writes, this.#durations, this.#refusals, this.#plans].map((each) => each.family());
  }
}
