/** Owns the list of the control socket's routes. */
import type { Daemon } from "../daemon.ts";
import { archiveRoutes } from "./archive.ts";
import { bookRoutes } from "./books.ts";
import { checkRoutes } from "./check.ts";
import { conflictRoutes } from "./conflicts.ts";
import { fileRoutes } from "./files.ts";
import { garbageRoutes } from "./garbage.ts";
import { importRoutes } from "./import.ts";
import { logRoutes } from "./log.ts";
import { monitorRoutes } from "./monitor.ts";
import { mountRoutes } from "./mounts.ts";
import { overlayRoutes } from "./overlays.ts";
import { pastRoutes } from "./past.ts";
import { retentionRoutes } from "./retention.ts";
import type { Route } from "./route.ts";
import { statusRoutes } from "./status.ts";
import { stopRoutes } from "./stop.ts";
import { syncRoutes } from "./sync.ts";
import { verifyRoutes } from "./verify.ts";

/** Every route, served from this daemon. */
export function routes(daemon: Daemon): readonly Route[] {
  return [
    ...statusRoutes(daemon),
    ...bookRoutes(daemon),
    ...importRoutes(daemon),
    ...fileRoutes(daemon),
    ...pastRoutes(daemon),
    ...archiveRoutes(daemon),
    ...mountRoutes(daemon),
    ...overlayRoutes(daemon),
    ...logRoutes(daemon),
    ...conflictRoutes(daemon),
    ...syncRoutes(daemon),
    ...verifyRoutes(daemon),
    ...checkRoutes(daemon),
    ...garbageRoutes(daemon),
    ...retentionRoutes(daemon),
    ...monitorRoutes(daemon),
    ...stopRoutes(daemon),
  ];
}
