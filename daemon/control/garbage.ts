/** Owns the route that removes what the store keeps for nobody. */
import type { Garbage } from "../../lib/garbage.ts";
import type { Daemon } from "../daemon.ts";
import { removeGarbage } from "../garbage.ts";
import { askThread } from "../thread-answer.ts";
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
        return await removeGarbage(
          daemon.owner,
          await askThread<Garbage>("garbage-thread", { name: "pfs-gc", data: daemon.storeDirectory }),
          isDry,
        );
      },
    },
  ];
}
