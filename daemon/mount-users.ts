/**
 * Finds which programs keep a mount busy: by their open files and working directories in /proc. Must never ask the mount
 * itself, nor read what of /proc waits for a process that is stuck in a call (maps, stat, environ, cmdline).
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
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
      users.push({ pid: Number(pid), command: await commandOf(pid) });
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
  return false;
}

async function commandOf(pid: string): Promise<string> {
  const comm = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
  // Some programs name their threads, Node among them, and its first one is no more telling than the others.
  if (comm !== "MainThread") return comm;
  return basename(await readlink(`/proc/${pid}/exe`).catch(() => comm));
}
