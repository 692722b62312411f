// Notifications of several mounts share the few threads of Node's pool, over sockets in the place of /dev/fuse.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { closeFd, readFd, setNonBlocking } from "../../../lib/libc.ts";
import { createSocketPair } from "../../../lib/libc-sockets.ts";
import { Notifier } from "../../../mount/kernel/notifier.ts";
import { Errno } from "../../../schema/errors.ts";

/** More than a socket takes before somebody reads: the write waits as for a directory's lock. */
const UNTAKEN = Buffer.alloc(8 * 1024 * 1024);

test("names that wait for locks in many mounts leave a thread to the pages that those locks' holders wait for", async () => {
  const delivered = new EventEmitter();
  const ends: number[] = [];
  const notifiers = Array.from({ length: 6 }, () => {
    const [ours, theirs] = createSocketPair();
    ends.push(theirs);
    const notifier = new Notifier({
      fd: ours,
      delivered: (ticket) => delivered.emit(String(ticket)),
      onFault: () => {},
    });
    return { notifier, ours };
  });
  try {
    for (const [index, { notifier }] of notifiers.entries())
      notifier.send({ lane: "entry", ticket: 100 + index, bytes: UNTAKEN });
    const told = once(delivered, "1", { signal: AbortSignal.timeout(20_000) });
    const last = notifiers.at(-1) as { notifier: Notifier };
    setTimeout(() => last.notifier.send({ lane: "inode", ticket: 1, bytes: Buffer.alloc(16) }), 100);
    await told;
    const all = notifiers.map((_, index) => once(delivered, String(100 + index)));
    for (const end of ends.splice(0)) closeFd(end);
    assert.equal((await Promise.all(all)).length, 6, "each has its turn");
  } finally {
    for (const end of ends) closeFd(end);
    await Promise.all(notifiers.map(({ notifier }) => notifier.close()));
    for (const { ours } of notifiers) closeFd(ours);
  }
});

test("what a kernel is told again comes later, holds nothing up, and is not told after the end", async () => {
  const [ours, theirs] = createSocketPair("seqpacket");
  setNonBlocking(theirs);
  const order: number[] = [];
  const told = Promise.withResolvers<void>();
  const notifier = new Notifier({
    fd: ours,
    delivered: (ticket) => {
      order.push(ticket);
      if (ticket === 1) told.resolve();
    },
    onFault: () => {},
  });
  try {
    const bytes = Buffer.alloc(16);
    notifier.send({ lane: "inode", ticket: 1, bytes, afterMs: 20 });
    notifier.send({ lane: "inode", ticket: 2, bytes });
    await told.promise;
    assert.deepEqual(order, [2, 1]);
    notifier.send({ lane: "inode", ticket: 3, bytes, afterMs: 20 });
    await notifier.close();
    assert.deepEqual(order, [2, 1, 3], "whoever waits for it is not forgotten");
    const taken = [1, 2, 3].map(() => readFd(theirs, Buffer.alloc(64), 64));
    assert.deepEqual(taken, [16, 16, -Errno.EAGAIN]);
  } finally {
    await notifier.close();
    for (const end of [ours, theirs]) closeFd(end);
  }
});
