// Notifications of several mounts share the few threads of Node's pool, over sockets in the place of /dev/fuse.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { closeFd } from "../../../lib/libc.ts";
import { createSocketPair } from "../../../lib/libc-sockets.ts";
import { Notifier } from "../../../mount/kernel/notifier.ts";

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
