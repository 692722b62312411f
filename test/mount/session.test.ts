// One mount's answers to its kernel, request by request, without a mount: names, TTLs, counts, cache flags, errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FOPEN, INIT_FLAG } from "../../mount/kernel/protocol.ts";
import { Errno } from "../../schema/errors.ts";
import { type Ask, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY, ROOT } from "./kernel-client.ts";
import { withTestBook } from "./test-book.ts";

const HOUR_SECONDS = 3600;

test("lookup: what is there and what is not may be believed for an hour, control files not at all", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const absent = kernel.lookup(ROOT, "a.md");
    assert.deepEqual([absent.errno, absent.nodeid, absent.ttlSeconds], [0, 0, HOUR_SECONDS]);
    const made = kernel.save(ROOT, "a.md", "hello");
    const found = kernel.lookup(ROOT, "a.md");
    assert.deepEqual(
      [found.nodeid, found.ino, found.size, found.ttlSeconds],
      [made.nodeid, made.nodeid, 5, HOUR_SECONDS],
    );
    const control = kernel.lookup(ROOT, ".pfs");
    assert.deepEqual([control.nodeid, control.ttlSeconds], [2, 0]);
    assert.equal(kernel.lookup(control, "README").nodeid, 3);
    assert.equal(kernel.lookup(control, "none").errno, Errno.ENOENT);
  });
});

test("names: too long, not UTF-8, missing", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    assert.equal(kernel.lookup(ROOT, "n".repeat(256)).errno, Errno.ENAMETOOLONG);
    assert.equal(kernel.lookup(ROOT, Buffer.from([0xff])).nodeid, 0);
    assert.equal(kernel.create(ROOT, "n".repeat(256)).errno, Errno.ENAMETOOLONG);
    assert.equal(kernel.create(ROOT, Buffer.from([0xff])).errno, Errno.EINVAL);
    assert.equal(kernel.unlink(ROOT, Buffer.from([0xff]))?.errno, Errno.ENOENT);
    assert.equal(kernel.unlink(ROOT, "none")?.errno, Errno.ENOENT);
    assert.equal(kernel.rename(ROOT, "none", ROOT, "x")?.errno, Errno.ENOENT);
  });
});

test("open: the kernel may keep its pages after its own writes, and skip the flush of what cannot write", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const file = kernel.save(ROOT, "a.md", "hello");
    const first = kernel.open(file);
    assert.equal(first.flags, FOPEN.KEEP_CACHE, "a thread that was never met is to be met at its close");
    assert.equal(kernel.flush(file, first.fh)?.errno, 0);
    const reader = kernel.open(file);
    assert.equal(reader.flags, FOPEN.KEEP_CACHE | FOPEN.NOFLUSH);
    const writer = kernel.open(file, O_RDWR);
    assert.equal(writer.flags, FOPEN.KEEP_CACHE | FOPEN.DIRECT_IO, "what is read through it is to be heard");
    kernel.write(file, writer.fh, "HELLO");
    assert.equal(kernel.read(file, reader.fh).body.toString(), "HELLO", "handles share the draft");
    assert.equal(kernel.flush(file, writer.fh)?.errno, 0);
    kernel.release(file, writer.fh);
    book.deliverAll();
    assert.equal(kernel.open(file).flags, FOPEN.KEEP_CACHE | FOPEN.NOFLUSH);
    assert.equal(kernel.open(file, O_WRONLY | O_TRUNC).flags, FOPEN.KEEP_CACHE);
    assert.equal(kernel.getattr(file).size, 0);
    assert.equal(
      kernel.open(file, O_TRUNC).flags & FOPEN.NOFLUSH,
      0,
      "O_RDONLY | O_TRUNC has something to save",
    );
  });
});

test("create: a name that another mount has made meanwhile is looked at again, unless it had to be new", () => {
  withTestBook((book) => {
    const [one, other] = [book.mount(), book.mount()];
    one.save(ROOT, "a.md", "x");
    assert.equal(other.create(ROOT, "a.md").errno, Errno.ESTALE);
    assert.equal(other.create(ROOT, "a.md", { flags: O_RDWR | O_EXCL }).errno, Errno.EEXIST);
  });
});

test("handles: unknown numbers are EBADF, for the control files too", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const file = kernel.save(ROOT, "a.md", "x");
    assert.equal(kernel.read(file, 77).errno, Errno.EBADF);
    const readme = kernel.lookup(kernel.lookup(ROOT, ".pfs"), "README");
    const { fh } = kernel.open(readme);
    assert.match(kernel.read(readme, fh).body.toString(), /read-only/);
    assert.equal(kernel.write(readme, fh, "x").errno, Errno.EBADF);
    assert.equal(kernel.release(readme, fh).errno, 0);
    assert.equal(kernel.read(readme, fh).errno, Errno.EBADF);
  });
});

test("listing: resumes by cookie at any size, `.pfs` first in the root, READDIRPLUS counts a lookup for each name", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const directory = kernel.mkdir(ROOT, "d");
    for (let i = 0; i < 100; i++) kernel.release(ROOT, kernel.create(directory, `file-${i}`).fh);
    const known = kernel.session.nodeIds.knownCount;
    const whole = kernel.list(directory, { size: 1 << 20 });
    assert.equal(whole.length, 102);
    assert.deepEqual(kernel.list(directory, { size: 130 }), whole);
    assert.deepEqual(
      kernel.list(ROOT).map(({ name }) => name),
      [".", "..", ".pfs", "d"],
    );
    assert.equal(whole[1]?.ino, book.worktree.rootId);
    const plus = kernel.list(directory, { plus: true, size: 700 });
    assert.deepEqual(
      plus.map(({ name }) => name),
      whole.map(({ name }) => name),
    );
    assert.deepEqual(
      plus.slice(0, 2).map(({ nodeid }) => nodeid),
      [0, 0],
    );
    for (const { nodeid } of plus.slice(2)) kernel.forget({ nodeid }, 2);
    assert.equal(
      kernel.session.nodeIds.knownCount,
      known - 100,
      "one lookup of CREATE and one of READDIRPLUS",
    );
    const control = kernel.list({ nodeid: 2 });
    assert.deepEqual(kernel.list({ nodeid: 2 }, { plus: true, size: 300 }), control);
    assert.deepEqual([control[0]?.ino, control[1]?.ino], [2, book.worktree.rootId]);
    assert.equal(kernel.session.control.knownCount, 0, "names of control files come without an entry");
  });
});

test("opendir is not needed where the kernel can do without, and is stateless where it cannot", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    assert.equal(kernel.ask("OPENDIR", ROOT, { u32: 0 }, { u32: 0 }).errno, Errno.ENOSYS);
    kernel.init({ flags: INIT_FLAG.ATOMIC_O_TRUNC, flags2: 0, minor: 32 });
    const opened = kernel.ask("OPENDIR", ROOT, { u32: 0 }, { u32: 0 });
    assert.deepEqual([opened.errno, opened.body.readUInt32LE(8)], [0, FOPEN.CACHE_DIR | FOPEN.KEEP_CACHE]);
  });
});

test("I1: unlinked and replaced files keep their node ids and get inode numbers of their own", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const lesson = kernel.save(ROOT, "lesson.md", "old");
    const { fh } = kernel.open(lesson, O_RDWR);
    const scratch = kernel.save(ROOT, "lesson.md.tmp.1", "new");
    assert.equal(kernel.rename(ROOT, "lesson.md.tmp.1", ROOT, "lesson.md")?.errno, 0);
    assert.equal(kernel.getattr(scratch).ino, lesson.ino, "the lesson's file id");
    assert.equal(kernel.lookup(ROOT, "lesson.md").nodeid, scratch.nodeid, "the kernel's own node");
    const orphan = kernel.getattr(lesson, fh);
    assert.equal(orphan.nlink, 0);
    assert.notEqual(orphan.ino, lesson.ino);
    assert.equal(kernel.read(lesson, fh).body.toString(), "old");
    kernel.release(lesson, fh);
    kernel.forget(lesson, 1);
    assert.equal(kernel.unlink(ROOT, "lesson.md")?.errno, 0);
    const again = kernel.save(ROOT, "lesson.md", "again");
    assert.notEqual(again.nodeid, scratch.nodeid);
    assert.equal(again.ino, lesson.ino);
  });
});

test("links: the root counts `.pfs` as a subdirectory", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    assert.equal(kernel.getattr(ROOT).nlink, 3);
    kernel.mkdir(ROOT, "d");
    assert.equal(kernel.getattr(ROOT).nlink, 4);
  });
});

test("READ_ONLY: every change is EROFS on a mount that only reads, and in `.pfs`", () => {
  withTestBook((book) => {
    const file = book.mount().save(ROOT, "a.md", "x");
    const kernel = book.mount({ readOnly: true });
    const control: Ask = { nodeid: 2 };
    const changes = (parent: Ask) => [
      kernel.create(parent, "new").errno,
      kernel.mkdir(parent, "new").errno,
      kernel.unlink(parent, "a.md")?.errno,
      kernel.rename(parent, "a.md", ROOT, "b.md")?.errno,
      kernel.ask("RMDIR", parent, { text: "d" }).errno,
      kernel.ask("SYMLINK", parent, { text: "l" }, { text: "t" }).errno,
      kernel.ask("LINK", parent, { u64: file.nodeid }, { text: "l" }).errno,
      kernel.ask("MKNOD", parent, { u32: 0o10644 }, { u32: 0 }, { u32: 0 }, { u32: 0 }, { text: "f" }).errno,
    ];
    assert.deepEqual(new Set(changes(ROOT)), new Set([Errno.EROFS]));
    assert.equal(kernel.open(file, O_RDWR).errno, Errno.EROFS);
    assert.equal(kernel.open(file, O_TRUNC).errno, Errno.EROFS);
    assert.equal(kernel.open(file).errno, 0);
    const writable = book.mount();
    const inControl = [
      writable.create(control, "new").errno,
      writable.mkdir(control, "new").errno,
      writable.unlink(control, "README")?.errno,
      writable.rename(ROOT, "a.md", control, "README")?.errno,
      writable.rename(ROOT, ".pfs", ROOT, "x")?.errno,
      writable.ask("SETATTR", { nodeid: 3 }, { bytes: Buffer.alloc(88) }).errno,
    ];
    assert.deepEqual(new Set(inControl), new Set([Errno.EROFS]));
  });
});

test("R7: a save is logged with the mount's agent, the process that wrote and its command", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    kernel.save({ nodeid: 1, uid: 1234 }, "a.md", "x");
    const row = book.library.store.database
      .prepare("SELECT agent_id, uid, pid, command FROM audit_log")
      .get() as object;
    assert.deepEqual(
      { ...row },
      { agent_id: "test-agent", uid: 1234, pid: process.pid, command: process.argv0.replace(/.*\//, "") },
    );
  });
});

test("unmounting saves what was written and releases everything", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const file = kernel.create(ROOT, "a.md");
    kernel.write(file, file.fh, "unsaved");
    kernel.session.close();
    assert.equal(book.worktree.draftCount, 0);
    assert.equal(book.worktree.tree.openFiles.size, 0);
    const after = book.mount();
    const found = after.lookup(ROOT, "a.md");
    assert.equal(after.read(found, after.open(found).fh).body.toString(), "unsaved");
  });
});
