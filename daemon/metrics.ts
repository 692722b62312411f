/**
 * Owns the metrics of a daemon as text, in Prometheus' exposition format: gathers them from those who know them when somebody
 * asks, so that they cost nothing else. Must never count anything itself.
 */
import type { AggregatorRegistry } from "prom-client";
import { gauge, type MetricFamily } from "../lib/metric-family.ts";
import type { Daemon } from "./daemon.ts";
import { processMetrics } from "./process-metrics.ts";
import { StoreMetrics } from "./store-metrics.ts";

/** Source: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export class Metrics {
  readonly #daemon: Daemon;
  readonly #store: StoreMetrics;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
    this.#store = new StoreMetrics(daemon.reader);
  }

  async text(): Promise<string> {
    const { host, mounts, archives, lastVerify, remoteCounters, cache, checks } = this.#daemon;
    const [thread, store, process, registry] = await Promise.all([
      host.call("metrics", {}),
      this.#store.families(),
      processMetrics(),
      loadRegistry(),
    ]);
    const kinds = { base: 0, overlay: 0, past: 0 };
    for (const { user, position } of mounts.list())
      kinds[position !== null ? "past" : user !== null ? "overlay" : "base"]++;
    const mounted = gauge(
      "pfs_mounts",
      "Mounts, by what they show: base, overlay (a user's) or past (at=).",
      Object.entries(kinds).map(([shows, value]) => ({ labels: { shows }, value })),
    );
    const families: MetricFamily[] = [
      ...thread,
      mounted,
      ...store,
      ...lastVerify.families(),
      ...archives.families(),
      ...remoteCounters.families(),
      ...cache.families(),
      ...checks.families(),
      ...process,
    ];
    return registry.aggregate([families]).metrics();
  }
}

/** Loaded when somebody asks for the first time: most daemons are never asked. */
async function loadRegistry(): Promise<typeof AggregatorRegistry> {
  return (await import("prom-client")).default.AggregatorRegistry;
}
