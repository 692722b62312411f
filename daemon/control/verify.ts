/** Owns the route that checks the store. */
import type { Finding } from "../../lib/verify.ts";
import type { Daemon } from "../daemon.ts";
import { outcomeOf } from "../last-verify.ts";
import { verifyInThread } from "../verify-in-thread.ts";
import { check, type Route } from "./route.ts";
import { verifyBody } from "./shapes.ts";

export function verifyRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "POST",
      path: "/verify",
      summary:
        'Checks the store; {"rehash": false} without reading every byte. Progress and findings, one a line.',
      async *handle({ body }) {
        const { rehash } = check(verifyBody, body);
        const findings: Finding[] = [];
        for await (const event of verifyInThread({ storeDirectory: daemon.storeDirectory, rehash })) {
          if (event.type === "finding") findings.push(event);
          if (event.type === "done") daemon.lastVerify.note(outcomeOf(findings));
          yield event;
        }
      },
    },
  ];
}
