// R7: the log names the process behind a write as its user knows it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { commandOf, processIdOf } from "../../mount/process-names.ts";
import { RequestActor } from "../../mount/request-actor.ts";
import { parseAgentName } from "../../schema/ids.ts";

test("R7: a command is the process's name, not what Node calls a thread of it", () => {
  assert.equal(commandOf(process.pid), "node");
});

test("a name is never read from a process's memory, whose lock may wait for the mount", async () => {
  // A name that is cut off: the arguments have all of it, and they are in that memory.
  const script = "printf a-name-that-is-cut-off > /proc/$$/comm; echo; read -r _";
  const child = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] });
  try {
    await once(child.stdout, "data");
    assert.equal(commandOf(child.pid as number), "a-name-that-is-");
  } finally {
    child.kill("SIGKILL");
  }
});

test("R7: a process that has become another program has its new name at once, and one that is gone has none", async () => {
  const child = spawn("/bin/sh", ["-c", "read -r _; exec sleep 60"], { stdio: ["pipe", "ignore", "ignore"] });
  const pid = child.pid as number;
  try {
    await once(child, "spawn");
    assert.equal(commandOf(pid), "sh");
    child.stdin.write("go\n");
    for (let waited = 0; commandOf(pid) === "sh" && waited < 5000; waited += 10) await delay(10);
    assert.equal(commandOf(pid), "sleep");
    assert.equal(commandOf(process.pid), "node");
    assert.equal(commandOf(pid), "sleep");
  } finally {
    child.kill("SIGKILL");
  }
  await once(child, "exit");
  assert.equal(commandOf(pid), "");
});

test("R7: a thread counts as its process", async () => {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     parentPort.postMessage(Number(require("node:fs").readlinkSync("/proc/thread-self").replace(/.*[/]/, "")));
     setInterval(() => {}, 1000);`,
    { eval: true },
  );
  try {
    const [tid] = (await once(worker, "message")) as [number];
    assert.notEqual(tid, process.pid);
    assert.equal(processIdOf(tid), process.pid);
    assert.equal(commandOf(tid), commandOf(process.pid));
  } finally {
    await worker.terminate();
  }
});

test("R7: the kernel's own writeback has no process", () => {
  assert.equal(processIdOf(0), 0);
  assert.equal(commandOf(0), "");
});

test("R7: what was captured while the process was there stays when it is gone", async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  const [agent, pid] = [parseAgentName("alice"), child.pid as number];
  const captured = new RequestActor(agent, {}, { uid: 1, gid: 2, pid });
  const late = new RequestActor(agent, {}, { uid: 1, gid: 2, pid });
  captured.capture();
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.deepEqual([captured.pid, captured.command()], [pid, "sleep"]);
  assert.deepEqual([late.pid, late.command()], [pid, ""]);
});
