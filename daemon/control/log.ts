/** Owns the routes to the log: its rows, and that what was just removed is in it. */
import { setImmediate as breathe } from "node:timers/promises";
import { readLog } from "../../lib/history.ts";
import type { Daemon } from "../daemon.ts";
import { SETTLE_AGE_MS } from "../settle-age.ts";
import { check, type Route } from "./route.ts";
import { logQuery, settleBody } from "./shapes.ts";

/** Rows between which the thread does something else. */
const SLICE_ROWS = 500;

export function logRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "GET",
      path: "/log",
      summary:
        "Rows of the log, newest first, one a line; ?book=&path=&below=&glob=&user=&agent=&operation=&status=&since=&until=&follow=1&limit=",
      async *handle({ query }) {
        const { book, follow, limit, user: userId, ...rest } = check(logQuery, Object.fromEntries(query));
        await daemon.host.call("settle", { bookId: book, minimumAgeMs: SETTLE_AGE_MS });
        const given = Object.fromEntries(
          Object.entries({ ...rest, userId }).filter(([, value]) => value !== undefined),
        );
        let rows = 0;
        const question = { ...given, followRenames: follow === "1", limit };
        for (const row of readLog(
          daemon.reader,
          book === undefined ? question : { ...question, bookId: book },
        )) {
          yield row;
          if (++rows % SLICE_ROWS === 0) await breathe();
        }
      },
    },
    {
      method: "POST",
      path: "/settle",
      summary: "Enters in the log what was just removed and not written again.",
      async handle({ body }) {
        const { book } = check(settleBody, body);
        await daemon.host.call("settle", { bookId: book, minimumAgeMs: SETTLE_AGE_MS });
        return {};
      },
    },
  ];
}
