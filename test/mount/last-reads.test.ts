// What is remembered of who read what: by process, through threads and reused numbers, bounded by what runs.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { LastReads } from "../../mount/last-reads.ts";
import { ProcessIdentity } from "../../mount/process-identity.ts";
import { SAME_THREAD_MS } from "../../mount/process-names.ts";
import type { BlobHash, FileId } from "../../schema/ids.ts";

const [A, B] = ["a".repeat(64), "b".repeat(64)] as BlobHash[] as [BlobHash, BlobHash];
const FILE = (2 ** 40) as FileId;

/** Waits until no number counts as the same thread's without a look. */
const thatLong = (): Promise<void> => sleep(2 * SAME_THREAD_MS);

async function withProcess(use: (pid: number, end: () => Promise<void>) => Promise<void>): Promise<void> {
  const child: ChildProcess = spawn("sleep", ["1000"], { stdio: "ignore" });
  const exit = once(child, "exit");
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exit;
  };
  try {
    await use(child.pid as number, end);
  } finally {
    await end();
  }
}

test("W1: noting a read looks nobody up in /proc; that is done when the notes are settled", () => {
  const reads = new LastReads();
  // A number that no process can have: whoever looked it up would forget it.
  const nobody = 2 ** 31 - 2;
  for (let i = 0; i < 1000; i++) reads.note(nobody, (2 ** 40 + i) as FileId, A);
  assert.equal(reads.size, 1000);
  reads.settle();
  assert.equal(reads.size, 0, "nobody is left to know it");
});

test("W1: a thread that has ended since it read counts as its process", async () => {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     parentPort.postMessage(Number(require("node:fs").readlinkSync("/proc/thread-self").replace(/.*[/]/, "")));
     parentPort.once("message", () => process.exit());`,
    { eval: true },
  );
  const [tid] = (await once(worker, "message")) as [number];
  const reads = new LastReads();
  reads.note(tid, FILE, A);
  reads.meetThread(tid);
  reads.note(tid, FILE, B);
  worker.postMessage("end");
  await once(worker, "exit");
  await thatLong();
  assert.equal(reads.lastRead(process.pid, FILE), A, "what is not settled yet is not asked for");
  reads.settle();
  assert.equal(reads.lastRead(process.pid, FILE), B);
  reads.close();
});

test("W1: a process that is gone is forgotten, also when its number is used again", () =>
  withProcess(async (pid, end) => {
    const reads = new LastReads();
    reads.note(pid, FILE, A);
    reads.rest();
    assert.equal(reads.lastRead(pid, FILE), A);
    const identity = new ProcessIdentity(pid);
    assert.equal(identity.isAlive(), true);
    await end();
    assert.equal(identity.isAlive(), false);
    identity.close();
    await thatLong();
    reads.rest();
    assert.equal(reads.lastRead(pid, FILE), undefined);
    assert.equal(reads.processCount, 0);
    reads.close();
  }));

test("W1: a number that is used again by another process knows nothing of what the first one read", () => {
  // In a PID namespace of its own the next process id can be chosen, so that the number comes again for sure.
  const script = `
      echo 5000 > /proc/sys/kernel/ns_last_pid; sleep 1000 & first=$!
      ${process.execPath} --input-type=module - "$first" <<'EOS'
      import { spawn, execFileSync } from "node:child_process";
      import { writeFileSync } from "node:fs";
      import { once } from "node:events";
      import { LastReads } from "${new URL("../../mount/last-reads.ts", import.meta.url)}";
      const first = Number(process.argv[2]);
      const reads = new LastReads();
      reads.note(first, ${FILE}, "${A}");
      reads.settle();
      if (reads.lastRead(first, ${FILE}) !== "${A}") throw new Error("never known");
      process.kill(first, "SIGKILL");
      execFileSync("sleep", ["0.05"]);
      let again;
      for (let tries = 0; tries < 50 && again?.pid !== first; tries++) {
        again?.kill("SIGKILL");
        writeFileSync("/proc/sys/kernel/ns_last_pid", String(first - 1));
        again = spawn("sleep", ["1000"]);
      }
      if (again.pid !== first) throw new Error("the number did not come again");
      execFileSync("sleep", ["${(2 * SAME_THREAD_MS) / 1000}"]); reads.rest();
      const known = reads.lastRead(first, ${FILE});
      again.kill("SIGKILL");
      process.exit(known === undefined ? 0 : 1);
EOS`;
  const { status, stderr } = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "bash", "-c", script], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
});

test("W1: a process keeps what it knows however much others read, who are forgotten once they are gone", () =>
  withProcess(async (pid, end) => {
    const reads = new LastReads();
    reads.note(process.pid, FILE, A);
    for (let i = 1; i <= 300_000; i++) reads.note(pid, (2 ** 41 + i) as FileId, B);
    reads.settle();
    assert.equal(reads.size, 300_001);
    await end();
    await thatLong();
    reads.rest();
    assert.equal(reads.size, 1);
    assert.equal(reads.lastRead(process.pid, FILE), A);
    reads.close();
  }));

test("W1: writing without reading is remembered as such, and reading turns it into knowledge", () => {
  const reads = new LastReads();
  reads.wrote(process.pid, FILE, A);
  assert.deepEqual([reads.lastRead(process.pid, FILE), reads.lastWritten(process.pid, FILE)], [undefined, A]);
  reads.note(process.pid, FILE, A);
  reads.settle();
  reads.wrote(process.pid, FILE, B);
  assert.deepEqual([reads.lastRead(process.pid, FILE), reads.lastWritten(process.pid, FILE)], [B, undefined]);
  reads.close();
});
