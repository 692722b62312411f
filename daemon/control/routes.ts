/** Owns the list of the control socket's routes. */
import type { Daemon } from "../daemon.ts";
import { bookRoutes } from "./books.ts";
import { fileRoutes } from "./files.ts";
import { importRoutes } from "./import.ts";
import { logRoutes } from "./log.ts";
import { mountRoutes } from "./mounts.ts";
import type { Route } from "./route.ts";
import { statusRoutes } from "./status.ts";
import { stopRoutes } from "./stop.ts";
import { verifyRoutes } from "./verify.ts";

/** Every route, served from this daemon. */
export function routes(daemon: Daemon): readonly Route[] {
  return [
    ...statusRoutes(daemon),
    ...bookRoutes(daemon),
    ...importRoutes(daemon),
    ...fileRoutes(daemon),
    ...mountRoutes(daemon),
    ...logRoutes(daemon),
    ...verifyRoutes(daemon),
    ...stopRoutes(daemon),
  ];
}
