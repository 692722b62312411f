/**
 * Starts a daemon that outlives the command which needs it. Owns how it is set loose: its own session, its log file, and
 * how its start is waited for.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { makeDirectories } from "../lib/make-directories.ts";
import { PfsError } from "../schema/errors.ts";
import { type DaemonClient, findDaemon } from "./daemon-client.ts";
import { errorFrom } from "./error-report.ts";
import { packageRoot } from "./module-file.ts";
import { READY_FD, READY_FD_VARIABLE, type ReadyLine } from "./ready-pipe.ts";

/** The log of a daemon in the background, in its store. */
export const LOG_NAME = "pfsd.log";
/** How long another daemon that is starting at the same time may take. */
const OTHER_START_MS = 5_000;
const RETRY_MS = 50;
/** V8's room for young objects would have grown to 8 MB before run-daemon.ts can say that it is not to. */
const LITTLE_MEMORY = "--max-semi-space-size=1";
/**
 * The C library's arenas, of which each thread would have its own, with what it has freed in them; and the sizes from which it
 * gives back what is freed, which it would raise with each large block. The units of systemd have the same. Source: mallopt(3)
 */
export const LITTLE_HEAP = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: "131072",
  MALLOC_TRIM_THRESHOLD_: "131072",
};

/** Starts one and waits until it answers; if another was quicker, that one. @throws why it does not start */
export async function startInBackground(storeDirectory: string): Promise<DaemonClient> {
  makeDirectories(storeDirectory, 0o700);
  const outcome = await spawnDaemon(storeDirectory);
  if (outcome.error !== undefined && outcome.error.code !== "STORE_BUSY") throw errorFrom(outcome.error);
  const deadlineMs = performance.now() + OTHER_START_MS;
  for (;;) {
    const client = await findDaemon(storeDirectory);
    if (client !== undefined) return client;
    if (outcome.error !== undefined && performance.now() > deadlineMs) throw errorFrom(outcome.error);
    await sleep(RETRY_MS);
  }
}

async function spawnDaemon(storeDirectory: string): Promise<ReadyLine> {
  const log = join(storeDirectory, LOG_NAME);
  const logFd = openSync(log, "a", 0o600);
  const program = fileURLToPath(new URL("bin/pfsd.js", packageRoot()));
  const options = [...process.execArgv, LITTLE_MEMORY];
  const child = spawn(process.execPath, [...options, program, "--store", storeDirectory], {
    // Its own working directory would keep somebody's disk busy.
    cwd: "/",
    detached: true,
    env: { ...LITTLE_HEAP, ...process.env, [READY_FD_VARIABLE]: String(READY_FD) },
    stdio: ["ignore", logFd, logFd, "pipe"],
  });
  closeSync(logFd);
  const pipe = child.stdio[READY_FD] as Readable;
  const failed = new Promise<never>((_resolve, reject) => child.once("error", reject));
  const line = await Promise.race([firstLine(pipe), failed]);
  child.unref();
  if (line !== undefined) return JSON.parse(line);
  throw new PfsError("DAEMON_UNREACHABLE", "The daemon has ended before it was ready.", {
    hint: `Its log ${log} says why.`,
  });
}

async function firstLine(pipe: Readable): Promise<string | undefined> {
  try {
    for await (const line of createInterface({ input: pipe })) return line;
    return undefined;
  } finally {
    pipe.destroy();
  }
}
