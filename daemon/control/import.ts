/** Owns the route that brings a directory into a book. */
import type { Daemon } from "../daemon.ts";
import { findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import { check, type Route } from "./route.ts";
import { bookId, importBody } from "./shapes.ts";

export function importRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "POST",
      path: "/books/:book/import",
      summary: 'Imports {"directory": "/…", "into": "content"}; answers progress and a summary, one a line.',
      handle({ params, body }) {
        const { directory, into, schema, actor } = check(importBody, body);
        return daemon.import({
          bookId: check(bookId, params.book),
          directory,
          into,
          profileJson: schema,
          actor: actor ?? currentActor(findAgent(undefined)),
        });
      },
    },
  ];
}
