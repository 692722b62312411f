/**
 * What is measured: the native file system, its peers, and pfs, each showing a tree of the same files. Every target cleans up after
 * itself. Needs root, for mounting.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Transport } from "../../schema/mount-options.ts";

/** Everything measured runs on this core: the client, and the server if there is one. */
const CORE = "1";
const PFS = new URL("../../bin/pfs.js", import.meta.url).pathname;

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

/**
 * The targets in the order of a round: each round begins with the next one. What runs after another finds the memory, caches
 * and unwritten pages that it left, and that must not always be the same one.
 */
export function rotated<T>(targets: readonly T[], round: number): T[] {
  const first = round % targets.length;
  return [...targets.slice(first), ...targets.slice(0, first)];
}

export function startNative(book: string, work: string): Target {
  const directory = join(work, "native");
  cpSync(book, directory, { recursive: true, preserveTimestamps: true });
  return { name: "native", directory, stop() {} };
}

export type Peer = "overlayfs" | "fuse-overlayfs" | "bindfs";

/** The kernel brings overlayfs; the others are programs. */
export function isPresent(kind: Peer): boolean {
  return kind === "overlayfs" || spawnSync(kind, ["--version"]).error === undefined;
}

/** `kind` is the mount program; all but bindfs get an upper directory. */
export function startPeer(kind: Peer, book: string, work: string): Target {
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

export function startPfs(book: string, work: string, transport: Transport = "kernel"): Target {
  const name = transport === "kernel" ? "pfs" : `pfs, ${transport}`;
  const store = join(work, name, "store");
  const directory = join(work, name, "mount");
  mkdirSync(directory, { recursive: true });
  runPinned(process.execPath, PFS, "--store", store, "init", "bench", "--schema", "any");
  execFileSync(process.execPath, [PFS, "--store", store, "import", "bench", book], { stdio: "ignore" });
  mountPfs(store, directory, transport);
  return { name, directory, stop: () => stopPfs(store) };
}

export function stopPfs(store: string): void {
  execFileSync(process.execPath, [PFS, "--store", store, "stop"], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Mounts book `bench` as its users do: with a daemon in the background, which is pinned as what starts it. */
export function mountPfs(store: string, directory: string, transport: Transport = "kernel"): void {
  const options = `agent=bench,transport=${transport}`;
  runPinned(process.execPath, PFS, "--store", store, "mount", "bench", directory, "-o", options);
}
