/**
 * Owns a copy of test/sites/docusaurus in a temporary directory: its installation, its dev server, its build. Nothing is
 * written to the checkout; must never leave a process behind that it started.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const TEMPLATE = join(import.meta.dirname, "../sites/docusaurus");
/** What is there when somebody has tried the site in the checkout. */
const GENERATED = new Set(["node_modules", ".docusaurus", "build"]);
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const STOP_MS = 10_000;
const START_MS = 180_000;
const POLL_MS = 200;
/** What would make file watchers of the dev server poll instead of hearing from the kernel. */
const POLLING = ["CHOKIDAR_USEPOLLING", "WATCHPACK_POLLING"];

export class DocusaurusSite {
  readonly dir: string;
  readonly #env: NodeJS.ProcessEnv;
  #server: ChildProcess | undefined;
  #output = "";

  private constructor(dir: string, env: NodeJS.ProcessEnv) {
    this.dir = dir;
    this.#env = env;
  }

  /** Copies the site to `dir` and installs it with npm's own cache. `book` is where the book is, or will be, mounted. */
  static async install({ dir, book }: { dir: string; book: string }): Promise<DocusaurusSite> {
    cpSync(TEMPLATE, dir, { recursive: true, filter: (path) => !GENERATED.has(basename(path)) });
    const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !POLLING.includes(name)));
    await run("npm", ["ci", "--no-audit", "--no-fund", "--prefer-offline"], {
      cwd: dir,
      env: { ...env, PATH: path },
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    // What Docusaurus keeps for a user stays here; it asks nobody whether there is a newer one.
    const home = join(dir, "home");
    mkdirSync(home);
    const own = { HOME: home, XDG_CONFIG_HOME: home, NO_UPDATE_NOTIFIER: "1", PFS_BOOK: book };
    return new DocusaurusSite(dir, { ...env, PATH: path, ...own });
  }

  /** What the dev server has said so far. */
  get output(): string {
    return this.#output;
  }

  /** Starts `docusaurus start` and waits until it answers. Resolves with its address, without a final slash. */
  async start(): Promise<string> {
    const port = await findFreePort();
    const args = ["start", "--no-open", "--host", "127.0.0.1", "--port", String(port)];
    // A group of its own, so that whatever it starts is ended with it.
    const server = spawn(this.#program, args, { cwd: this.dir, env: this.#env, detached: true });
    this.#server = server;
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
    const address = `http://127.0.0.1:${port}`;
    for (const deadline = Date.now() + START_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      assert.equal(server.exitCode, null, `docusaurus start ended:\n${this.#output}`);
      if (await answers(address)) return address;
    }
    throw new Error(`docusaurus start does not answer:\n${this.#output}`);
  }

  /** What the dev server at `address` serves of a lesson now: the script that its page is made of. "" while it serves none. */
  async lesson(address: string, path: string): Promise<string> {
    const registry = await readFile(join(this.dir, ".docusaurus/registry.js"), "utf8");
    const line = registry.split("\n").find((each) => each.includes(`/${path}"`));
    const name = /"(content---[^"]+)"/.exec(line ?? "")?.[1];
    if (name === undefined) return "";
    const response = await fetch(`${address}/${name}.js`, { signal: AbortSignal.timeout(START_MS) });
    return response.ok ? response.text() : "";
  }

  /** Ends the dev server and whatever it has started; resolves once the process is gone. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const closed = once(server, "close");
    process.kill(-server.pid, "SIGTERM");
    const hasClosed = await Promise.race([closed.then(() => true), sleep(STOP_MS, false, { ref: false })]);
    if (hasClosed) return;
    process.kill(-server.pid, "SIGKILL");
    await closed;
  }

  /** Runs `docusaurus build`; rejects with what it said if it fails. Resolves with the directory of the built site. */
  async build(): Promise<string> {
    try {
      // Small scripts are of no interest here, and making them small takes half the time.
      await run(this.#program, ["build", "--no-minify"], {
        cwd: this.dir,
        env: this.#env,
        maxBuffer: MAX_OUTPUT_BYTES,
      });
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`docusaurus build failed:\n${stdout ?? ""}${stderr ?? ""}`, { cause: error });
    }
    return join(this.dir, "build");
  }

  /** Runs a program of Node in the site's directory; resolves with what it printed. Rejects with that if it fails. */
  async runNode(script: string, ...args: string[]): Promise<string> {
    try {
      const options = { cwd: this.dir, env: this.#env, maxBuffer: MAX_OUTPUT_BYTES };
      return (await run(process.execPath, [script, ...args], options)).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`${script} failed:\n${stdout ?? ""}${stderr ?? ""}`, { cause: error });
    }
  }

  get #program(): string {
    return join(this.dir, "node_modules/.bin/docusaurus");
  }
}

async function answers(address: string): Promise<boolean> {
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(START_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    // Not listening yet.
    return false;
  }
}

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}
