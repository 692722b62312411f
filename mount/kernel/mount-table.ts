/**
 * What is mounted where, read from /proc. Owns the parsing of mountinfo and the question whether a mount of ours
 * is alive; must never change anything.
 */
import { readFile, readlink, realpath, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { PosixError } from "../../schema/errors.ts";

/** The filesystem type that our mounts carry. */
export const FILESYSTEM_TYPE = "fuse.pfs";
const PROBE_TIMEOUT_MS = 2000;

export interface MountEntry {
  /** The kernel's number for it. */
  id: string;
  mountPoint: string;
  type: string;
  source: string;
}

/**
 * - `none`: nothing is mounted at exactly this directory;
 * - `pfs`: a book is, and somebody serves it;
 * - `stale`: a book is, but its daemon is dead (ENOTCONN);
 * - `other`: something else is.
 */
export type MountState = "none" | "pfs" | "stale" | "other";

/** Parses /proc/PID/mountinfo (proc_pid_mountinfo(5)); entries that lie above others come later. */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const separator = fields.indexOf("-", 6);
    const [id = "", mountPoint, type, source] = [
      fields[0],
      fields[4],
      fields[separator + 1],
      fields[separator + 2],
    ];
    if (separator < 0 || mountPoint === undefined || type === undefined || source === undefined) continue;
    entries.push({ id, mountPoint: unescapeOctal(mountPoint), type, source: unescapeOctal(source) });
  }
  return entries;
}

/** The kernel writes space, tab, newline, backslash and # as `\ooo`; the path's bytes are UTF-8. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** The absolute path that /proc knows `dir` by. Never asks the mount itself, which may be dead. */
export async function mountPointOf(dir: string, linksLeft = 40): Promise<string> {
  const absolute = resolve(dir);
  if (absolute === "/") return absolute;
  const parent = await realpath(dirname(absolute));
  const path = join(parent, basename(absolute));
  if ((await topEntryAt(path)) !== undefined) return path;
  const target = await readlink(path).catch(() => undefined);
  if (target === undefined) return path;
  if (linksLeft === 0) throw new PosixError("ELOOP", `${dir}: symbolic links that lead nowhere`);
  return mountPointOf(resolve(parent, target), linksLeft - 1);
}

/** Of mounts that lie above each other the last. Never asks the mount itself. */
export async function topEntryAt(mountPoint: string): Promise<MountEntry | undefined> {
  const entries = parseMountinfo(await readFile("/proc/self/mountinfo", "utf8"));
  return entries.findLast((entry) => entry.mountPoint === mountPoint);
}

/** Whether an automounter waits for something to be mounted there (autofs(5)). Asks nobody. */
export async function isAutomount(dir: string): Promise<boolean> {
  return (await topEntryAt(await mountPointOf(dir)))?.type === "autofs";
}

/** Where the book is mounted that a path is below; undefined: below none. `path` is absolute and free of symbolic links. */
export async function bookAround(path: string): Promise<string | undefined> {
  const entries = parseMountinfo(await readFile("/proc/self/mountinfo", "utf8"));
  return entries.findLast(
    ({ type, mountPoint }) => type === FILESYSTEM_TYPE && path.startsWith(`${mountPoint}/`),
  )?.mountPoint;
}

/**
 * What is mounted at `dir`. A mount that does not answer for two seconds counts as `pfs`: somebody holds it. So does
 * another user's mount without allow_other, even a dead one: the kernel answers for it without asking.
 * @throws Node's system error if the directory's parent cannot be reached
 */
export async function mountState(dir: string): Promise<MountState> {
  const mountPoint = await mountPointOf(dir);
  const entry = await topEntryAt(mountPoint);
  if (entry === undefined) return "none";
  if (entry.type !== FILESYSTEM_TYPE) return "other";
  return (await isDead(mountPoint)) ? "stale" : "pfs";
}

/** statfs is never answered from a cache, and runs on another thread, so that a slow daemon stops nobody. */
async function isDead(mountPoint: string): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<boolean>((settle) => {
    timer = setTimeout(settle, PROBE_TIMEOUT_MS, false);
  });
  const probe = statfs(mountPoint).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "ENOTCONN" || error.code === "ECONNABORTED",
  );
  try {
    return await Promise.race([probe, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
