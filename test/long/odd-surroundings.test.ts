// What the commands do where things around them are not as they should be: a daemon that is suspended or a zombie, a
// working directory that is gone, names that would steer a terminal.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { printable } from "../../daemon/cli/text.ts";
import { eventually, execute, isAlive, PFS, PFSD, withPlace } from "../daemon/harness.ts";

test("a daemon that is suspended does not hang the commands: they say so after some seconds, and with its pid what to do", () =>
  withPlace(async ({ run, pfs, dir, status }) => {
    await pfs("init", "my-book");
    await pfs("mount", "my-book", dir);
    const { pid } = await status();
    process.kill(pid as number, "SIGSTOP");
    try {
      const outcomes = await Promise.all([run("status"), run("log"), run("stop"), run("ls", "my-book")]);
      for (const { code, stderr } of outcomes) {
        assert.equal(code, 1);
        assert.match(stderr, /^pfs: The daemon of the store .* has not answered for 5 seconds\.\n/);
        assert.ok(stderr.includes(`kill -CONT ${pid}`), stderr);
      }
    } finally {
      process.kill(pid as number, "SIGCONT");
    }
    await pfs("status");
  }));

/** Runs the daemon and does not ask how it ended, so that it is a zombie then. */
const NEGLIGENT = `
import subprocess, sys
child = subprocess.Popen(sys.argv[1:])
print(child.pid, flush=True)
sys.stdin.read()
`;

test("`pfs stop` takes a zombie for what it is: a daemon that has ended", () =>
  withPlace(async ({ pfs, run, env, status }) => {
    await pfs("init", "my-book");
    const parent = spawn("python3", ["-c", NEGLIGENT, process.execPath, PFSD], {
      env,
      stdio: ["pipe", "pipe", "ignore"],
    });
    try {
      await eventually("the daemon runs", async () => (await status()).pid !== null);
      const { pid } = await status();
      const { code, stdout } = await run("stop");
      assert.deepEqual([code, isAlive(pid as number)], [0, false]);
      assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^State:\s+Z/m);
      assert.ok(stdout.startsWith(`Stopped the daemon (process ${pid})`), stdout);
    } finally {
      parent.stdin.end();
      await once(parent, "exit");
    }
  }));

test("in a working directory that is gone the commands say that, in words of their own", () =>
  withPlace(async ({ pfs, top, env }) => {
    await pfs("init", "my-book");
    const gone = join(top, "gone");
    for (const args of [
      ["mount", "my-book", "x"],
      ["import", "my-book", "."],
      ["validate", "./x"],
    ]) {
      await mkdir(gone);
      const script = `cd "$1"; rmdir "$1"; shift; exec "$@"`;
      const words = ["-c", script, "bash", gone, process.execPath, PFS, ...args];
      const { code, stderr } = await execute("bash", words, env);
      assert.equal(
        stderr.split("\n")[0],
        "pfs: The working directory is not there any more.",
        args.join(" "),
      );
      assert.equal(code, 1);
      rmSync(gone, { recursive: true, force: true });
    }
  }));

const ODD = ["a\u202eb", "a\u2066b", "a\u061cb", "a\u200bb", "a\u2028b", "\ufeffa", "a\u{e0041}b"];

test("names that would steer a terminal or turn the writing round are escaped for people and exact for scripts", () =>
  withPlace(async ({ pfs, top, env }) => {
    const source = join(top, "source");
    await mkdir(source);
    // Two of them are refused by every book, as control characters are.
    const names = ODD.filter((name) => !name.includes("\u2028"));
    for (const name of names) await writeFile(join(source, name), "x");
    await pfs("import", "my-book", source, "--schema", "any");
    const listed = (await pfs("ls", "my-book", "--json")).trimEnd().split("\n");
    assert.deepEqual(listed.map((line) => JSON.parse(line).path).sort(), [...names].sort());
    assert.deepEqual((await pfs("ls", "my-book")).trimEnd().split("\n").sort(), [...names].sort());
    for (const command of ["ls my-book", "ls -l my-book", "log"]) {
      const words = ["-qec", `${process.execPath} ${PFS} ${command}`, "/dev/null"];
      const { stdout } = await execute("script", words, env);
      assert.ok(stdout.includes("a\\u{202e}b"), stdout);
      assert.doesNotMatch(stdout, /[\u061c\u200b\u202e\u2066\ufeff]|\u{e0041}/u);
    }
  }));

test("what people see of a text has no control, separator or format character, but joiners", () => {
  for (const name of [...ODD, "a\u001bb", "a\u0085b", "a\ud800b"]) assert.match(printable(name), /\\u\{/);
  const woman = "\u{1f469}\u200d\u{1f4bb}";
  for (const name of ["naïve", "شرح‌ها", woman, "日本語", "a b"]) assert.equal(printable(name), name);
});
