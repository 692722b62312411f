/**
 * Owns looking at what runs: the configuration, the daemon and its mounts, mounts of daemons that are dead. Must never start or
 * end anything.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { FILESYSTEM_TYPE, parseMountinfo } from "../../mount/kernel/mount-table.ts";
import { PfsError } from "../../schema/errors.ts";
import { shellWord } from "../../schema/shell-word.ts";
import { configPlace, readConfig } from "../config-file.ts";
import { type DaemonClient, findDaemon } from "../daemon-client.ts";
import type { DaemonStatus } from "../daemon-status.ts";
import { packageVersion } from "../module-file.ts";
import { type Diagnosis, fail, pass, warn } from "./diagnosis.ts";

/** Never throws for what it looks at. */
export async function examineService(storeDirectory: string): Promise<Diagnosis[]> {
  return [examineConfig(), ...(await examineDaemon(storeDirectory)), ...(await examineMounts())];
}

function examineConfig(): Diagnosis {
  const check = "configuration";
  const place = configPlace();
  try {
    const config = readConfig(place);
    return pass(check, config === undefined ? `There is none (${place.path}).` : `${place.path} is valid.`);
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    return fail(check, error.message, error.hint ?? `Correct ${place.path}.`);
  }
}

async function examineDaemon(storeDirectory: string): Promise<Diagnosis[]> {
  const check = "daemon";
  let client: DaemonClient | undefined;
  try {
    client = await findDaemon(storeDirectory);
    if (client === undefined) return [pass(check, "None runs; `pfs mount` and `pfs up` start one.")];
    const status = (await client.call("GET", "/status")) as DaemonStatus;
    return [examineVersion(status), ...(await examineReadiness(client)), ...examineProblems(status)];
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    return [fail(check, error.message, error.hint ?? "`pfs stop` ends it.")];
  }
}

function examineVersion({ pid, version }: DaemonStatus): Diagnosis {
  const check = "daemon";
  if (version === packageVersion()) return pass(check, `Process ${pid} answers, version ${version}.`);
  return warn(
    check,
    `Process ${pid} is of version ${version}; this is ${packageVersion()}.`,
    "Start it anew: `pfs stop`, then `pfs up` or the service.",
  );
}

async function examineReadiness(client: DaemonClient): Promise<Diagnosis[]> {
  const answer = (await client.call("GET", "/readyz")) as { status: string; reason: string };
  if (answer.status === "pass") return [pass("readiness", "Store and mounts answer.")];
  return [
    fail("readiness", answer.reason, "See the daemon's log; what was saved is safe if it must be killed."),
  ];
}

function examineProblems({ config }: DaemonStatus): Diagnosis[] {
  return (config?.problems ?? []).map((problem) =>
    fail("configuration", problem, "Correct the configuration; the daemon reads it again by itself."),
  );
}

/** How long a mount may take to answer. */
const PATIENCE_MS = 2_000;

/** Mounts of anybody's daemon that are dead, or that nobody answers for. */
async function examineMounts(): Promise<Diagnosis[]> {
  const check = "mounts";
  const entries = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const points = new Set(
    entries.filter(({ type }) => type === FILESYSTEM_TYPE).map((each) => each.mountPoint),
  );
  const seen: Diagnosis[] = [];
  for (const point of points) {
    const answer = await ask(point);
    const end = `\`pfs umount --lazy ${shellWord(point)}\``;
    if (answer === "dead")
      seen.push(
        fail(
          check,
          `The mount ${point} is dead: its daemon has ended.`,
          `${end}, or mount the book there again.`,
        ),
      );
    if (answer === "silent")
      seen.push(
        fail(
          check,
          `The mount ${point} has not answered for ${PATIENCE_MS / 1000} seconds.`,
          `See whether its daemon was stopped (\`pfs status\`); if it must be killed, ${end} then takes the mount away.`,
        ),
      );
  }
  return seen.length > 0 ? seen : [pass(check, "All mounts of books answer.")];
}

/** Asked by another process, which can be killed while it waits: a thread of this one could not, and would keep it from ending. */
function ask(mountPoint: string): Promise<"alive" | "dead" | "silent"> {
  const options = {
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
    env: { ...process.env, LC_ALL: "C" },
  } as const;
  return new Promise((resolve) => {
    execFile("stat", ["--file-system", "--", mountPoint], options, (error, _stdout, stderr) => {
      if (error?.killed === true) resolve("silent");
      else resolve(/not connected|connection abort/.test(stderr) ? "dead" : "alive");
    });
  });
}
