/**
 * Finds which programs keep a mount busy, from /proc: open files, working directories, memory maps are theirs. Must never
 * ask the mount itself, which may wait for whoever asks.
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { isWithin } from "./host-path.ts";

export interface MountUser {
  readonly pid: number;
  readonly command: string;
}

const MAX_NAMED = 5;

/** The processes that have something open below `mountPoint`, as far as this user may see. */
export async function findMountUsers(mountPoint: string): Promise<MountUser[]> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name));
  const users: MountUser[] = [];
  for (const pid of pids) {
    if (await uses(pid, mountPoint)) {
      const command = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
      users.push({ pid: Number(pid), command });
    }
  }
  return users;
}

/** "vim (process 12) and bash (process 7)", or "another program" when none could be seen. */
export function describeUsers(users: readonly MountUser[]): string {
  if (users.length === 0) return "another program";
  const named = users.slice(0, MAX_NAMED).map(({ pid, command }) => `${command} (process ${pid})`);
  if (users.length > MAX_NAMED) named.push(`${users.length - MAX_NAMED} more`);
  const last = named.pop();
  return named.length === 0 ? `${last}` : `${named.join(", ")} and ${last}`;
}

async function uses(pid: string, mountPoint: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = ["cwd", "root", "exe", ...descriptors.map((name) => `fd/${name}`)];
  for (const link of links) {
    const target = await readlink(`/proc/${pid}/${link}`).catch(() => "");
    if (isWithin(target, mountPoint)) return true;
  }
  const maps = await readFile(`/proc/${pid}/maps`, "utf8").catch(() => "");
  return maps.includes(` ${mountPoint}/`);
}
