/** Owns the route that deletes a book's file. */
import { parseTreePath } from "../../schema/paths.ts";
import type { Daemon } from "../daemon.ts";
import { findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import { check, type Route } from "./route.ts";
import { bookId, deleteQuery } from "./shapes.ts";

export function fileRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "DELETE",
      path: "/books/:book/files",
      summary: "Deletes ?path=…&agent=…; a file that is not there is no failure.",
      handle({ params, query }) {
        const { path, agent } = check(deleteQuery, Object.fromEntries(query));
        return daemon.host.call("deleteFile", {
          bookId: check(bookId, params.book),
          path: parseTreePath(path),
          actor: currentActor(agent ?? findAgent(undefined)),
        });
      },
    },
  ];
}
