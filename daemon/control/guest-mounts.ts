/**
 * Owns the routes of the socket for other Unix users: who the kernel says is there mounts what the rules admit. Must never
 * believe what a request says of who asks.
 */
import { findUnixUser } from "../../lib/libc.ts";
import { type AccessRule, admitMount } from "../../schema/access.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseMountOptions } from "../../schema/mount-options.ts";
import type { Daemon } from "../daemon.ts";
import { check, type Route } from "./route.ts";
import { mountBody } from "./shapes.ts";

/** How many mounts one Unix user may have at once. */
const MAX_MOUNTS = 16;

/** @param rules those that hold now, asked for at each request */
export function guestRoutes(
  daemon: Pick<Daemon, "mount" | "mounts">,
  rules: () => readonly AccessRule[],
): Route[] {
  return [
    {
      method: "GET",
      path: "/mounts",
      summary: "Your mounts, one a line.",
      async *handle({ peer }) {
        yield* daemon.mounts.listOf(peer.uid);
      },
    },
    {
      method: "POST",
      path: "/mounts",
      summary: 'Mounts {"book": "my-book", "directory": "/…", "options": "user=alice"} for you alone.',
      async handle({ body, peer }) {
        const { book: bookId, directory, options, agent: otherwise } = check(mountBody, body);
        const { agent: named = otherwise, allowOther, ...mode } = parseMountOptions(options);
        if (mode.transport !== "kernel") {
          throw new PfsError(
            "NOT_PERMITTED",
            "A daemon of another Unix user mounts with transport=kernel only.",
          );
        }
        const own = rules().filter(({ unixUser }) => findUnixUser(unixUser) === peer.uid);
        const { userId } = mode;
        const agent = admitMount(own, { bookId, userId, agent: named, allowOther });
        if (daemon.mounts.listOf(peer.uid).length >= MAX_MOUNTS) {
          throw new PfsError("NOT_PERMITTED", `You have ${MAX_MOUNTS} mounts already, which is the most.`, {
            hint: "Unmount one with `pfs umount DIR`.",
          });
        }
        return daemon.mount({ ...mode, bookId, directory, agent, allowOther: false, guest: peer });
      },
    },
  ];
}
