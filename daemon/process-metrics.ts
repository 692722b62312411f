/** Owns the metrics of the daemon's process. Must never start anything that runs on. */
import { readdir } from "node:fs/promises";
import { counter, gauge, type MetricFamily } from "../lib/metric-family.ts";
import { packageVersion } from "./module-file.ts";

export async function processMetrics(): Promise<MetricFamily[]> {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const descriptors = await readdir("/proc/self/fd");
  return [
    gauge("pfs_build_info", "Always 1; the labels say which version runs, and on which Node.", [
      { labels: { version: packageVersion(), node: process.versions.node }, value: 1 },
    ]),
    gauge(
      "pfs_process_start_time_seconds",
      "When the daemon was started, seconds since 1970.",
      performance.timeOrigin / 1000,
    ),
    counter(
      "pfs_process_cpu_seconds_total",
      "CPU time of all threads, user and system.",
      (user + system) / 1e6,
    ),
    gauge("pfs_process_resident_memory_bytes", "Memory of the process (RSS).", rss),
    gauge("pfs_process_heap_used_bytes", "Of that, what the main thread's heap holds.", heapUsed),
    gauge("pfs_process_open_fds", "Open file descriptors.", descriptors.length),
  ];
}
