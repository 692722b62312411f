/**
 * What the transport's tests share: a directory to mount on, and the memory file system mounted there by a process of
 * its own. Owns taking both away again.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { type MountOptions, unmountDirectory } from "../../mount/kernel/mounting.ts";
import { PfsError } from "../../schema/errors.ts";
import { explainMissingDevice } from "../machine.ts";
import type { MemoryMountAnswer, MemoryMountOrder, MemoryMountStart } from "./memory-mount.ts";

export const NOBODY = 65534;
export const OPTIONS: MountOptions = { allowOther: false, readOnly: false, fsname: "test book, 1" };

export interface Mounted {
  dir: string;
  child: ChildProcess;
  ask(order: MemoryMountOrder): Promise<MemoryMountAnswer>;
}

assert.equal(explainMissingDevice("/dev/fuse"), undefined);
assert.equal(process.getuid?.(), 0, "these tests mount as root and as nobody: run them as root");

/** Runs `use` with a new directory that everyone can reach, and takes away whatever is mounted in it afterwards. */
export async function withDirectory(use: (dir: string) => Promise<void>): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  // The test runner's own temporary directory is private to root, too.
  for (const path of [top, dirname(top)]) {
    if (path.includes("pfs-test-")) chmodSync(path, 0o755);
  }
  const dir = join(top, "mount point");
  mkdirSync(dir);
  try {
    await use(dir);
  } finally {
    while ((await mountState(dir)) !== "none") execFileSync("umount", ["-l", dir]);
    rmSync(top, { recursive: true, force: true });
  }
}

/**
 * Mounts the memory file system on `dir` from a process of its own, which `launcher` starts if one is given.
 * @throws PfsError as that process had it
 */
export async function mountMemory(
  dir: string,
  start: Partial<MemoryMountStart> = {},
  launcher: readonly string[] = [],
): Promise<Mounted> {
  const [execPath = process.execPath, ...rest] = launcher;
  const execArgv = launcher.length === 0 ? [] : [...rest, process.execPath];
  const child = fork(join(import.meta.dirname, "memory-mount.ts"), { execPath, execArgv });
  const ask = async (message: MemoryMountOrder | MemoryMountStart): Promise<MemoryMountAnswer> => {
    const ended = once(child, "exit").then(([code]) => [`the mounting process ended with ${code}`]);
    const answered = Promise.race([once(child, "message"), ended]);
    child.send(message);
    const [answer] = await answered;
    if (typeof answer === "string") throw new Error(answer);
    return answer as MemoryMountAnswer;
  };
  const answer = await ask({ dir, options: OPTIONS, ...start });
  if (answer.kind === "failed") throw new PfsError("MOUNT_FAILED", answer.message, { hint: answer.hint });
  assert.equal(answer.kind, "ready");
  return { dir, child, ask };
}

export async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** Unmounts and waits for the server's end, which must come by itself. */
export async function unmountMemory({ dir, child }: Mounted): Promise<void> {
  await unmountDirectory(dir, { lazy: false });
  await exited(child);
  assert.equal(child.exitCode, 0);
}

export async function killServer({ child }: Mounted): Promise<void> {
  child.kill("SIGKILL");
  await exited(child);
}

/** The refusal that `promise` must end with. */
export async function rejection(promise: Promise<unknown>): Promise<PfsError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof PfsError, `not refused with a PfsError: ${outcome}`);
  assert.equal(outcome.code, "MOUNT_FAILED");
  return outcome;
}
