/** Owns the route that removes what the store keeps for nobody. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Garbage } from "../../lib/garbage.ts";
import type { Daemon } from "../daemon.ts";
import { errorFrom } from "../error-report.ts";
import { removeGarbage } from "../garbage.ts";
import type { GarbageReport } from "../garbage-thread.ts";
import { moduleFile } from "../module-file.ts";
import { check, type Route } from "./route.ts";
import { garbageBody } from "./shapes.ts";

export function garbageRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "POST",
      path: "/gc",
      summary: 'Removes bytes that nothing needs any more; {"dry_run": true} only says what it would remove.',
      async handle({ body }) {
        const { dry_run: isDry } = check(garbageBody, body);
        return await removeGarbage(daemon.owner, await findInThread(daemon.storeDirectory), isDry);
      },
    },
  ];
}

async function findInThread(storeDirectory: string): Promise<Garbage> {
  const worker = new Worker(moduleFile("garbage-thread"), { name: "pfs-gc", workerData: storeDirectory });
  try {
    const [report] = (await once(worker, "message")) as [GarbageReport];
    if ("error" in report) throw errorFrom(report.error);
    return report.garbage;
  } finally {
    await worker.terminate();
  }
}
