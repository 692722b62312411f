/**
 * Owns whether a daemon is alive, and whether it can be worked with: for whoever supervises it. Must never wait long, nor for a
 * mount with a call that the process cannot do without.
 */
import { statfs } from "node:fs/promises";
import type { Daemon } from "./daemon.ts";

export interface HealthCheck {
  readonly name: "store" | "mounts" | "verify" | "check";
  readonly pass: boolean;
  /** A whole sentence. */
  readonly reason: string;
}

export interface Health {
  readonly status: "pass" | "fail";
  /** A whole sentence. */
  readonly reason: string;
  readonly checks?: readonly HealthCheck[];
}

/** How long the mount thread and each mount may take to answer. */
const PATIENCE_MS = 2_000;

export class HealthChecks {
  readonly #daemon: Daemon;
  /** Questions to mounts that are not answered yet: no second one for those, as each keeps a thread of the process. */
  readonly #asked = new Map<string, Promise<unknown>>();

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  /** Whoever gets this answer has it from a process that is alive. */
  alive(): Health {
    return { status: "pass", reason: `Process ${process.pid} answers.` };
  }

  async ready(): Promise<Health> {
    const checks = await Promise.all([
      this.#checkStore(),
      this.#checkMounts(),
      this.#checkVerify(),
      this.#checkDesync(),
    ]);
    const failed = checks.filter(({ pass }) => !pass);
    return {
      status: failed.length === 0 ? "pass" : "fail",
      reason: failed.length === 0 ? "Everything answers." : failed.map(({ reason }) => reason).join(" "),
      checks,
    };
  }

  async #checkStore(): Promise<HealthCheck> {
    const name = "store";
    try {
      const status = await withinPatience(this.#daemon.host.call("status", {}));
      if (status === undefined) return { name, pass: false, reason: "The store's owner does not answer." };
      return { name, pass: true, reason: `The store is open, its log at position ${status.seq}.` };
    } catch (error) {
      return { name, pass: false, reason: (error as Error).message };
    }
  }

  async #checkMounts(): Promise<HealthCheck> {
    const name = "mounts";
    const directories = this.#daemon.mounts.list().map(({ directory }) => directory);
    const answers = await Promise.all(directories.map((directory) => this.#answers(directory)));
    const silent = directories.filter((_, at) => answers[at] !== true);
    const pass = silent.length === 0;
    if (pass) return { name, pass, reason: `${directories.length} of ${directories.length} mounts answer.` };
    return { name, pass, reason: `${silent.length} of ${directories.length} mounts do not answer.` };
  }

  /** The kernel passes statfs(2) on, whatever it has cached. */
  async #answers(directory: string): Promise<boolean> {
    const pending =
      this.#asked.get(directory) ?? statfs(directory).finally(() => this.#asked.delete(directory));
    this.#asked.set(directory, pending);
    return withinPatience(pending).then(
      (answer) => answer !== undefined,
      () => false,
    );
  }

  #checkVerify(): HealthCheck {
    const name = "verify";
    const { last } = this.#daemon.lastVerify;
    if (last === undefined)
      return { name, pass: true, reason: "The store was not verified since the daemon was started." };
    const { errors, timeMs } = last;
    const when = new Date(timeMs).toISOString();
    if (errors === 0) return { name, pass: true, reason: `The store was sound at ${when}.` };
    return { name, pass: false, reason: `\`pfs verify\` has found ${errors} error(s) at ${when}.` };
  }

  /** A remote's differences keep nobody from working here. */
  #checkDesync(): HealthCheck {
    const name = "check";
    const found = this.#daemon.checks.ofStore();
    const count = found.reduce((sum, each) => sum + each.count, 0);
    if (count === 0) return { name, pass: true, reason: "No check in the background has found anything." };
    // Names of files are for `pfs status`: this goes out by HTTP.
    const reason = `The check in the background has found ${count} difference(s): \`pfs status\` names them and what to do.`;
    return { name, pass: false, reason };
  }
}

/** Undefined when it takes too long. */
async function withinPatience<Result>(promise: Promise<Result>): Promise<Result | undefined> {
  const { promise: timeout, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
