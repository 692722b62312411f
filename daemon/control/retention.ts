/** Owns the route that moves old rows of a book's log into segments, or brings them back. */
import type { Daemon } from "../daemon.ts";
import { check, type Route } from "./route.ts";
import { bookId, retentionBody } from "./shapes.ts";

export function retentionRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "POST",
      path: "/books/:book/retention",
      summary:
        'Moves rows of the log that are older than {"before": "2026-01-31T00:00:00.000Z"} into segments; {"recall": true} brings all back.',
      async handle({ params, body }) {
        const book = check(bookId, params.book);
        const asked = check(retentionBody, body);
        if ("before" in asked) return await daemon.retention.move(book, asked.before);
        return { rows: await daemon.retention.recall(book) };
      },
    },
  ];
}
