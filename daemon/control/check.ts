/** Owns the route that has something compared now. */
import type { Daemon } from "../daemon.ts";
import { check, type Route } from "./route.ts";
import { checkBody } from "./shapes.ts";

export function checkRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "POST",
      path: "/check",
      summary:
        'Begins to compare journal, log and bytes in the background; {"book": …}: what the remote has of that book. Status says what comes of it.',
      handle({ body }) {
        const { book } = check(checkBody, body);
        // Throws for a book that is not shared.
        if (book !== undefined) daemon.syncer.book(book);
        daemon.checks.soon(book ?? "store");
        return daemon.checks.status();
      },
    },
  ];
}
