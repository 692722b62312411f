/**
 * Owns a program in a terminal: a tmux server of its own whose one window runs the program, driven by keys, watched by
 * what is on the screen. Must never outlive the test: {@link Terminal.close} ends the server and with it the program.
 */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const WAIT_MS = 60_000;
const POLL_MS = 30;

export class Terminal {
  readonly #socket: string;
  readonly #env: NodeJS.ProcessEnv;
  #isClosed = false;

  private constructor(socket: string, env: NodeJS.ProcessEnv) {
    this.#socket = socket;
    this.#env = env;
  }

  /** Runs a command, as a shell would, in a window of 80 × 24. `socket` is where the server listens. */
  static async start(options: {
    command: string;
    cwd: string;
    env: NodeJS.ProcessEnv;
    socket: string;
  }): Promise<Terminal> {
    const terminal = new Terminal(options.socket, options.env);
    const size = ["-x", "80", "-y", "24"];
    await terminal.#tmux("-f", "/dev/null", "new-session", "-d", ...size, "-c", options.cwd, options.command);
    return terminal;
  }

  /** Types: tmux's names of keys (`Escape`, `Enter`, `C-x`) or text. */
  async keys(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  async screen(): Promise<string> {
    return await this.#tmux("capture-pane", "-p");
  }

  /** Waits until the screen shows something. @throws with what it shows instead */
  async shows(pattern: RegExp): Promise<void> {
    let screen = "";
    for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      screen = await this.screen();
      if (pattern.test(screen)) return;
    }
    throw new Error(`the terminal does not show ${pattern}:\n${screen}`);
  }

  /** The process id of the program. */
  async pid(): Promise<number> {
    return Number(await this.#tmux("display-message", "-p", "#{pane_pid}"));
  }

  /** Waits until the program has ended, and the server with it. @throws with the screen if it does not */
  async ended(): Promise<void> {
    let screen = "";
    for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      try {
        screen = await this.screen();
      } catch {
        this.#isClosed = true;
        return;
      }
    }
    throw new Error(`the program in the terminal does not end:\n${screen}`);
  }

  /** Ends whatever still runs. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const pid = await this.pid().catch(() => 0);
    await this.#tmux("kill-server").catch(() => undefined);
    // A program that does not heed the hang-up would keep the mount busy.
    for (const deadline = Date.now() + 1000; isRunning(pid) && Date.now() < deadline; ) await sleep(POLL_MS);
    if (isRunning(pid)) process.kill(pid, "SIGKILL");
  }

  async #tmux(...args: string[]): Promise<string> {
    const { stdout } = await run("tmux", ["-u", "-S", this.#socket, ...args], { env: this.#env });
    return stdout;
  }
}

function isRunning(pid: number): boolean {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
