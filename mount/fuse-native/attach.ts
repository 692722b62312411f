/**
 * Mounting through the package fuse-native, in a process of its own (`bridge-process.ts`). Owns that process's start and
 * end, and what goes wrong with it. The descriptor that comes of it speaks the kernel's protocol, as /dev/fuse does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { closeFd, setNonBlocking } from "../../lib/libc.ts";
import { createSocketPair } from "../../lib/libc-sockets.ts";
import { PfsError } from "../../schema/errors.ts";
import { mounterSocket } from "../kernel/mounter.ts";
import type { MountOptions } from "../kernel/mounting.ts";
import type { BridgeStart } from "./bridge-start.ts";
import { type BridgeWords, explainBridge, PACKAGE, requirePackage } from "./explain.ts";

const PROCESS = new URL(`./bridge-process${extname(import.meta.url)}`, import.meta.url).pathname;
const READY = "ready";
/** How long its process may take to mount, which is a program that has to be started. */
const PATIENCE_MS = 60_000;

export class FuseNativeBridge {
  #process: ChildProcess | undefined;

  /**
   * Mounts on exactly this directory. To be called once.
   * @returns the connection's descriptor (not blocking), for a Device
   * @throws PfsError MOUNT_FAILED
   */
  async attach(mountPoint: string, options: MountOptions): Promise<number> {
    const { fd, bridge } = await start(mountPoint, options);
    this.#process = bridge;
    return fd;
  }

  /** It ends by itself with the mount or with this process, but not while it is stopped or hangs: the mount would go on and answer nothing. */
  end(): void {
    this.#process?.kill("SIGKILL");
  }
}

async function start(
  mountPoint: string,
  { fsname, readOnly }: MountOptions,
): Promise<{ readonly fd: number; readonly bridge: ChildProcess }> {
  const words: BridgeStart = { mountPoint, fsname, readOnly };
  if (mounterSocket() !== undefined) {
    throw new PfsError(
      "MOUNT_FAILED",
      `Cannot mount ${mountPoint} with ${PACKAGE}: the service may not mount.`,
      {
        hint: "Its mounter mounts with transport=kernel only.",
      },
    );
  }
  requirePackage(mountPoint);
  const [ours, theirs] = createSocketPair("seqpacket");
  let bridge: ChildProcess | undefined;
  try {
    bridge = spawn(process.execPath, [PROCESS, JSON.stringify(words)], {
      stdio: ["ignore", "pipe", "pipe", theirs],
    });
    const said = await firstWords(bridge);
    if (said.line !== READY) throw explainBridge(mountPoint, said);
    letGo(bridge);
    setNonBlocking(ours);
    return { fd: ours, bridge };
  } catch (error) {
    bridge?.kill("SIGKILL");
    closeFd(ours);
    throw error;
  } finally {
    closeFd(theirs);
  }
}

/** What it says on stdout; where that is not that it is ready, with all that was complained of until it ended. */
async function firstWords(bridge: ChildProcess): Promise<BridgeWords> {
  const { stdout, stderr } = bridge;
  if (stdout === null || stderr === null) throw new Error("a process without its pipes");
  let complaints = "";
  const listen = (text: Buffer): void => {
    complaints += text.toString();
  };
  stderr.on("data", listen);
  const line = once(createInterface({ input: stdout }), "line").then(([said]) => String(said));
  const failure = once(bridge, "error").then(([error]) => (error as Error).message);
  const end = once(bridge, "close");
  const limit = new AbortController();
  const tooLong = `it has not answered for ${PATIENCE_MS / 1000} seconds`;
  const silence = sleep(PATIENCE_MS, tooLong, limit);
  try {
    const said = await Promise.race([line, failure, end.then(() => undefined), silence]);
    // What libfuse and fusermount say comes by another pipe. It ends by itself when it has said why it does not mount.
    if (said !== READY && said !== tooLong && bridge.pid !== undefined) await end;
    return { line: said?.replace(/\.$/, ""), complaints };
  } finally {
    stderr.off("data", listen);
    limit.abort();
    silence.catch(() => {});
  }
}

/** It ends with the mount; until then it must not keep this process from ending. What it complains of is told. */
function letGo(bridge: ChildProcess): void {
  bridge.stderr?.on("data", (text: Buffer) => process.stderr.write(text));
  bridge.unref();
  for (const pipe of [bridge.stdout, bridge.stderr]) (pipe as { unref?(): void } | null)?.unref?.();
}
