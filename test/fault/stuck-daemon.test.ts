// A daemon killed while the kernel has one of its threads wait for a directory's lock, of a program that waits for that daemon:
// it cannot end, and whoever asks for the store next ends it.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, execute, isAlive, withPlace } from "../daemon/harness.ts";

/** How often the moment may be missed. */
const ATTEMPTS = 5;
/** More than a daemon that can end takes to. */
const ENDING_MS = 500;

/** Makes and removes files at the root of a mount until the mount is gone; then tells the error. */
const CLIENT = `
import errno, os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
try:
    while True:
        open(sys.argv[2], "x").close(); os.unlink(sys.argv[2])
except OSError as error: print(errno.errorcode[error.errno], flush=True)
`;

function startClient(directory: string, name: string): { child: ChildProcess; said: () => string } {
  const child = spawn("python3", ["-c", CLIENT, directory, name], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  return { child, said: () => said };
}

/** Whether a thread of the process waits for the lock of a directory, to tell the kernel of a name in it. */
function isTellingName(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some(
      (thread) => readFileSync(`/proc/${pid}/task/${thread}/wchan`, "utf8") === "fuse_reverse_inval_entry",
    );
  } catch (error) {
    // It, or one of its threads, has just ended.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** Kills a daemon that waits for a program's directory. False: the kernel let it have that in the very moment, and so it has ended. */
async function killWhileItTells(pid: number): Promise<boolean> {
  await eventually("a thread waits for a directory of a program", () => isTellingName(pid));
  process.kill(pid, "SIGKILL");
  await eventually("its first thread has ended", () => !isAlive(pid));
  await sleep(ENDING_MS);
  return isTellingName(pid);
}

test("SC-002: a killed daemon that the kernel keeps from ending is ended by the next command, and nothing is lost", async () => {
  const slow = new URL("./slow-steps.ts", import.meta.url).href;
  await withPlace(async (place) => {
    const { pfs, run, dir, otherDir, env, store, top } = place;
    const order = join(top, "slow");
    await pfs("init", "my-book", "--schema", "any");
    Object.assign(env, { PFS_TEST_SLOW: order });
    let clients: ReturnType<typeof startClient>[] = [];
    try {
      for (let attempt = 1; ; attempt++) {
        env.NODE_OPTIONS = `--import ${slow}`;
        await pfs("mount", "my-book", dir);
        delete env.NODE_OPTIONS;
        await pfs("mount", "my-book", otherDir);
        writeFileSync(join(dir, "kept"), "kept");
        const pid = Number(readFileSync(join(store, "lock"), "utf8"));
        writeFileSync(order, "");
        // Two on the one, so that its directory is always locked by one of them.
        clients = [startClient(dir, "a"), startClient(otherDir, "b"), startClient(otherDir, "c")];
        if (await killWhileItTells(pid)) break;
        assert.ok(attempt < ATTEMPTS, "the kernel has kept no daemon from ending");
        rmSync(order);
        await Promise.all(clients.map(({ child }) => child.exitCode ?? once(child, "close")));
      }
      const { stdout } = await run("status");
      assert.match(stdout, /^daemon {2}none runs$/m);
      await Promise.all(clients.map(({ child }) => child.exitCode ?? once(child, "close")));
      for (const { said } of clients) assert.match(said(), /^ready\n(ECONNABORTED|ENOTCONN)\n$/);
      await pfs("mount", "my-book", dir);
      assert.equal(readFileSync(join(dir, "kept"), "utf8"), "kept");
      assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    } finally {
      for (const { child } of clients) child.kill("SIGKILL");
      await execute("umount", ["-f", "-l", otherDir]);
    }
  });
});
