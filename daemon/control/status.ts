/** Owns the route that says how the daemon is. */
import type { Daemon } from "../daemon.ts";
import type { Route } from "./route.ts";

export function statusRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "GET",
      path: "/status",
      summary: "The daemon's process, its mounts and the position in the log.",
      handle: () => daemon.status(),
    },
  ];
}
