/**
 * What is measured: the native file system, its peers, and pfs, each showing a tree of the same files. Every target cleans up after
 * itself. Needs root, for mounting.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Everything measured runs on this core: the client, and the server if there is one. */
const CORE = "1";
const PFS = new URL("../../bin/pfs.js", import.meta.url).pathname;
const START_TIMEOUT_MS = 20_000;

export interface Target {
  readonly name: string;
  /** The tree to measure. */
  readonly directory: string;
  stop(): void;
}

/** Runs a program pinned to the core; returns what it printed. */
export function runPinned(command: string, ...args: string[]): string {
  return execFileSync("taskset", ["-c", CORE, command, ...args], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
}

export function startNative(book: string, work: string): Target {
  const directory = join(work, "native");
  cpSync(book, directory, { recursive: true, preserveTimestamps: true });
  return { name: "native", directory, stop() {} };
}

/** `kind` is the mount program; all but bindfs get an upper directory. */
export function startPeer(
  kind: "overlayfs" | "fuse-overlayfs" | "bindfs",
  book: string,
  work: string,
): Target {
  const at = (name: string) => {
    const path = join(work, kind, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const directory = at("mount");
  const lower = join(work, kind, "lower");
  cpSync(book, lower, { recursive: true, preserveTimestamps: true });
  const layers = `lowerdir=${lower},upperdir=${at("upper")},workdir=${at("work")}`;
  if (kind === "overlayfs") execFileSync("mount", ["-t", "overlay", "overlay", "-o", layers, directory]);
  else if (kind === "fuse-overlayfs") runPinned("fuse-overlayfs", "-o", layers, directory);
  else runPinned("bindfs", lower, directory);
  return { name: kind, directory, stop: () => void execFileSync("umount", [directory]) };
}

export interface PfsTarget extends Target {
  readonly pid: number;
  /** Milliseconds that the import of the book took, the program's start included. */
  readonly importMs: number;
}

export async function startPfs(book: string, work: string): Promise<PfsTarget> {
  const store = join(work, "pfs", "store");
  const directory = join(work, "pfs", "mount");
  mkdirSync(directory, { recursive: true });
  runPinned(process.execPath, PFS, "--store", store, "init", "bench", "--schema", "any");
  const started = performance.now();
  execFileSync(process.execPath, [PFS, "--store", store, "import", "bench", book], { stdio: "ignore" });
  const importMs = performance.now() - started;
  const daemon = await mountPfs(store, directory);
  return {
    name: "pfs",
    directory,
    pid: daemon.pid as number,
    importMs,
    stop: () => endDaemon(daemon, directory),
  };
}

/** Not with `pfs stop`: that waits for the process to be gone, which it is only once this one, its parent, may look. */
function endDaemon(daemon: ChildProcess, directory: string): void {
  daemon.kill("SIGTERM");
  while (readFileSync("/proc/self/mountinfo", "utf8").includes(` ${directory} `)) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}

export function stopPfs(store: string): void {
  execFileSync(process.execPath, [PFS, "--store", store, "stop"], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Starts a daemon in the foreground that serves book `bench`, and waits until the directory answers. */
export async function mountPfs(store: string, directory: string): Promise<ChildProcess> {
  const args = [
    "-c",
    CORE,
    process.execPath,
    PFS,
    "--store",
    store,
    "mount",
    "-f",
    "bench",
    directory,
    "-o",
    "agent=bench",
  ];
  const daemon = spawn("taskset", args, { stdio: ["ignore", "ignore", "inherit"] });
  const until = performance.now() + START_TIMEOUT_MS;
  while (!readFileSync("/proc/self/mountinfo", "utf8").includes(` ${directory} `)) {
    if (daemon.exitCode !== null || performance.now() > until) throw new Error("pfs did not mount the book");
    await delay(2);
  }
  return daemon;
}
