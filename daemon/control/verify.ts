/** Owns the route that checks the store. */
import type { Daemon } from "../daemon.ts";
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
      handle({ body }) {
        const { rehash } = check(verifyBody, body);
        return verifyInThread({ storeDirectory: daemon.storeDirectory, rehash });
      },
    },
  ];
}
