/**
 * Owns the pages that monitoring asks for, the same on the control socket and on the HTTP port: /metrics, /healthz, /readyz.
 * Must never change anything.
 */

import type { Health, HealthChecks } from "./health.ts";
import { METRICS_TYPE, type Metrics } from "./metrics.ts";

/** An HTTP answer that is no JSON object with status 200. */
export class Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;

  constructor(status: number, contentType: string, body: string) {
    this.status = status;
    this.contentType = contentType;
    this.body = body;
  }
}

export interface MonitorPage {
  readonly path: `/${string}`;
  readonly summary: string;
  make(): Promise<Page> | Page;
}

export function monitorPages(metrics: Metrics, health: HealthChecks): readonly MonitorPage[] {
  return [
    {
      path: "/metrics",
      summary: "What was counted and measured, as Prometheus reads it.",
      make: async () => new Page(200, METRICS_TYPE, await metrics.text()),
    },
    {
      path: "/healthz",
      summary: "Whether the process is alive, with a reason.",
      make: () => healthPage(health.alive()),
    },
    {
      path: "/readyz",
      summary:
        "Whether store and mounts answer and neither the last verify nor the check in the background found an error, with reasons; 503 if not.",
      make: async () => healthPage(await health.ready()),
    },
  ];
}

function healthPage(health: Health): Page {
  return new Page(health.status === "pass" ? 200 : 503, "application/json", `${JSON.stringify(health)}\n`);
}
