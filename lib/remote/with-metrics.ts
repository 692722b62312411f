/** Owns counting what is asked of remotes, and how long it took, once for every interface. Must never change an outcome. */
import { PfsError } from "../../schema/errors.ts";
import { LabelledCount, LabelledHistogram, type MetricFamily } from "../metric-family.ts";
import { type Decorator, decorate, type Operations } from "./operations.ts";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** Numbers of all remotes of a process. */
export class RemoteCounters {
  readonly #durations = new LabelledHistogram<"interface" | "operation" | "outcome">(
    "pfs_remote_duration_seconds",
    "How long requests to remotes took since the start, by interface (log, blobs), operation and outcome (ok, aborted, or a code); each attempt counts.",
    SECONDS,
  );
  readonly #retries = new LabelledCount<"interface" | "operation">(
    "pfs_remote_retries_total",
    "Requests to remotes that were tried again since the start, by interface (log, blobs) and operation.",
  );

  /** For withRetry. */
  retried(of: "log" | "blobs", operation: string): void {
    this.#retries.add({ interface: of, operation });
  }

  ended(of: "log" | "blobs", operation: string, outcome: string, seconds: number): void {
    this.#durations.observe({ interface: of, operation, outcome }, seconds);
  }

  families(): MetricFamily[] {
    return [this.#durations.family(), this.#retries.family()];
  }
}

/** The remote, counted. Of a stream counts the time from its beginning to its end, its reader's time included. */
export function withMetrics<Remote extends object>(
  remote: Remote,
  operations: Operations<Remote>,
  { counters, of }: { readonly counters: RemoteCounters; readonly of: "log" | "blobs" },
): Remote {
  const decorator: Decorator = {
    async answer({ name, signal, start }) {
      const startMs = performance.now();
      let outcome = "ok";
      try {
        return await start();
      } catch (error) {
        outcome = outcomeOf(error, signal);
        throw error;
      } finally {
        counters.ended(of, name, outcome, (performance.now() - startMs) / 1000);
      }
    },
    async *stream({ name, signal, start }) {
      const startMs = performance.now();
      let outcome = "ok";
      try {
        yield* start();
      } catch (error) {
        outcome = outcomeOf(error, signal);
        throw error;
      } finally {
        counters.ended(of, name, outcome, (performance.now() - startMs) / 1000);
      }
    },
  };
  return decorate(remote, operations, decorator);
}

function outcomeOf(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted === true) return "aborted";
  return error instanceof PfsError ? error.code : "error";
}
