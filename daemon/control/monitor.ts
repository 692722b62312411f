/** Owns the routes that monitoring asks for, and the one by which `pfs verify` tells the daemon what it has found. */
import type { Daemon } from "../daemon.ts";
import { check, type Route } from "./route.ts";
import { verifyOutcomeBody } from "./shapes.ts";

export function monitorRoutes(daemon: Daemon): Route[] {
  const pages = daemon.monitorPages.map(({ path, summary, make }): Route => {
    return { method: "GET", path, summary, servesWhileStopping: true, handle: make };
  });
  return [
    ...pages,
    {
      method: "POST",
      path: "/verify/outcome",
      summary:
        'Tells what a check by somebody else has found: {"errors": 0, "warnings": 0, "chain_broken": false}.',
      handle({ body }) {
        const { errors, warnings, chain_broken: chainBroken } = check(verifyOutcomeBody, body);
        daemon.lastVerify.note({ errors, warnings, chainBroken });
        if (errors > 0 || daemon.checks.ofStore().length > 0) daemon.checks.soon("store");
        return {};
      },
    },
  ];
}
