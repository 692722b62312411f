// Programs that hold all that the daemon's process may have: they are refused more, and the daemon goes on.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, execute, PFSD, withPlace } from "./harness.ts";

const OPEN_FILES = 1100;
/** Scratch and large files take a descriptor of the daemon's each. */
const EXHAUST = `
import errno, os, sys
sys.stdin.readline()
os.chdir(sys.argv[1])
fds = []
def until_refused(name):
    count = 0
    while True:
        try:
            fds.append(os.open(name(count), os.O_RDWR | os.O_CREAT)); os.pwrite(fds[-1], b"x", 300000)
        except OSError as error:
            assert error.errno == errno.ENFILE, error
            return count
        count += 1
assert until_refused(lambda count: f"{count}.md~") > 300
until_refused(lambda count: f"{count}.md")
print("full", flush=True)
sys.stdin.read()
`;

test("TOO_MANY: programs that have as many large files open as there are descriptors leave the daemon enough for all others", () =>
  withPlace(async ({ pfs, dir, otherDir, env, status }) => {
    await pfs("init", "my-book", "--schema", "any");
    const daemon = spawn("prlimit", [`--nofile=${OPEN_FILES}`, process.execPath, PFSD], {
      env,
      stdio: "ignore",
    });
    const exit = once(daemon, "exit");
    const hostile = spawn("/usr/bin/python3", ["-c", EXHAUST, dir], { stdio: ["pipe", "pipe", "inherit"] });
    const hostileExit = once(hostile, "exit");
    try {
      await eventually("the daemon is there", async () => (await status()).pid !== null);
      await pfs("mount", "my-book", dir);
      hostile.stdin.write("begin\n");
      const [said] = await Promise.race([once(hostile.stdout, "data"), hostileExit]);
      assert.equal(String(said), "full\n");
      const small = await execute("sh", [
        "-c",
        `mkdir ${dir}/d && echo saved > ${dir}/d/small.md && cat ${dir}/d/small.md`,
      ]);
      assert.deepEqual(small, { code: 0, stdout: "saved\n", stderr: "" });
      await pfs("mount", "my-book", otherDir);
      assert.match(await pfs("log", "my-book", "d/small.md"), /create/);
      const refusals = await execute("grep", ["-c", '"TOO_MANY"', join(otherDir, ".pfs/errors.jsonl")]);
      assert.ok(Number(refusals.stdout) > 0);
      hostile.stdin.end();
      assert.deepEqual(await hostileExit, [0, null]);
      mkdirSync(join(dir, "after"));
      assert.equal(
        (await execute("sh", ["-c", `head -c 300000 /dev/zero > ${dir}/after/large.md`])).stderr,
        "",
      );
      await pfs("stop");
      assert.match(await pfs("verify"), /^The store is sound/);
    } finally {
      hostile.kill("SIGKILL");
      daemon.kill("SIGKILL");
      await Promise.all([exit, hostileExit]);
    }
  }));
