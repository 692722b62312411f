/**
 * Owns real mounts for tests: starts a server process on a temporary store, mounts a book on temporary directories,
 * runs programs on them, and takes everything away again. Test files touch a mount asynchronously or through programs,
 * never before `withBook` has mounted it, nor after it has returned.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { type CheckMode, parseMountOptions } from "../../schema/mount-options.ts";
import { explainMissingDevice } from "../machine.ts";
import type { ServerAnswer, ServerOrder, ServerStart } from "./mount-server.ts";

const run = promisify(execFile);
/** What the mounts of the suites run on; test/long/fuse-native.test.ts sets it. */
const TRANSPORT = parseMountOptions(`transport=${process.env.PFS_TEST_TRANSPORT ?? "kernel"}`);
/** Where each operation takes milliseconds, which the kernel answers by itself or at once on the other one. */
export const IS_SLOW = TRANSPORT.transport !== "kernel";
/** How many files are many. */
export const MANY_FILES = IS_SLOW ? 1_000 : 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** What the Python programs of the tests may use: modules, `fails`, `put` and `get`. */
const PYTHON_PRELUDE = `
import ctypes, errno, fcntl, mmap, os, signal, socket, stat, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def fails(code, call, *args, **options):
    try:
        call(*args, **options)
    except OSError as error:
        got = errno.errorcode[error.errno]
        assert error.errno == getattr(errno, code), f"{call.__name__}{args}: {got}, not {code}"
        return
    raise AssertionError(f"{call.__name__}{args} succeeded, not {code}")
def put(path, data, mode="wb"):
    with open(path, mode) as file: file.write(data if isinstance(data, bytes) else data.encode())
def get(path):
    with open(path, "rb") as file: return file.read()
def check(call, *args):
    result = call(*args)
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def rename2(source, target, flags):
    check(libc.renameat2, -100, os.fsencode(source), -100, os.fsencode(target), flags)
def fallocate(fd, mode, offset, length):
    check(libc.fallocate, fd, mode, ctypes.c_long(offset), ctypes.c_long(length))
`;

export interface BookOptions {
  readonly profile?: ServerStart["profile"];
  /** How many directories the book is mounted on. */
  readonly mounts?: number;
  readonly readOnly?: boolean;
  readonly check?: CheckMode;
  /** Let other users in. */
  readonly allowOther?: boolean;
}

export interface Book {
  /** The first mount. */
  readonly dir: string;
  readonly dirs: readonly string[];
  /** A directory of an ordinary file system, for comparison. */
  readonly plain: string;
  /** What the server could blame no request for. */
  readonly faults: readonly string[];
  /** Unmounts all, stops the server, starts another on the same store and mounts again. */
  restart(options?: BookOptions): Promise<void>;
}

/** The result of a program that may fail. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Server {
  readonly faults: string[] = [];
  readonly #child: ChildProcess;
  #exited = false;

  constructor() {
    this.#child = fork(new URL("./mount-server.ts", import.meta.url), {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child.on("exit", () => {
      this.#exited = true;
    });
    this.#child.on("message", (answer: ServerAnswer) => {
      if (answer.kind === "fault") this.faults.push(answer.message);
    });
  }

  /** Sends an order, or the start, and waits until it is done. */
  async ask(order: ServerOrder | ServerStart): Promise<void> {
    assert.equal(this.#exited, false, "the server is gone");
    this.#child.send(order);
    for (;;) {
      const [answer] = (await Promise.race([
        once(this.#child, "message"),
        once(this.#child, "exit").then(() => [{ kind: "failed", message: "the server ended" }]),
      ])) as [ServerAnswer];
      if (answer.kind === "ok") return;
      if (answer.kind === "failed") throw new Error(answer.message);
    }
  }

  async stop(): Promise<void> {
    if (this.#exited) return;
    const exit = once(this.#child, "exit");
    try {
      await this.ask({ kind: "stop" });
    } catch (error) {
      this.#child.kill("SIGKILL");
      throw error;
    } finally {
      await exit;
    }
  }

  kill(): void {
    if (!this.#exited) this.#child.kill("SIGKILL");
  }
}

/** Mounts an empty book, runs `use`, unmounts. Fails also if the server had a fault that no request was blamed for. */
export async function withBook(options: BookOptions, use: (book: Book) => Promise<void>): Promise<void> {
  assert.equal(explainMissingDevice("/dev/fuse"), undefined);
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const dirs = Array.from({ length: options.mounts ?? 1 }, (_, index) => join(top, `mount-${index}`));
  const [plain, store] = [join(top, "plain"), join(top, "store")];
  for (const dir of [...dirs, plain, store]) mkdirSync(dir);
  // Other users must reach the mounts; the runner's own temporary directory is private, too.
  for (const path of [top, dirname(top)]) if (path.includes("pfs-test-")) chmodSync(path, 0o755);
  const faults: string[] = [];
  let server = new Server();
  const start = async (options: BookOptions) => {
    const { profile = "any", readOnly = false, check = TRANSPORT.check, allowOther = false } = options;
    await server.ask({ store, profile });
    for (const dir of dirs)
      await server.ask({ kind: "mount", dir, readOnly, check, allowOther, transport: TRANSPORT.transport });
  };
  try {
    await start(options);
    await use({
      dir: dirs[0] as string,
      dirs,
      plain,
      faults,
      async restart(changed = {}) {
        await server.stop();
        faults.push(...server.faults);
        server = new Server();
        await start({ ...options, ...changed });
      },
    });
    await server.stop();
    faults.push(...server.faults);
    assert.deepEqual(faults, []);
  } catch (error) {
    for (const fault of server.faults) process.stderr.write(`fault: ${fault}\n`);
    throw error;
  } finally {
    server.kill();
    for (const dir of dirs) while ((await mountState(dir)) !== "none") execFileSync("umount", ["-l", dir]);
    rmSync(top, { recursive: true, force: true });
  }
}

/** Runs a shell script in `cwd`; rejects if it fails, with what it said. Resolves with its standard output. */
export async function sh(cwd: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await trySh(cwd, script);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}${stdout}\n${script}`);
  return stdout;
}

/** The same for a script whose failure is an outcome. */
export async function trySh(cwd: string, script: string): Promise<Outcome> {
  return start(cwd, "bash", ["-euo", "pipefail", "-c", script]);
}

/** Runs a Python program in `cwd`; rejects if it fails. Resolves with its standard output. */
export async function python(cwd: string, program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await start(cwd, "python3", ["-c", PYTHON_PRELUDE + program, ...args]);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}${stdout}\n${program}`);
  return stdout;
}

async function start(cwd: string, program: string, args: readonly string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(program, args, { cwd, maxBuffer: MAX_OUTPUT_BYTES });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const failure = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof failure.code !== "number") throw error;
    return { code: failure.code, stdout: failure.stdout ?? "", stderr: failure.stderr ?? "" };
  }
}

/** Runs a Python program that knows the two mounts as `A` and `B`. */
export function both({ dirs }: Book, program: string): Promise<string> {
  return python(
    dirs[0] as string,
    `A, B = ${JSON.stringify(`${dirs[0]}/`)}, ${JSON.stringify(`${dirs[1]}/`)}\n${program}`,
  );
}
