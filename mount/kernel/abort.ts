/**
 * Owns how a kernel is made to give up the mounts of a process that was killed and cannot end: one of its threads waits in the
 * kernel for a directory's lock, of a program that waits for an answer of that process. Must never be used on a living one.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MNT_DETACH, mountFilesystem, unmountFilesystem } from "../../lib/libc.ts";

/** Where systemd mounts the filesystem by which connections are controlled. Source: linux/Documentation/filesystems/fuse */
const CONNECTIONS = "/sys/fs/fuse/connections";
const SIGKILL_PENDING = 1n << 8n;

/** Whether a process was killed and yet is there, not only for its parent to be told. */
export function isKilledButThere(pid: number): boolean {
  const status = readOrNothing(`/proc/${pid}/status`);
  const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "0";
  // With its first thread gone the others are what keeps it.
  if (field("State") === "Z") return Number(field("Threads")) > 1;
  const pending = BigInt(`0x${field("SigPnd")}`) | BigInt(`0x${field("ShdPnd")}`);
  return (pending & SIGKILL_PENDING) !== 0n;
}

/**
 * Aborts all FUSE connections of a killed process; whoever waits for an answer on them gets ECONNABORTED.
 * @returns whether there were any. Before Linux 6.17 the kernel does not say which they are
 * @throws Node's system error when this process may not
 */
export async function abortConnections(pid: number): Promise<boolean> {
  const connections = connectionsOf(pid);
  if (connections.length === 0) return false;
  if (connections.every((each) => existsSync(join(CONNECTIONS, each)))) abortIn(CONNECTIONS, connections);
  else await withConnections((directory) => abortIn(directory, connections));
  return true;
}

function abortIn(directory: string, connections: readonly string[]): void {
  for (const each of connections) writeFileSync(join(directory, each, "abort"), "1");
}

/** By what the kernel tells of the descriptors of each thread that is left. */
function connectionsOf(pid: number): string[] {
  const found = new Set<string>();
  for (const thread of listOrNothing(`/proc/${pid}/task`)) {
    const directory = `/proc/${pid}/task/${thread}/fdinfo`;
    for (const fd of listOrNothing(directory)) {
      const connection = /^fuse_connection:\s+(\d+)$/m.exec(readOrNothing(join(directory, fd)))?.[1];
      if (connection !== undefined) found.add(connection);
    }
  }
  return [...found];
}

/** Where nobody has mounted it, as in containers. */
async function withConnections(use: (directory: string) => void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-connections-"));
  try {
    mountFilesystem({ source: "fusectl", target: directory, type: "fusectl", flags: 0, data: "" });
    try {
      use(directory);
    } finally {
      await unmountFilesystem(directory, MNT_DETACH);
    }
  } finally {
    rmdirSync(directory);
  }
}

/** Threads and descriptors may be gone by the time that they are looked at. */
function listOrNothing(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
