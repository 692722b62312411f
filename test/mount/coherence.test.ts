// C1: two mounts of one book, without kernels: who is told what, and whose answer waits for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FATTR, FOPEN, NOTIFY } from "../../mount/kernel/protocol.ts";
import type { Notification } from "../../mount/kernel-link.ts";
import { Errno } from "../../schema/errors.ts";
import { O_APPEND, O_RDWR, O_WRONLY, ROOT } from "./kernel-client.ts";
import { withTestBook } from "./test-book.ts";

/** `inode 17`, `entry 1 a.md`: what a notification says. */
function show({ bytes }: Notification): string {
  const code = bytes.readInt32LE(4);
  const nodeid = Number(bytes.readBigUInt64LE(16));
  if (code === NOTIFY.INVAL_INODE) return `inode ${nodeid}`;
  assert.equal(code, NOTIFY.INVAL_ENTRY);
  return `entry ${nodeid} ${bytes.toString("utf8", 32, 32 + bytes.readUInt32LE(24))}`;
}

/** The body of a SETATTR that changes the mode. Source: struct fuse_setattr_in */
function chmodTo(mode: number): { bytes: Buffer } {
  const bytes = Buffer.alloc(88);
  bytes.writeUInt32LE(FATTR.MODE, 0);
  bytes.writeUInt32LE(0o100000 | mode, 68);
  return { bytes };
}

test("C1: a single mount of a book is told nothing and waits for nothing", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const file = kernel.create(ROOT, "a.md");
    kernel.write(file, file.fh, "x");
    assert.equal(kernel.flush(file, file.fh)?.errno, 0);
    assert.equal(kernel.rename(ROOT, "a.md", ROOT, "b.md")?.errno, 0);
    assert.deepEqual(kernel.notifications, []);
    assert.equal(book.deliveries.isIdle, true);
  });
});

test("I1: a kernel whose file has another inode number by what it did itself is told to ask for it; nobody waits", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    kernel.save(ROOT, "a.md", "old");
    const temporary = kernel.save(ROOT, "a.md.tmp", "new");
    assert.equal(kernel.rename(ROOT, "a.md.tmp", ROOT, "a.md")?.errno, 0);
    assert.ok(kernel.notifications.map(show).includes(`inode ${temporary.nodeid}`));
    assert.deepEqual(
      kernel.notifications.map(({ bytes }) => bytes.readBigInt64LE(24)).filter((offset) => offset >= 0n),
      [],
      "attributes only: the pages are right",
    );
  });
});

test("C1: another mount is told of what it knows; a close is answered when it has been", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    const file = one.save(ROOT, "a.md", "first");
    for (const { ticket } of other.notifications.splice(0)) book.deliveries.delivered(ticket);
    one.lateAnswers.length = 0;
    const seen = other.lookup(ROOT, "a.md");
    other.release(seen, other.open(seen).fh);

    const { fh } = one.open(file, O_RDWR);
    one.write(file, fh, "second");
    assert.equal(one.flush(file, fh), undefined, "kept back");
    assert.ok(other.notifications.map(show).includes(`inode ${seen.nodeid}`));
    assert.deepEqual(one.notifications, [], "nobody is told of what it did itself");
    const early = other.open(seen);
    assert.equal(early.flags & FOPEN.KEEP_CACHE, 0, "its pages are old");
    assert.equal(other.open(seen).flags & FOPEN.KEEP_CACHE, 0, "as long as it is not told of that");

    assert.equal(one.lateAnswers.length, 0);
    for (const { ticket } of other.notifications.splice(0)) book.deliveries.delivered(ticket);
    assert.equal(other.open(seen).flags & FOPEN.KEEP_CACHE, FOPEN.KEEP_CACHE, "they were dropped");
    assert.equal(one.lateAnswers.length, 1);
    assert.equal(one.lateAnswers[0]?.buffer.readInt32LE(4), 0);
  });
});

test("C1: a kernel that does not know a node yet, as the answer that tells of it is on its way, is told again; a close waits", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    const file = one.save(ROOT, "a.md", "first");
    const seen = other.lookup(ROOT, "a.md");
    book.deliverAll();
    const { fh } = one.open(file, O_RDWR);
    const change = () => {
      one.lateAnswers.length = 0;
      one.write(file, fh, "second");
      assert.equal(one.flush(file, fh), undefined, "kept back");
    };
    const [waits, unknown] = [[] as (number | undefined)[], () => other.notifications.splice(0)];

    change();
    for (let round = 0; round < 3; round++)
      for (const { ticket, afterMs } of unknown()) {
        waits.push(afterMs);
        book.deliveries.delivered(ticket, false);
      }
    assert.deepEqual(waits, [undefined, 1, 2]);
    assert.equal(one.lateAnswers.length, 0);
    for (const { ticket } of unknown()) book.deliveries.delivered(ticket);
    assert.equal(one.lateAnswers.length, 1, "it knew it now");

    change();
    const tickets = other.notifications.map(({ ticket }) => ticket);
    const [newest = 0] = tickets.slice(-1);
    waits.length = 0;
    for (let round = 0; one.lateAnswers.length === 0; round++) {
      assert.ok(round < 20, "not for ever");
      assert.equal(book.deliveries.hasDelivered(newest), false);
      for (const { ticket, afterMs } of unknown()) {
        waits.push(afterMs);
        book.deliveries.delivered(ticket, false);
      }
    }
    assert.deepEqual(waits, [undefined, 1, 2, 4, 8, 16, 32, 64, 128, 256]);
    assert.equal(book.deliveries.hasDelivered(newest), true, "nobody waits any longer");
    assert.equal(other.open(seen).flags & FOPEN.KEEP_CACHE, 0, "and yet its pages are old");
    assert.deepEqual(
      other.notifications.map(({ ticket, afterMs }) => [ticket, afterMs]),
      [[newest, 1000]],
    );
    for (const { ticket } of unknown()) book.deliveries.delivered(ticket);
    assert.equal(book.deliveries.isIdle, true);

    change();
    other.forget(seen, 1);
    for (const { ticket } of unknown()) book.deliveries.delivered(ticket, false);
    assert.deepEqual(other.notifications, [], "it had forgotten it");
    assert.equal(one.lateAnswers.length, 1);
  });
});

test("C1: what a chmod that was kept back says of a file is for no time: the file may have changed again meanwhile", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    const file = one.save(ROOT, "a.md", "old");
    const seen = other.lookup(ROOT, "a.md");
    book.deliverAll();
    const ttlOf = (bytes: Buffer | undefined, at = 0): bigint | undefined => bytes?.readBigUInt64LE(at);
    assert.equal(one.send("SETATTR", file, chmodTo(0o600)), undefined, "the other kernel is told first");
    for (const { ticket } of other.notifications.splice(0)) book.deliveries.delivered(ticket);
    assert.equal(ttlOf(one.lateAnswers.at(-1)?.buffer, 16), 0n);
    other.forget(seen, 1);
    book.deliverAll();
    assert.equal(ttlOf(one.send("SETATTR", file, chmodTo(0o644))?.body), 3600n, "nobody has to be told");
  });
});

test("C1: a kernel that knows neither the file nor its directory is not told", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    const directory = one.mkdir(ROOT, "d");
    other.notifications.length = 0;
    one.save(directory, "a.md", "x");
    assert.deepEqual(
      other.notifications.map(show).filter((line) => line.startsWith("entry") || line !== "inode 1"),
      [],
    );
  });
});

test("C1: names that come and go are told by directory, pages of the listing before the name", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    one.save(ROOT, "a.md", "x");
    const told = other.notifications.map(show);
    assert.ok(told.includes("entry 1 a.md"), told.join());
    assert.ok(told.indexOf("inode 1") < told.indexOf("entry 1 a.md"));
    other.notifications.length = 0;
    one.unlink(ROOT, "a.md");
    assert.ok(other.notifications.map(show).includes("entry 1 a.md"));
  });
});

test("C1: an unlink, which holds a directory's lock, does not wait for names", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    one.save(ROOT, "a.md", "x");
    for (const { ticket } of other.notifications.splice(0)) book.deliveries.delivered(ticket);
    assert.equal(one.send("UNLINK", ROOT, { text: "a.md" }), undefined, "waits for the pages of the listing");
    for (const { ticket, lane } of other.notifications)
      if (lane === "inode") book.deliveries.delivered(ticket);
    assert.equal(one.lateAnswers.at(-1)?.buffer.readInt32LE(4), 0);
    assert.equal(book.deliveries.isIdle, false, "the name is still on its way");
  });
});

test("C1: an interrupted close gets its true answer at once", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    other.lookup(ROOT, "a.md");
    const file = one.create(ROOT, "a.md");
    one.write(file, file.fh, "x");
    assert.equal(one.flush(file, file.fh), undefined);
    const before = one.lateAnswers.length;
    assert.equal(one.send("INTERRUPT", { nodeid: 0 }, { u64: one.lastUnique }), undefined);
    assert.equal(one.lateAnswers.length, before + 1);
    assert.equal(one.lateAnswers.at(-1)?.buffer.readInt32LE(4), 0);
  });
});

test("C1: handles of another mount go on with the new file when theirs was replaced, with their own when it was removed", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    const file = one.save(ROOT, "a.md", "old");
    const seen = other.lookup(ROOT, "a.md");
    const { fh } = other.open(seen);
    one.save(ROOT, "a.md.tmp.1", "new");
    one.rename(ROOT, "a.md.tmp.1", ROOT, "a.md");
    assert.equal(other.read(seen, fh).body.toString(), "new");
    one.unlink(ROOT, "a.md");
    assert.equal(other.read(seen, fh).body.toString(), "new");
    assert.equal(other.getattr(seen).errno, 0, "fstat without a handle number");
    other.release(seen, fh);
    assert.equal(other.getattr(seen).errno, Errno.ESTALE);
    assert.equal(file.nodeid, seen.nodeid);
  });
});

test("C1: an append goes to where the file ends now, and the kernel that did not know drops its pages", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    const file = one.save(ROOT, "log.md", "");
    const seen = other.lookup(ROOT, "log.md");
    const flags = O_WRONLY | O_APPEND;
    const [a, b] = [one.open(file, flags).fh, other.open(seen, flags).fh];
    one.write(file, a, "first", { offset: 0, flags });
    other.notifications.length = 0;
    other.write(seen, b, "second", { offset: 0, flags });
    assert.deepEqual(other.notifications.map(show), [`inode ${seen.nodeid}`]);
    const reader = one.open(file).fh;
    assert.equal(one.read(file, reader).body.toString(), "firstsecond");
  });
});

test("C1: a mount that goes away lets go of those who wait for it", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    other.lookup(ROOT, "a.md");
    const file = one.create(ROOT, "a.md");
    assert.equal(one.flush(file, file.fh), undefined);
    other.session.close();
    assert.ok(one.lateAnswers.length > 0);
    assert.equal(book.deliveries.isIdle, true);
    assert.equal(one.flush(file, file.fh)?.errno, 0);
  });
});

test("an answer that is kept back when its kernel goes is never sent: the descriptor may be another file's by then", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    const file = one.save(ROOT, "a.md", "first");
    const seen = other.lookup(ROOT, "a.md");
    other.release(seen, other.open(seen).fh);
    for (const { ticket } of other.notifications.splice(0)) book.deliveries.delivered(ticket);
    one.lateAnswers.length = 0;

    const { fh } = one.open(file, O_RDWR);
    one.write(file, fh, "second");
    assert.equal(one.flush(file, fh), undefined, "kept back");
    one.session.close();
    for (const { ticket } of other.notifications.splice(0)) book.deliveries.delivered(ticket);
    assert.deepEqual(one.lateAnswers, []);
    assert.equal(one.session.parked.count, 0);
    assert.equal(book.deliveries.isIdle, true);
  });
});
