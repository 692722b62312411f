/**
 * The socket by which other Unix users of the machine mount: owns where it may be and how it is opened to all. Must never
 * decide who may do what.
 */
import { chmod, lstat, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { mounterSocket } from "../mount/kernel/mounter.ts";
import type { Access, AccessRule } from "../schema/access.ts";
import { PfsError } from "../schema/errors.ts";
import { ControlServer } from "./control/control-server.ts";
import { guestRoutes } from "./control/guest-mounts.ts";
import type { Daemon } from "./daemon.ts";
import { isWithin } from "./host-path.ts";

/** Anybody may connect; what follows is for the rules. */
const OPEN_TO_ALL = 0o666;
const MAX_CONNECTIONS_EACH = 16;
const OPEN_FOLDER = 0o755;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * @param rules those that hold now
 * @throws PfsError NOT_PERMITTED when the socket cannot be there, or this process is neither root nor has a mounter; Node's system error
 */
export async function openAccessSocket(
  { socket }: Access,
  rules: () => readonly AccessRule[],
  daemon: Pick<Daemon, "mount" | "mounts">,
): Promise<ControlServer> {
  const ownUid = process.geteuid?.() ?? 0;
  if (ownUid !== 0 && mounterSocket() === undefined)
    throw refused("only root can mount for others", "Leave out `access`, or run the daemon as a service.");
  const folder = dirname(socket);
  const made = await mkdir(folder, { recursive: true });
  // Whatever the umask is: who may not enter could not connect.
  for (let each = folder; made !== undefined && isWithin(each, made); each = dirname(each))
    await chmod(each, OPEN_FOLDER);
  const { uid, mode } = await stat(folder);
  if ((uid !== 0 && uid !== ownUid) || (mode & WRITABLE_BY_OTHERS) !== 0) {
    const hint = "Choose a directory that only root, or the daemon's Unix user, may write to.";
    throw refused(`others could replace ${socket}`, hint);
  }
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
