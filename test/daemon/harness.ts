/**
 * Runs the real `pfs` command on a temporary store and takes everything away again: daemons, mounts, directories. Owns no
 * expectation of its own.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { LOG_NAME } from "../../daemon/start-in-background.ts";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { explainMissingDevice } from "../machine.ts";
import { refuseSecrets, withoutSecrets } from "../secrets.ts";

export const ROOT = join(import.meta.dirname, "../..");
export const PFS = join(ROOT, "bin/pfs.js");
export const PFSD = join(ROOT, "bin/pfsd.js");
export const SAMPLE = join(ROOT, "examples/sample-book");
export const LESSON = "content/01-Foundations/01-Plain-Text/01-why-plain-text.md";

/** How a command ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs on, with its lines as they come. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly stdout: string[];
  readonly stderr: string[];
  /** Resolves with the first line, of either stream, that matches. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves with the exit code, or the signal's name. */
  readonly exit: Promise<number | string>;
}

export interface Place {
  readonly top: string;
  readonly store: string;
  /** Two directories to mount on. */
  readonly dir: string;
  readonly otherDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Runs `pfs` to its end. */
  run(...args: string[]): Promise<Outcome>;
  /** The same; fails unless its exit code is 0. Resolves with its standard output. */
  pfs(...args: string[]): Promise<string>;
  /** Starts a program of the project and leaves it running. */
  start(program: string, ...args: string[]): Running;
  /** `pfs status --json`. */
  status(): Promise<{ pid: number | null; seq: number; mounts: Record<string, string>[] }>;
}

export interface PlaceOptions {
  /** Name of the store's directory. */
  readonly storeName?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Calls `use` in a place of its own; afterwards nothing of it is left. */
export async function withPlace(
  use: (place: Place) => Promise<void>,
  { storeName = "store", env: extra = {} }: PlaceOptions = {},
): Promise<void> {
  assert.equal(explainMissingDevice("/dev/fuse"), undefined);
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const store = join(top, storeName);
  const [dir, otherDir] = [join(top, "mount"), join(top, "other mount")];
  for (const path of [dir, otherDir]) mkdirSync(path);
  const env = { ...process.env, PFS_STORE: store, ...extra };
  const children: Running[] = [];
  let logged = "";
  const run = (...args: string[]): Promise<Outcome> => execute(process.execPath, [PFS, ...args], env);
  const pfs = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, `pfs ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  };
  const place: Place = {
    top,
    store,
    dir,
    otherDir,
    env,
    run,
    pfs,
    start(program, ...args) {
      const running = startProgram([program, ...args], env);
      children.push(running);
      return running;
    },
    status: async () => JSON.parse(await pfs("status", "--json")),
  };
  try {
    await use(place);
  } finally {
    for (const { child } of children) child.kill("SIGKILL");
    await Promise.all(children.map(({ exit }) => exit));
    await endDaemon(store);
    for (const path of [dir, otherDir]) {
      while ((await mountState(path)) !== "none") execFileSync("umount", ["-l", path]);
    }
    logged = readLogs(top);
    rmSync(top, { recursive: true, force: true });
  }
  for (const { stdout, stderr } of children)
    refuseSecrets("a program's output", [...stdout, ...stderr].join("\n"));
  refuseSecrets(LOG_NAME, logged);
}

/** What all daemons whose stores are below a directory have said. */
function readLogs(top: string): string {
  const find = ["-xdev", "-type", "f", "-name", LOG_NAME, "-exec", "cat", "{}", "+"];
  return execFileSync("find", [top, ...find], { encoding: "utf8", maxBuffer: 256 << 20 });
}

/** Runs a program to its end. */
export function execute(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  cwd?: string,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, cwd, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      try {
        refuseSecrets(
          `${basename(program)} ${withoutSecrets(args.join(" "))}: output`,
          `${stdout}\n${stderr}`,
        );
        resolve({ code, stdout, stderr });
      } catch (secret) {
        reject(secret);
      }
    });
  });
}

/** Much more than anything takes, also on a machine that does much else. */
const PATIENCE_MS = 60_000;

/** Resolves once `holds` does. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean> | boolean,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await holds())) {
    assert.ok(performance.now() < deadlineMs, `not within ${patienceMs / 1000} seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

function startProgram(words: readonly string[], env: NodeJS.ProcessEnv): Running {
  const child = spawn(process.execPath, words, { env, stdio: ["ignore", "pipe", "pipe"] });
  const lines: { stdout: string[]; stderr: string[] } = { stdout: [], stderr: [] };
  const waiting: { pattern: RegExp; resolve(line: string): void }[] = [];
  for (const stream of ["stdout", "stderr"] as const) {
    createInterface({ input: child[stream] }).on("line", (line) => {
      lines[stream].push(line);
      for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve(line);
    });
  }
  const exit = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    child,
    pid: child.pid as number,
    ...lines,
    exit,
    until(pattern) {
      const seen = [...lines.stdout, ...lines.stderr].find((line) => pattern.test(line));
      if (seen !== undefined) return Promise.resolve(seen);
      const { promise, resolve } = Promise.withResolvers<string>();
      waiting.push({ pattern, resolve });
      const ended = once(child, "close").then(([code]) => {
        throw new Error(
          `ended with ${code} before ${pattern}: ${[...lines.stdout, ...lines.stderr].join("\n")}`,
        );
      });
      return Promise.race([promise, ended]);
    },
  };
}

/** A daemon in the background is nobody's child here; the store's lock file names it while it lives. */
async function endDaemon(store: string): Promise<void> {
  const file = join(store, "lock");
  const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (pid === 0 || pid === process.pid || !isAlive(pid)) return;
  try {
    if (!readFileSync(`/proc/${pid}/environ`, "utf8").includes(`PFS_STORE=${store}`)) return;
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It may be ending by itself.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  await eventually("the daemon has ended", () => !isAlive(pid));
}
