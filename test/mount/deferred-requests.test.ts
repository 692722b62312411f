// Requests that wait until a large file is hashed elsewhere: handled again from their start, others go on meanwhile.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { ERRAND_MIN_BYTES } from "../../lib/errands.ts";
import { fingerprintOf } from "../../lib/fingerprint.ts";
import { searchPiece } from "../../lib/log-search.ts";
import { Errno } from "../../schema/errors.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import { type Ask, O_RDWR, type OpenAnswer, ROOT, readAnswer } from "./kernel-client.ts";
import { type TestBook, type TestMount, withTestBook } from "./test-book.ts";

const CHUNK = Buffer.alloc(1024 * 1024, "large ");
const SIZE = ERRAND_MIN_BYTES + CHUNK.length;

/** A large file, closed again, whose blob nobody has verified since, as after a restart. */
function saveUnverified(book: TestBook, mount: TestMount, name = "large"): OpenAnswer & { path: string } {
  const made = mount.create(ROOT, name);
  for (let offset = 0; offset < SIZE; offset += CHUNK.length) mount.write(made, made.fh, CHUNK, { offset });
  mount.flush(made, made.fh);
  mount.release(made, made.fh);
  const path = book.library.blobs.objectPath(hashOf(book, name));
  utimesSync(path, 1, 1);
  return { ...made, path };
}

function hashOf(book: TestBook, name: string): BlobHash {
  return book.worktree.lookup(book.worktree.rootId, name)?.hash as BlobHash;
}

function askOpen(mount: TestMount, ask: Ask, flags = 0): boolean {
  return mount.send("OPEN", ask, { u32: flags }, { u32: 0 }) !== undefined;
}

/** Does the errands that were asked for. */
function runErrands(book: TestBook): number {
  const asked = book.errands.splice(0);
  for (const { id, errand } of asked) {
    assert.ok(errand.type === "hash");
    const hash = createHash("sha256").update(readFileSync(errand.path)).digest("hex") as BlobHash;
    book.desk.done(id, { hash, fingerprint: fingerprintOf(statSync(errand.path, { bigint: true })) });
  }
  return asked.length;
}

function lateErrno(mount: TestMount, unique: number): number {
  const answer = mount.lateAnswers.shift();
  assert.ok(answer, "nothing was answered late");
  return readAnswer(answer.buffer, unique).errno;
}

test("opening a large file waits until it is verified elsewhere; others go on, and one errand does for all", () => {
  withTestBook((book) => {
    const [mount, other] = [book.mount(), book.mount()];
    const made = saveUnverified(book, mount);
    mount.save(ROOT, "small", "text");
    assert.equal(askOpen(mount, made), false);
    const [unique, small] = [mount.lastUnique, mount.lookup(ROOT, "small")];
    assert.equal(mount.read(small, mount.open(small).fh).body.toString(), "text");
    assert.equal(askOpen(other, other.lookup(ROOT, "large")), false);
    assert.equal(mount.session.deferred.count, 1);
    assert.equal(runErrands(book), 1);
    assert.equal(lateErrno(mount, unique), 0);
    assert.equal(lateErrno(other, other.lastUnique), 0);
    assert.equal(askOpen(mount, made), true, "it is verified now");
    assert.deepEqual([book.errands, book.faults], [[], []]);
  });
});

test("an errand that fails three times is done here and now", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const made = saveUnverified(book, mount);
    askOpen(mount, made);
    for (let tries = 1; tries <= 3; tries++) {
      assert.equal(mount.lateAnswers.length, 0);
      const [{ id } = { id: 0 }] = book.errands.splice(0);
      book.desk.done(id, undefined);
    }
    assert.equal(lateErrno(mount, mount.lastUnique), 0);
    assert.equal(book.errands.length, 0);
  });
});

test("R2: damaged bytes can be opened, but are never read", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const made = saveUnverified(book, mount);
    writeFileSync(made.path, Buffer.alloc(SIZE, "damaged"));
    askOpen(mount, made);
    while (runErrands(book) > 0);
    const answer = readAnswer(mount.lateAnswers[0]?.buffer as Buffer, mount.lastUnique);
    assert.equal(answer.errno, 0);
    assert.equal(mount.read(made, Number(answer.body.readBigUInt64LE(0))).errno, Errno.EIO);
  });
});

test("closing a large draft that was not written in order waits for its hash; a write meanwhile makes it wait again", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const made = saveUnverified(book, mount);
    askOpen(mount, made, O_RDWR);
    runErrands(book);
    const fh = Number(mount.lateAnswers.shift()?.buffer.readBigUInt64LE(16));
    mount.write(made, fh, "A", { offset: 10 });
    const before = hashOf(book, "large");
    assert.equal(mount.flush(made, fh), undefined);
    const unique = mount.lastUnique;
    mount.write(made, fh, "B", { offset: 20 });
    assert.equal(runErrands(book), 1);
    assert.equal(mount.lateAnswers.length, 0, "what was hashed is not what is there now");
    assert.equal(hashOf(book, "large"), before);
    assert.equal(runErrands(book), 1);
    assert.equal(lateErrno(mount, unique), 0);
    const bytes = readFileSync(book.library.blobs.objectPath(hashOf(book, "large")));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), hashOf(book, "large"));
    assert.deepEqual([bytes[10], bytes[20], bytes.length], [65, 66, SIZE]);
    mount.release(made, fh);
    assert.deepEqual(book.faults, []);
  });
});

test("the last close of a draft that nobody flushed is not put off", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const made = saveUnverified(book, mount);
    askOpen(mount, made, O_RDWR);
    runErrands(book);
    const fh = Number(mount.lateAnswers.shift()?.buffer.readBigUInt64LE(16));
    mount.write(made, fh, "A", { offset: 10 });
    mount.release(made, fh);
    assert.equal(readFileSync(book.library.blobs.objectPath(hashOf(book, "large")))[10], 65);
    assert.equal(book.errands.length, 0);
  });
});

test("a signal does not end the wait of a process that lives; one that is gone is answered EINTR, once", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const made = saveUnverified(book, mount);
    const interrupt = (unique: number) => mount.send("INTERRUPT", { nodeid: 0 }, { u64: unique });
    askOpen(mount, made);
    const living = mount.lastUnique;
    interrupt(living);
    assert.equal(mount.lateAnswers.length, 0);
    askOpen(mount, { ...made, pid: 2 ** 30 });
    const gone = mount.lastUnique;
    interrupt(gone);
    assert.equal(lateErrno(mount, gone), Errno.EINTR);
    runErrands(book);
    assert.equal(lateErrno(mount, living), 0);
    assert.equal(mount.lateAnswers.length, 0);
  });
});

test("nothing is sent to a kernel that is gone", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const made = saveUnverified(book, mount);
    askOpen(mount, made);
    mount.session.close();
    runErrands(book);
    assert.equal(mount.lateAnswers.length, 0);
  });
});

function saveOften(mount: TestMount, name: string, times: number): void {
  const made = mount.create(ROOT, name);
  for (let index = 0; index < times; index++) {
    mount.write(made, made.fh, `${index}`);
    mount.flush(made, made.fh);
  }
  mount.release(made, made.fh);
}

/** A log too long to be looked through at once, and an open answer to a question to it. */
function openAnswerFile(book: TestBook, mount: TestMount): Opened {
  saveOften(mount, "many", 1100);
  const operations = mount.lookup(mount.lookup(mount.lookup(ROOT, ".pfs"), "audit"), "op");
  const file = mount.lookup(operations, "create.jsonl");
  assert.equal(book.library.log.seq > 1000, true);
  return { nodeid: file.nodeid, fh: mount.open(file).fh };
}

interface Opened extends Ask {
  readonly fh: number;
}

function askRead(mount: TestMount, opened: Opened): boolean {
  const [size, rest] = [{ u32: 4096 }, { bytes: Buffer.alloc(20) }];
  return mount.send("READ", opened, { u64: opened.fh }, { u64: 0 }, size, rest) !== undefined;
}

/** Looks for what was asked for, as another thread does. */
function searchNow(book: TestBook): void {
  for (const { id, errand } of book.errands.splice(0)) {
    assert.ok(errand.type === "search-log");
    book.desk.done(id, searchPiece(book.library.store.database, errand.search));
  }
}

test("reading the answer to a question to a long log waits until it is found elsewhere; others go on", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const opened = openAnswerFile(book, mount);
    assert.equal(askRead(mount, opened), false);
    const unique = mount.lastUnique;
    mount.save(ROOT, "meanwhile", "text");
    assert.equal(mount.lateAnswers.length, 0);
    searchNow(book);
    const { errno, body } = readAnswer(mount.lateAnswers.shift()?.buffer as Buffer, unique);
    assert.equal(errno, 0);
    assert.deepEqual(
      body
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).path),
      ["many"],
      "as the log was when it was opened",
    );
    assert.deepEqual([book.errands, book.faults], [[], []]);
  });
});

test("R5: where the rows of some layers alone are shown, a long log is looked through elsewhere", () => {
  withTestBook((book) => {
    const mount = book.mount({ shownLayers: [parseUserId("ulla")] });
    openAnswerFile(book, mount);
    const audit = mount.lookup(mount.lookup(ROOT, ".pfs"), "audit");
    for (const [directory, name] of [
      [audit, "all.jsonl"],
      [mount.lookup(audit, "since"), "1h.jsonl"],
    ] as const) {
      const file = mount.lookup(directory, name);
      assert.equal(askRead(mount, { nodeid: file.nodeid, fh: mount.open(file).fh }), false, name);
      const unique = mount.lastUnique;
      searchNow(book);
      assert.equal(readAnswer(mount.lateAnswers.shift()?.buffer as Buffer, unique).body.length, 0);
    }
    assert.equal(mount.lookup(mount.lookup(audit, "path"), "many.jsonl").errno, Errno.ENOENT);
  });
});

test("the rows of one path are found here and now, unless they are many", () => {
  withTestBook((book) => {
    const mount = book.mount();
    openAnswerFile(book, mount);
    mount.save(ROOT, "one", "text");
    const questions = mount.lookup(mount.lookup(mount.lookup(ROOT, ".pfs"), "audit"), "q");
    for (const [name, isHere] of [
      ["path=one&op=create.jsonl", true],
      ["path=many&op=create.jsonl", false],
    ] as const) {
      const file = mount.lookup(questions, name);
      assert.equal(askRead(mount, { nodeid: file.nodeid, fh: mount.open(file).fh }), isHere);
      assert.equal(book.errands.splice(0).length, isHere ? 0 : 1);
    }
  });
});

test("the first READ of a long answer gets a few rows at once, the next ones all others", () => {
  withTestBook((book) => {
    const mount = book.mount();
    openAnswerFile(book, mount);
    saveOften(mount, "one", 300);
    const questions = mount.lookup(mount.lookup(mount.lookup(ROOT, ".pfs"), "audit"), "q");
    const file = mount.lookup(questions, "path=one.jsonl");
    const { fh } = mount.open(file);
    const read = (offset: number): Buffer => mount.read(file, fh, { offset, size: 131_072 }).body;
    const first = read(0);
    const pieces = [first];
    for (let offset = first.length; pieces.at(-1)?.length !== 0; offset += pieces.at(-1)?.length ?? 0)
      pieces.push(read(offset));
    assert.ok(first.toString().split("\n").length <= 21, "twenty lines at most");
    const lines = Buffer.concat(pieces).toString().trimEnd().split("\n");
    assert.equal(lines.length, 300);
    assert.deepEqual(read(0), first, "again from the beginning");
  });
});

test("a search that fails three times is made here and now; a check of the log is not, it is EIO", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const opened = openAnswerFile(book, mount);
    const fail = (): void => {
      for (let tries = 1; tries <= 3; tries++) {
        const [{ id } = { id: 0 }] = book.errands.splice(0);
        book.desk.done(id, undefined);
      }
    };
    askRead(mount, opened);
    fail();
    const answer = readAnswer(mount.lateAnswers.shift()?.buffer as Buffer, mount.lastUnique);
    assert.match(answer.body.toString(), /^\{"seq":1,.*\}\n$/);
    const file = mount.lookup(mount.lookup(mount.lookup(ROOT, ".pfs"), "audit"), "verify");
    askOpen(mount, file);
    fail();
    assert.equal(lateErrno(mount, mount.lastUnique), Errno.EIO);
  });
});

test("a process that is gone waits for no answer of the log", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const opened = openAnswerFile(book, mount);
    askRead(mount, { ...opened, pid: 2 ** 30 });
    const gone = mount.lastUnique;
    mount.send("INTERRUPT", { nodeid: 0 }, { u64: gone });
    assert.equal(lateErrno(mount, gone), Errno.EINTR);
    searchNow(book);
    assert.equal(mount.lateAnswers.length, 0);
  });
});
