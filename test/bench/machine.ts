/**
 * A machine of several that share a book: a store, its commands, its daemon, and a mount. Nothing here blocks this process, which the
 * servers and proxies that the machine speaks to live in.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const PFS = new URL("../../bin/pfs.js", import.meta.url).pathname;
const BYTES_PER_KIB = 1024;
const run = promisify(execFile);

export class Machine {
  /** Where the book `bench` is mounted by {@link mount}. */
  readonly directory: string;
  readonly #store: string;
  readonly #env: NodeJS.ProcessEnv;

  /** @param place a directory of its own, which need not be there */
  static async make(place: string, agent: string): Promise<Machine> {
    const machine = new Machine(place, agent);
    await mkdir(machine.directory, { recursive: true });
    return machine;
  }

  private constructor(place: string, agent: string) {
    this.directory = join(place, "mount");
    this.#store = join(place, "store");
    this.#env = { ...process.env, PFS_AGENT_ID: agent };
  }

  /** Runs a command to its end; returns what it printed. */
  async pfs(...args: string[]): Promise<string> {
    const options = { env: this.#env, maxBuffer: 64 * 1024 * 1024 };
    return (await run(process.execPath, [PFS, "--store", this.#store, ...args], options)).stdout;
  }

  /** The same; returns the seconds that it took, its start included. */
  async time(...args: string[]): Promise<number> {
    const start = performance.now();
    await this.pfs(...args);
    return (performance.now() - start) / 1000;
  }

  /** With a daemon in the background. */
  async mount(): Promise<void> {
    await this.pfs("mount", "bench", this.directory);
  }

  /** Resolves when the daemon has nothing to send any more. */
  async untilSynced(): Promise<void> {
    for (;;) {
      const [book] = JSON.parse(await this.pfs("status", "--json")).sync as {
        pending: number;
        state: string;
      }[];
      if (book?.pending === 0 && book.state === "idle") return;
    }
  }

  async stop(): Promise<void> {
    await this.pfs("stop");
  }

  /** From now on {@link peakMb} is of what comes. */
  async forgetPeak(): Promise<void> {
    await writeFile(`/proc/${await this.#pid()}/clear_refs`, "5");
  }

  /** The most memory that the daemon had resident, in millions of bytes. */
  async peakMb(): Promise<number> {
    return await this.#memory("VmHWM");
  }

  async residentMb(): Promise<number> {
    return await this.#memory("VmRSS");
  }

  async #memory(field: string): Promise<number> {
    const status = await readFile(`/proc/${await this.#pid()}/status`, "utf8");
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    if (kib === undefined) throw new Error(`no ${field} of the daemon`);
    return (Number(kib) * BYTES_PER_KIB) / 1e6;
  }

  async #pid(): Promise<string> {
    return (await readFile(join(this.#store, "lock"), "utf8")).trim();
  }
}
