/** Owns the routes to conflicts: list what was refused, decide about it. */
import { conflictJson } from "../../lib/conflict-table.ts";
import type { Daemon } from "../daemon.ts";
import { findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import { check, type Route } from "./route.ts";
import { conflictId, conflictsQuery, resolveBody } from "./shapes.ts";

export function conflictRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "GET",
      path: "/conflicts",
      summary: "Saves that were refused and not decided about, oldest first, one a line; ?book=",
      async *handle({ query }) {
        const { book } = check(conflictsQuery, Object.fromEntries(query));
        for (const conflict of daemon.reader.conflicts(book)) yield conflictJson(conflict);
      },
    },
    {
      method: "POST",
      path: "/conflicts/:id/resolve",
      summary: 'Ends a conflict with {"choice": "mine"}, "theirs" or "merged".',
      handle({ params, body }) {
        const { choice, actor } = check(resolveBody, body);
        const id = check(conflictId, params.id);
        return daemon.host.call("resolveConflict", {
          id,
          choice,
          actor: actor ?? currentActor(findAgent(undefined)),
        });
      },
    },
  ];
}
