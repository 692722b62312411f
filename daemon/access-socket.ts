/**
 * The socket by which other Unix users of the machine mount: owns where it may be and how it is opened to all. Must never
 * decide who may do what.
 */
import { lstat, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Access, AccessRule } from "../schema/access.ts";
import { PfsError } from "../schema/errors.ts";
import { ControlServer } from "./control/control-server.ts";
import { guestRoutes } from "./control/guest-mounts.ts";
import type { Daemon } from "./daemon.ts";

/** Anybody may connect; what follows is for the rules. */
const OPEN_TO_ALL = 0o666;
const MAX_CONNECTIONS_EACH = 16;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * @param rules those that hold now
 * @throws PfsError NOT_PERMITTED when the socket cannot be there, or this process is not root; Node's system error
 */
export async function openAccessSocket(
  { socket }: Access,
  rules: () => readonly AccessRule[],
  daemon: Pick<Daemon, "mount" | "mounts">,
): Promise<ControlServer> {
  if (process.geteuid?.() !== 0) throw refused("only root can mount for others", "Leave out `access`.");
  const folder = dirname(socket);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const { uid, mode } = await stat(folder);
  if (uid !== 0 || (mode & WRITABLE_BY_OTHERS) !== 0)
    throw refused(`others could replace ${socket}`, "Choose a directory that only root may write to.");
  const found = await lstat(socket).catch(() => undefined);
  if (found !== undefined && !found.isSocket())
    throw refused(`${socket} is there and is no socket`, "Choose another name, or remove it.");
  return ControlServer.listen({
    address: { path: socket, close: () => undefined },
    mode: OPEN_TO_ALL,
    routes: guestRoutes(daemon, rules),
    admits: () => true,
    maxConnectionsEach: MAX_CONNECTIONS_EACH,
  });
}

function refused(why: string, hint: string): PfsError {
  return new PfsError("NOT_PERMITTED", `The socket for other users is not opened: ${why}.`, { hint });
}
