// What tests left behind on the machine: mounts, processes, sockets, temporary directories. Owns finding and clearing it.
// Must never blame a run for what was there before it, nor touch what belongs to another run on the same machine.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endProcesses, listProcesses } from "./process-marker.ts";

const GRACE_MS = 3000;
const POLL_MS = 100;

/** The place in which one test file works: a directory that is its TMPDIR, and its processes' marker. */
export interface Workplace {
  readonly folder: string;
  readonly marker: string;
}

/**
 * What is left in the workplace once its tests have ended; waits a little for processes that are about to end.
 * @returns one line for each leftover
 */
export async function findLeftovers(workplace: Workplace): Promise<string[]> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const found = listLeftovers(workplace);
    if (found.length === 0 || waitedMs >= GRACE_MS) return found;
    await sleep(POLL_MS);
  }
}

/** Ends the workplace's processes, unmounts what is mounted in it and removes it. */
export function clearWorkplace({ folder, marker }: Workplace): void {
  endProcesses(listProcesses(marker));
  const inner = listMounts().filter(({ path }) => isBelow(path, folder));
  for (const { path } of inner.reverse()) unmountLazily(path);
  // Never delete through a mount: what is in it may be somebody's book.
  if (listMounts().some(({ path }) => isBelow(path, folder))) return;
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Mounts and sockets of pfs outside of every test's temporary directory. Those that a run finds at its end and not at
 * its start are leftovers, too.
 */
export function listOutsideTraces(): string[] {
  const isOutside = (path: string): boolean => !path.startsWith(join(tmpdir(), "pfs-test-"));
  const mounts = listMounts()
    .filter(({ type, path }) => /^fuse\.pfs/.test(type) && isOutside(path))
    .map(({ path }) => `mount of ${path}`);
  const sockets = listSocketPaths()
    .filter((path) => /pfs/.test(path) && isOutside(path))
    .map((path) => `socket ${path}`);
  return [...mounts, ...sockets];
}

function listLeftovers({ folder, marker }: Workplace): string[] {
  const isInside = (path: string): boolean => isBelow(path, folder);
  return [
    ...listProcesses(marker).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...listMounts()
      .filter(({ path }) => isInside(path))
      .map(({ path, type }) => `mount of ${path} (${type})`),
    ...listSocketPaths()
      .filter(isInside)
      .map((path) => `socket ${path}`),
    ...readdirSync(folder)
      .filter((name) => name.startsWith("pfs-test-"))
      .map((name) => `directory ${name}`),
  ];
}

/** The mounts of this mount namespace, in the order in which they were made; format: proc_pid_mountinfo(5). */
function listMounts(): { path: string; type: string }[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [mountFields = "", fileSystemFields = ""] = line.split(" - ");
      const path = mountFields.split(" ")[4] ?? "";
      return { path: unescapeOctal(path), type: fileSystemFields.split(" ")[0] ?? "" };
    });
}

/** The paths to which Unix sockets are bound; format: proc_net(5), unix. */
function listSocketPaths(): string[] {
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .flatMap((line) => /^(?:\S+ +){7}(\/.*)$/.exec(line)?.[1] ?? []);
}

function unmountLazily(path: string): void {
  const done = spawnSync("umount", ["-l", path], { stdio: "ignore" });
  if (done.status !== 0) spawnSync("fusermount3", ["-uz", path], { stdio: "ignore" });
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}
