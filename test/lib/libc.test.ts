// The system calls that Node lacks, on real descriptors; the doorbell and the poll set built on them.

import assert from "node:assert/strict";
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import koffi from "koffi";
import { Alarm } from "../../lib/alarm.ts";
import { Doorbell } from "../../lib/doorbell.ts";
import {
  allocatePageAligned,
  closeFd,
  dropCached,
  fallocate,
  futimens,
  lseek,
  readFd,
  startWriteback,
  tryLockExclusive,
  waitReadable,
  writeFd,
} from "../../lib/libc.ts";
import {
  connectSocket,
  createSocketPair,
  receiveFd,
  receiveMessage,
  sendMessage,
} from "../../lib/libc-sockets.ts";
import { PollSet } from "../../lib/poll-set.ts";
import { Errno } from "../../schema/errors.ts";

const [SEEK_DATA, SEEK_HOLE] = [3, 4];
const [KEEP_SIZE, PUNCH_HOLE] = [1, 2];

/** Runs `use` with a new file that is open for reading and writing. */
function withFile(use: (fd: number, path: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const path = join(dir, "file");
  const fd = openSync(path, "w+");
  try {
    use(fd, path);
  } finally {
    closeSync(fd);
    rmSync(dir, { recursive: true });
  }
}

describe("libc", () => {
  it("a page-aligned buffer has its body, of the size asked for, at a page's start", () => {
    for (const [headBytes, bodyBytes] of [
      [16, 0],
      [16, 1024 * 1024],
      [80, 100],
      [0, 4096],
    ] as const) {
      const buffer = allocatePageAligned(headBytes, bodyBytes);
      assert.equal(buffer.length, headBytes + bodyBytes);
      assert.equal((Number(koffi.address(buffer)) + headBytes) % 4096, 0);
    }
  });

  it("read and write return counts, and errors as negative numbers", () => {
    const [ours, theirs] = createSocketPair();
    const bytes = Buffer.from("abc");
    assert.equal(writeFd(ours, bytes, 2), 2);
    const target = Buffer.alloc(8);
    assert.equal(readFd(theirs, target, 8), 2);
    assert.equal(target.toString("utf8", 0, 2), "ab");
    assert.throws(() => readFd(ours, target, 9), RangeError);
    assert.throws(() => writeFd(ours, target, 9), RangeError);
    closeFd(ours);
    closeFd(theirs);
    assert.equal(readFd(-1, target, 8), -Errno.EBADF);
    assert.equal(writeFd(-1, bytes, 1), -Errno.EBADF);
    assert.throws(() => closeFd(-1), { name: "PosixError", code: "EBADF" });
  });

  it("no descriptor is received where none was sent", () => {
    const [ours, theirs] = createSocketPair();
    try {
      assert.equal(receiveFd(ours), undefined);
      writeFd(theirs, Buffer.from("x"), 1);
      assert.equal(receiveFd(ours), undefined);
    } finally {
      closeFd(ours);
      closeFd(theirs);
    }
  });

  it("a descriptor comes with the bytes that it was sent with, and the end of the other side is told", async () => {
    const [ours, theirs] = createSocketPair();
    try {
      const bytes = Buffer.alloc(8);
      assert.equal(receiveMessage(ours, bytes), undefined);
      assert.equal(await waitReadable(ours, 1), false);
      const [sent, other] = createSocketPair();
      sendMessage(theirs, Buffer.from("word"), sent);
      closeFd(sent);
      assert.equal(await waitReadable(ours, 60_000), true);
      const { count, fd } = receiveMessage(ours, bytes) ?? { count: -1 };
      assert.deepEqual([count, bytes.toString("utf8", 0, 4)], [4, "word"]);
      assert.ok(fd !== undefined);
      writeFd(fd, Buffer.from("x"), 1);
      assert.equal(readFd(other, bytes, 8), 1);
      for (const each of [fd, other]) closeFd(each);
      closeFd(theirs);
      assert.deepEqual(receiveMessage(ours, bytes), { count: 0, fd: undefined });
    } finally {
      closeFd(ours);
    }
    assert.throws(() => connectSocket("/nowhere"), { name: "PosixError", code: "ENOENT" });
  });

  it("D1: a lock is exclusive between two opens of one file", () => {
    withFile((fd, path) => {
      assert.equal(tryLockExclusive(fd), true);
      const other = openSync(path, "r+");
      assert.equal(tryLockExclusive(other), false);
      closeSync(other);
      assert.equal(tryLockExclusive(fd), true, "it is still ours");
    });
  });

  it("a file that goes to the disk early, and out of the cache, holds what was written", () => {
    withFile((fd, path) => {
      const bytes = Buffer.alloc(3 * 64 * 1024, "abc");
      writeSync(fd, bytes);
      startWriteback(fd, 0, bytes.length);
      dropCached(fd, 0, bytes.length);
      assert.deepEqual(readFileSync(path), bytes);
      startWriteback(-1, 0, bytes.length);
      dropCached(-1, 0, bytes.length);
    });
  });

  it("fallocate grows a file, keeps its size, punches holes that lseek finds", () => {
    withFile((fd) => {
      const block = 64 * 1024;
      writeSync(fd, Buffer.alloc(3 * block, 1));
      fallocate(fd, KEEP_SIZE | PUNCH_HOLE, block, block);
      assert.equal(lseek(fd, 0, SEEK_HOLE), block);
      assert.equal(lseek(fd, block, SEEK_DATA), 2 * block);
      assert.throws(() => lseek(fd, 3 * block, SEEK_DATA), { name: "PosixError", code: "ENXIO" });
      fallocate(fd, 0, 0, 4 * block);
      assert.equal(fstatSync(fd).size, 4 * block);
      fallocate(fd, KEEP_SIZE, 0, 8 * block);
      assert.equal(fstatSync(fd).size, 4 * block);
      assert.throws(() => fallocate(fd, 0, -1, 1), { name: "PosixError", code: "EINVAL" });
    });
  });

  it("positions beyond 2^32 are exact", () => {
    withFile((fd) => {
      const end = 5 * 2 ** 32;
      ftruncateSync(fd, end);
      assert.equal(lseek(fd, end - 1, SEEK_HOLE), end - 1);
    });
  });

  it("futimens sets nanoseconds, also before 1970", () => {
    withFile((fd, path) => {
      futimens(fd, { seconds: 1700000000, nanoseconds: 123456789 }, { seconds: -2, nanoseconds: 1 });
      const { atimeNs, mtimeNs } = statSync(path, { bigint: true });
      assert.deepEqual([atimeNs, mtimeNs], [1700000000123456789n, -1999999999n]);
    });
  });
});

describe("doorbell, alarm and poll set", () => {
  it("an alarm goes off once, when it was set; cleared, it does not", () => {
    const [alarm, set] = [new Alarm(), new PollSet()];
    try {
      set.add(alarm.fd);
      assert.equal(set.wait(0), 0);
      alarm.set(1);
      assert.equal(set.wait(), 1);
      assert.equal(set.wait(0), 1, "until it is cleared");
      alarm.clear();
      assert.equal(set.wait(0), 0);
      alarm.set(900);
      alarm.set(1);
      const startMs = performance.now();
      assert.equal(set.wait(), 1);
      assert.ok(performance.now() - startMs < 800, "the time that was set last counts");
      alarm.clear();
      assert.equal(set.wait(5), 0);
    } finally {
      alarm.close();
    }
  });

  it("rings become one, and clearing takes it back", () => {
    const doorbell = new Doorbell();
    try {
      assert.equal(doorbell.clear(), false);
      doorbell.ring();
      doorbell.ring();
      assert.equal(doorbell.clear(), true);
      assert.equal(doorbell.clear(), false);
    } finally {
      doorbell.close();
    }
  });

  it("a wait tells which descriptors are ready, also hung-up ones, and keeps more than eight", () => {
    const pairs = Array.from({ length: 10 }, createSocketPair);
    const ours = pairs.map(([fd]) => fd);
    const theirs = pairs.map(([, fd]) => fd);
    const waited = new PollSet();
    for (const fd of ours) waited.add(fd);
    const ready = () => ours.flatMap((_, index) => (waited.isReady(index) ? [index] : []));
    try {
      assert.equal(waited.wait(0), 0);
      assert.deepEqual(ready(), []);
      writeFd(theirs[9] as number, Buffer.from("x"), 1);
      closeFd(theirs.splice(2, 1)[0] as number);
      assert.equal(waited.wait(), 2);
      assert.deepEqual(ready(), [2, 9]);
      waited.remove(ours[2] as number);
      assert.equal(waited.size, 9);
      assert.equal(waited.wait(), 1);
      assert.equal(waited.isReady(8), true, "the tenth has become the ninth");
      assert.throws(() => waited.add(ours[0] as number), /waited on already/);
    } finally {
      for (const fd of [...ours, ...theirs]) closeFd(fd);
    }
  });

  it("wakes a thread that waits in poll", async () => {
    const doorbell = new Doorbell();
    const url = (path: string) => JSON.stringify(new URL(`../../lib/${path}`, import.meta.url).href);
    const code = `Promise.all([import(${url("doorbell.ts")}), import(${url("poll-set.ts")})]).then(([d, p]) => {
      const bell = new d.Doorbell(${doorbell.fd});
      const set = new p.PollSet();
      set.add(bell.fd);
      const { parentPort } = require("node:worker_threads");
      parentPort.postMessage("waiting");
      const ready = set.wait();
      parentPort.postMessage([ready, set.isReady(0), bell.clear()]);
    })`;
    const worker = new Worker(code, { eval: true });
    try {
      const messages: unknown[] = [];
      await new Promise<void>((resolve, reject) => {
        worker.on("error", reject).on("exit", () => resolve());
        worker.on("message", (message) => {
          messages.push(message);
          if (message === "waiting") doorbell.ring();
        });
      });
      assert.deepEqual(messages, ["waiting", [1, true, true]]);
    } finally {
      doorbell.close();
    }
  });
});
