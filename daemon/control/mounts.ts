/** Owns the routes to the daemon's mounts: make and end one. */
import { parseMountOptions } from "../../schema/mount-options.ts";
import type { Daemon } from "../daemon.ts";
import { findAgent } from "../default-agent.ts";
import { check, type Route } from "./route.ts";
import { mountBody, unmountQuery } from "./shapes.ts";

export function mountRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "GET",
      path: "/mounts",
      summary: "The mounts, one a line.",
      async *handle() {
        yield* daemon.mounts.list();
      },
    },
    {
      method: "POST",
      path: "/mounts",
      summary: 'Mounts {"book": "my-book", "directory": "/…", "options": "agent=alice,ro"}.',
      handle({ body }) {
        const { book, directory, options, mounter, agent: otherwise } = check(mountBody, body);
        const { agent = otherwise, ...mode } = parseMountOptions(options);
        return daemon.mount({
          ...mode,
          ...{ bookId: book, directory, agent: agent ?? findAgent(undefined), mounter },
        });
      },
    },
    {
      method: "DELETE",
      path: "/mounts",
      summary: "Unmounts ?directory=/…; &lazy=1 also when it is in use.",
      handle({ query }) {
        const { directory, lazy } = check(unmountQuery, Object.fromEntries(query));
        return daemon.mounts.unmount(directory, { lazy: lazy === "1" });
      },
    },
  ];
}
