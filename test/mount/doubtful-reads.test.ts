// W1: what a kernel shows by itself while things change is not always a version; who reads just then is heard, or in doubt.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FOPEN } from "../../mount/kernel/protocol.ts";
import { Errno } from "../../schema/errors.ts";
import type { CheckMode } from "../../schema/mount-options.ts";
import { O_APPEND, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from "./kernel-client.ts";
import { Program, withProcesses } from "./program.ts";
import { type TestBook, withTestBook } from "./test-book.ts";

interface Scene {
  readonly book: TestBook;
  /** On one mount. */
  readonly reader: Program;
  readonly writer: Program;
  /** On another one. */
  readonly far: Program;
}

/** `a.md` holds "first", which `reader` has not read. */
function withScene(use: (scene: Scene) => void, check: CheckMode = "require"): void {
  withProcesses(3, (pids) => {
    withTestBook((book) => {
      const [near, other] = [book.mount({ check }), book.mount({ check })];
      const reader = new Program(book, near, pids[0] as number);
      const writer = new Program(book, near, pids[1] as number);
      const far = new Program(book, other, pids[2] as number);
      writer.save("a.md", "first");
      book.deliverAll();
      far.read("a.md");
      use({ book, reader, writer, far });
    });
  });
}

function isDirect({ flags }: { flags: number }): boolean {
  return (flags & FOPEN.DIRECT_IO) !== 0;
}

/** Opens a file for reading and closes it. True if it is read past the kernel's pages. */
function probe(program: Program, name: string): boolean {
  const file = program.find(name);
  const opened = program.kernel.open(file);
  program.kernel.release(file, opened.fh);
  return isDirect(opened);
}

test("W1: who opens a file while its kernel is being told of another version reads that version past the pages, and knows it", () => {
  withScene(({ book, reader, far }) => {
    assert.equal(probe(reader, "a.md"), false);
    assert.equal(far.save("a.md", "second"), 0);
    const file = reader.find("a.md");
    const opened = reader.kernel.open(file);
    assert.equal(isDirect(opened), true);
    assert.equal(reader.kernel.read(file, opened.fh).body.toString(), "second");
    reader.kernel.release(file, opened.fh);
    assert.equal(reader.save("a.md", "second, and mine"), 0);
    book.deliverAll();
    reader.find("a.md");
    assert.equal(probe(reader, "a.md"), false, "as long as it is being told");
  });
});

test("W1: on a kernel without direct reads that can be mapped, what is opened while it is being told is in doubt", () => {
  withScene(({ book, far }) => {
    const old = book.mount({ check: "require" });
    old.init({ flags2: 0 });
    const reader = new Program(book, old, process.pid);
    reader.read("a.md");
    assert.equal(far.save("a.md", "second"), 0);
    assert.equal(probe(reader, "a.md"), false);
    assert.equal(reader.save("a.md", "mine"), Errno.ESTALE);
    reader.read("a.md");
    assert.equal(reader.save("a.md", "mine"), 0);
  });
});

test("W1: who opens a file that somebody could be writing into reads past the pages; until the writer has closed it", () => {
  withScene(({ reader, writer }) => {
    const file = writer.find("a.md");
    const { fh } = writer.kernel.open(file, O_WRONLY | O_APPEND);
    assert.equal(probe(reader, "a.md"), true);
    writer.kernel.release(file, fh);
    assert.equal(probe(reader, "a.md"), false);
  });
});

test("W1: who opens a file for writing that others are reading writes past the pages, unless it empties it first", () => {
  withScene(({ reader, writer }) => {
    const [file, mine] = [reader.find("a.md"), writer.find("a.md")];
    const reading = reader.kernel.open(file);
    assert.equal(isDirect(reading), false);
    for (const [flags, direct] of [
      [O_WRONLY, true],
      [O_RDWR, true],
      [O_WRONLY | O_TRUNC, false],
    ] as const) {
      const opened = writer.kernel.open(mine, flags);
      assert.equal(isDirect(opened), direct);
      writer.kernel.release(mine, opened.fh);
    }
    reader.kernel.release(file, reading.fh);
  });
});

test("W1: attributes that the kernel got while it was being told may be thrown away, and with them the size: no cached reading", () => {
  withScene(({ book, reader, far }) => {
    far.save("a.md", "second, which is longer");
    const file = reader.find("a.md");
    reader.kernel.getattr(file);
    book.deliverAll();
    const opened = reader.kernel.open(file);
    assert.equal(isDirect(opened), true);
    reader.kernel.release(file, opened.fh);
    reader.kernel.getattr(file);
    assert.equal(isDirect(reader.kernel.open(file)), false, "it has asked again");
  });
});

for (const check of ["seen", "require"] as const)
  for (const when of ["before", "while"] as const)
    test(`W1: check=${check}: who opened a file ${when === "before" ? "before a draft of it began" : "while there was a draft of it"} has read no version, also if nothing comes of the draft`, () => {
      withScene(({ book, reader, writer, far }) => {
        for (const program of [reader, far]) {
          const [file, mine] = [program.find("a.md"), writer.find("a.md")];
          let { fh } = when === "before" ? program.kernel.open(file) : { fh: -1 };
          const draft = writer.kernel.open(mine, O_WRONLY | O_TRUNC);
          writer.kernel.write(mine, draft.fh, "fir");
          if (when === "while") ({ fh } = program.kernel.open(file));
          assert.equal(program.kernel.read(file, fh).body.toString(), "fir");
          program.kernel.release(file, fh);
          writer.kernel.write(mine, draft.fh, "first");
          writer.kernel.flush(mine, draft.fh);
          writer.kernel.release(mine, draft.fh);
          book.deliverAll();
          assert.equal(program.save("a.md", "fir, and mine"), Errno.ESTALE);
          program.read("a.md");
          assert.equal(program.save("a.md", "first"), 0);
          writer.read("a.md");
        }
      }, check);
    });

test("W1: what was read through a descriptor before a draft of somebody else began lets nobody write through it afterwards", () => {
  withScene(({ book, reader, writer }) => {
    const [file, mine] = [reader.find("a.md"), writer.find("a.md")];
    const { fh } = reader.kernel.open(file, O_RDWR);
    assert.equal(reader.kernel.read(file, fh).body.toString(), "first");
    const draft = writer.kernel.open(mine, O_WRONLY | O_TRUNC);
    writer.kernel.write(mine, draft.fh, "first");
    writer.kernel.flush(mine, draft.fh);
    writer.kernel.release(mine, draft.fh);
    book.deliverAll();
    // The bytes are those that it has read; that it has read none of the draft, nobody knows.
    assert.equal(reader.kernel.write(file, fh, "mine").errno, Errno.ESTALE);
    reader.kernel.release(file, fh);
    reader.read("a.md");
    assert.equal(reader.save("a.md", "mine"), 0);
  });
});

test("W1: a draft is no doubt to the program that writes it, nor to one that has a descriptor to append only", () => {
  withScene(({ book, reader, writer }) => {
    const mine = writer.find("a.md");
    const reading = writer.kernel.open(mine);
    const draft = writer.kernel.open(mine, O_WRONLY | O_TRUNC);
    const log = reader.find("a.md");
    const appending = reader.kernel.open(log, O_WRONLY | O_APPEND);
    writer.kernel.write(mine, draft.fh, "first");
    writer.kernel.read(mine, reading.fh);
    writer.kernel.flush(mine, draft.fh);
    for (const fh of [reading.fh, draft.fh]) writer.kernel.release(mine, fh);
    book.deliverAll();
    assert.equal(writer.save("a.md", "more"), 0);
    assert.equal(
      reader.kernel.write(log, appending.fh, "!", { offset: 4, flags: O_WRONLY | O_APPEND }).errno,
      0,
    );
    reader.kernel.release(log, appending.fh);
  }, "seen");
});

test("W1: who has read the draft that it is writing may go on writing it through another descriptor, move it away, remove it", () => {
  withScene(({ writer }) => {
    const { kernel, root } = writer;
    writer.save("b.md", "another");
    for (const change of [
      () => kernel.rename(root, "a.md", root, "c.md"),
      () => kernel.rename(root, "c.md", root, "b.md"),
      () => kernel.unlink(root, "b.md"),
    ]) {
      const name = ["a.md", "c.md", "b.md"].find((each) => kernel.lookup(root, each).nodeid !== 0) as string;
      const file = writer.find(name);
      const [one, two] = [kernel.open(file, O_RDWR), kernel.open(file, O_RDWR)];
      assert.equal(kernel.write(file, one.fh, `mine ${name}`).errno, 0);
      kernel.read(file, two.fh);
      kernel.release(file, kernel.open(file).fh);
      assert.equal(kernel.write(file, two.fh, "M").errno, 0);
      assert.equal(change()?.errno ?? 0, 0);
      for (const { fh } of [one, two]) {
        kernel.flush(file, fh);
        kernel.release(file, fh);
      }
    }
  });
});

test("W1: who reads, through a descriptor that was open before, a version that it has made itself knows it", () => {
  withScene(({ writer }) => {
    const { kernel } = writer;
    writer.read("a.md");
    const file = writer.find("a.md");
    const [one, two] = [kernel.open(file, O_RDWR), kernel.open(file, O_RDWR)];
    for (const text of ["mine 1", "mine 2"]) {
      assert.equal(kernel.write(file, one.fh, text).errno, 0);
      kernel.flush(file, one.fh);
      for (const { fh } of [one, two]) assert.equal(kernel.read(file, fh).body.toString(), text);
      assert.equal(kernel.write(file, two.fh, "M").errno, 0);
      kernel.flush(file, two.fh);
    }
    for (const { fh } of [one, two]) kernel.release(file, fh);
  });
});

test("W1: who opens what was replaced, as its kernel does not know that yet, has read an older version of the path", () => {
  withScene(({ book, reader, writer }) => {
    const old = reader.find("a.md");
    writer.kernel.save(writer.root, ".a.md.swp", "second");
    writer.kernel.rename(writer.root, ".a.md.swp", writer.root, "a.md");
    assert.equal(reader.read("a.md"), "second");
    const { fh } = reader.kernel.open(old);
    assert.equal(reader.kernel.read(old, fh).body.toString(), "first");
    reader.kernel.release(old, fh);
    book.deliverAll();
    assert.equal(reader.save("a.md", "first, and mine"), Errno.ESTALE);
    assert.equal(reader.read("a.md"), "second");
    assert.equal(reader.save("a.md", "second, and mine"), 0);
  });
});

test("W1: a file that is being made is no version to who reads it, until it is closed", () => {
  withScene(({ reader, writer }) => {
    const made = writer.kernel.create(writer.root, "b.md");
    writer.kernel.write({ ...made, pid: writer.pid }, made.fh, "half");
    assert.equal(reader.read("b.md"), "half");
    writer.kernel.write({ ...made, pid: writer.pid }, made.fh, " and half", { offset: 4 });
    writer.kernel.flush({ ...made, pid: writer.pid }, made.fh);
    writer.kernel.release(made, made.fh);
    assert.equal(reader.save("b.md", "half, and mine"), Errno.ESTALE);
    assert.equal(reader.read("b.md"), "half and half");
    assert.equal(reader.save("b.md", "half and half, and mine"), 0);
  }, "seen");
});

test("W1: who opened a file before its next version may read that with the size of the one before: in doubt for a second", (t) => {
  withScene(({ book, reader, far }) => {
    for (const flags of [O_RDONLY, O_RDWR]) {
      far.read("a.md");
      const file = reader.find("a.md");
      const { fh } = reader.kernel.open(file, flags);
      far.save("a.md", `next, longer ${flags}`);
      book.deliverAll();
      reader.kernel.read(file, fh);
      assert.notEqual(reader.save("a.md", "next"), 0);
      passSecond(t);
      book.deliverAll();
      reader.kernel.getattr(file);
      reader.kernel.read(file, fh);
      reader.kernel.release(file, fh);
      assert.equal(reader.save("a.md", `mine ${flags}`), 0);
      book.deliverAll();
    }
  });
});

test("an append goes to the end, wherever the kernel believes that to be", () => {
  withScene(({ book, reader, writer, far }) => {
    const file = writer.find("a.md");
    const { fh } = writer.kernel.open(file, O_WRONLY | O_APPEND);
    for (const [text, offset] of [
      ["1st", 5],
      ["longer than first", 3],
    ] as const) {
      far.read("a.md");
      far.save("a.md", text);
      assert.equal(writer.kernel.write(file, fh, "+", { offset, flags: O_WRONLY | O_APPEND }).errno, 0);
      writer.kernel.flush(file, fh);
      assert.equal(reader.read("a.md"), `${text}+`);
      book.deliverAll();
    }
  }, "off");
});

/** Lets a second have passed. */
function passSecond(t: TestContext): void {
  const now = performance.now.bind(performance);
  const mocked = t.mock.method(performance, "now", () => now() + 1001);
  t.after(() => mocked.mock.restore());
}
