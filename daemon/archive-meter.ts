/** Owns what archives cost that this daemon makes: how long each took, and how much memory. Must never make one. */
import { gauge, Histogram, LabelledCount, type MetricFamily } from "../lib/metric-family.ts";

const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];
/** How often the memory is looked at while one is made. */
const SAMPLE_MS = 100;

export class ArchiveMeter {
  readonly #archives = new LabelledCount<"outcome">(
    "pfs_archives_total",
    "Archives that were begun since the start and have ended, by outcome: whole, partial (a timeout, a bad file, a reader that left) or failed.",
  );
  readonly #durations = new Histogram(
    "pfs_archive_duration_seconds",
    "How long each of them took, its reader's time included.",
    SECONDS,
  );
  #lastAddedBytes = 0;

  /** One is begun. To be called back when it has ended. */
  begin(): (outcome: "whole" | "partial" | "failed") => void {
    const startedMs = performance.now();
    const before = process.memoryUsage.rss();
    let most = before;
    const sample = (): void => {
      most = Math.max(most, process.memoryUsage.rss());
    };
    const timer = setInterval(sample, SAMPLE_MS);
    return (outcome) => {
      clearInterval(timer);
      sample();
      this.#archives.add({ outcome });
      this.#durations.observe((performance.now() - startedMs) / 1000);
      this.#lastAddedBytes = most - before;
    };
  }

  families(): MetricFamily[] {
    return [
      this.#archives.family(),
      this.#durations.family(),
      gauge(
        "pfs_archive_added_memory_bytes",
        "By how much the process's memory (RSS) was larger, at most, while the last archive was made (R4).",
        this.#lastAddedBytes,
      ),
    ];
  }
}
