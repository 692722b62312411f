// W1: whoever read an older version of a file may not replace it, whatever it tries, until it has read the current one.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { FOPEN } from "../../mount/kernel/protocol.ts";
import { Errno } from "../../schema/errors.ts";
import type { CheckMode } from "../../schema/mount-options.ts";
import { O_APPEND, O_RDWR, O_TRUNC, O_WRONLY } from "./kernel-client.ts";
import { Program, withProcesses } from "./program.ts";
import { type TestBook, withTestBook } from "./test-book.ts";

const EXCHANGE = 2;
const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What a program may do to `lesson.md`. Answers the errno; `undefined` of the mount is an answer that was kept back. */
const changes: Record<string, (program: Program) => number> = {
  "open with O_TRUNC": (program) => program.save("lesson.md", "mine"),
  "the first write": (program) => program.save("lesson.md", "mine", O_WRONLY),
  "the first write of a handle that may read": (program) => program.save("lesson.md", "mine", O_RDWR),
  "an append": (program) => program.save("lesson.md", "mine", O_WRONLY | O_APPEND),
  truncate: (program) => program.kernel.setSize(program.find("lesson.md"), 1),
};
changes.ftruncate = (program) => {
  const file = program.find("lesson.md");
  const { fh } = program.kernel.open(file, O_WRONLY);
  const errno = program.kernel.setSize(file, 1, fh);
  program.kernel.flush(file, fh);
  program.kernel.release(file, fh);
  return errno;
};
changes.fallocate = (program) => {
  const file = program.find("lesson.md");
  const { fh } = program.kernel.open(file, O_WRONLY);
  const { errno } = program.kernel.ask(
    "FALLOCATE",
    file,
    { u64: fh },
    { u64: 0 },
    { u64: 100 },
    { u32: 0 },
    { u32: 0 },
  );
  program.kernel.flush(file, fh);
  program.kernel.release(file, fh);
  return errno;
};
changes.copy_file_range = (program) => {
  const [source, file] = [program.find("other.md"), program.find("lesson.md")];
  const [from, to] = [program.kernel.open(source), program.kernel.open(file, O_WRONLY)];
  const { errno } = program.kernel.ask(
    "COPY_FILE_RANGE",
    source,
    { u64: from.fh },
    { u64: 0 },
    { u64: file.nodeid },
    { u64: to.fh },
    { u64: 0 },
    { u64: 3 },
    { u64: 0 },
  );
  program.kernel.flush(file, to.fh);
  program.kernel.release(file, to.fh);
  program.kernel.release(source, from.fh);
  return errno;
};
changes["a rename over it, from scratch"] = (program) => {
  assert.equal(program.save("lesson.md.tmp.1", "mine"), 0);
  return program.kernel.rename(program.root, "lesson.md.tmp.1", program.root, "lesson.md")?.errno ?? 0;
};
changes["a rename over it, of another lesson"] = (program) => {
  assert.equal(program.save("lesson-new.md", "mine"), 0);
  return program.kernel.rename(program.root, "lesson-new.md", program.root, "lesson.md")?.errno ?? 0;
};
changes["a rename of it"] = (program) =>
  program.kernel.rename(program.root, "lesson.md", program.root, "moved.md")?.errno ?? 0;
changes["a rename of it to a backup name"] = (program) =>
  program.kernel.rename(program.root, "lesson.md", program.root, "lesson.md~")?.errno ?? 0;
changes["an exchange"] = (program) => {
  assert.equal(program.save("mine.md", "mine"), 0);
  return program.kernel.rename(program.root, "mine.md", program.root, "lesson.md", EXCHANGE)?.errno ?? 0;
};
changes["an exchange, the other way"] = (program) => {
  assert.equal(program.save("mine.md", "mine"), 0);
  return program.kernel.rename(program.root, "lesson.md", program.root, "mine.md", EXCHANGE)?.errno ?? 0;
};
changes.unlink = (program) => program.kernel.unlink(program.root, "lesson.md")?.errno ?? 0;

function programs(book: TestBook, check: CheckMode, pids: number[]): Program[] {
  const kernel = book.mount({ check });
  return pids.map((pid) => new Program(book, kernel, pid));
}

for (const [title, change] of Object.entries(changes)) {
  test(`W1: ${title} by who read an older version is refused, explained, and allowed once it was read again`, () => {
    withProcesses(2, (pids) => {
      withTestBook((book) => {
        const [editor, other] = programs(book, "seen", pids) as [Program, Program];
        other.save("other.md", "other");
        other.save("lesson.md", "first");
        assert.equal(editor.read("lesson.md"), "first");
        assert.equal(other.save("lesson.md", "second"), 0);
        assert.equal(change(editor), Errno.ESTALE);
        assert.equal(other.read("lesson.md"), "second", "nothing was destroyed");

        const refusal = book.worktree.refusals.list().at(-1);
        assert.deepEqual(
          [refusal?.code, refusal?.path, refusal?.agent, refusal?.pid, refusal?.command],
          ["CONFLICT", "lesson.md", "test-agent", editor.pid, "sleep"],
        );
        assert.deepEqual([refusal?.seen_hash, refusal?.current_hash], [hashOf("first"), hashOf("second")]);
        assert.match(refusal?.hint ?? "", /Read the file again/);
        const rows = book.library.store.database
          .prepare("SELECT prev_hash AS prev, new_hash AS next FROM audit_log WHERE status = 'refused'")
          .all()
          .map((row) => ({ ...(row as object) }));
        assert.deepEqual(rows, [{ prev: hashOf("second"), next: hashOf("second") }], "R6");

        assert.equal(editor.read("lesson.md"), "second");
        assert.equal(change(editor), 0);
        assert.deepEqual(book.faults, []);
      });
    });
  });

  test(`FR-004: ${title} by who never read it: seen and off allow it, require refuses it with HASH_REQUIRED`, () => {
    withProcesses(2, (pids) => {
      for (const check of ["seen", "off", "require"] as const) {
        withTestBook((book) => {
          const [blind, other] = programs(book, check, pids) as [Program, Program];
          other.save("other.md", "other");
          assert.equal(other.save("lesson.md", "first"), 0, "FR-005: a new path needs nothing");
          assert.equal(change(blind), check === "require" ? Errno.EPERM : 0, check);
          if (check !== "require") return;
          assert.equal(book.worktree.refusals.list().at(-1)?.code, "HASH_REQUIRED");
          assert.equal(blind.read("lesson.md"), "first");
          assert.equal(change(blind), 0, "read is read");
        });
      }
    });
  });
}

test("W1: off is last writer wins, still logged", () => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [editor, other] = programs(book, "off", pids) as [Program, Program];
      other.save("lesson.md", "first");
      editor.read("lesson.md");
      other.save("lesson.md", "second");
      assert.equal(editor.save("lesson.md", "third"), 0);
      assert.equal(book.library.log.seq, 3);
    });
  });
});

test("W1: a program that writes without ever reading may do so again and again, between others' saves too", () => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [one, other] = programs(book, "seen", pids) as [Program, Program];
      for (let i = 0; i < 10; i++)
        for (const program of [one, other]) assert.equal(program.save("a.md", `${i}`), 0);
      assert.equal(book.worktree.refusals.list().length, 0);
    });
  });
});

test("W1: require: who wrote a version knows it, until somebody else has written another", () => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [one, other] = programs(book, "require", pids) as [Program, Program];
      for (let i = 0; i < 5; i++) assert.equal(one.save("a.md", `${i}`), 0);
      other.read("a.md");
      assert.equal(other.save("a.md", "other"), 0);
      assert.equal(one.save("a.md", "again"), Errno.ESTALE);
    });
  });
});

test("W1: an editor that goes on saving is refused once somebody else has saved", () => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [editor, other] = programs(book, "seen", pids) as [Program, Program];
      other.save("a.md", "0");
      editor.read("a.md");
      for (let i = 1; i < 5; i++) assert.equal(editor.save("a.md", `${i}`), 0);
      other.save("a.md", "other");
      assert.equal(editor.save("a.md", "5"), Errno.ESTALE);
      assert.equal(other.read("a.md"), "other");
    });
  });
});

test("W1: a lesson that was replaced by another file, or removed and made anew, is not overwritten from memory", () => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [editor, other] = programs(book, "seen", pids) as [Program, Program];
      for (const name of ["a.md", "b.md", "c.md", "d.md"]) {
        other.save(name, "first");
        editor.read(name);
      }
      other.save("draft.md", "replaced");
      assert.equal(other.kernel.rename(other.root, "draft.md", other.root, "a.md")?.errno ?? 0, 0);
      other.kernel.unlink(other.root, "b.md");
      book.worktree.settle(0);
      other.save("b.md", "made anew");
      other.kernel.rename(other.root, "c.md", other.root, "old.md");
      other.save("c.md", "made anew");
      other.save("e.md", "exchanged");
      other.kernel.rename(other.root, "e.md", other.root, "d.md", EXCHANGE);
      for (const name of ["a.md", "b.md", "c.md", "d.md"])
        assert.equal(editor.save(name, "from memory"), Errno.ESTALE, name);
      assert.equal(editor.save("old.md", "the file that it read"), 0);
      assert.equal(editor.read("b.md"), "made anew");
      assert.equal(editor.save("b.md", "merged"), 0);
    });
  });
});

test("W1: who inherited a descriptor knows what its opener knows, and what was read through it", () => {
  withProcesses(3, (pids) => {
    withTestBook((book) => {
      const [shell, child, other] = programs(book, "require", pids) as [Program, Program, Program];
      other.save("a.md", "first");
      shell.read("a.md");
      const { kernel } = shell;
      const file = shell.find("a.md");
      const opened = kernel.open(file, O_WRONLY | O_TRUNC);
      for (const [program, text] of [
        [shell, "shell"],
        [child, "child"],
      ] as const) {
        const at = { ...file, pid: program.pid };
        assert.equal(kernel.write(at, opened.fh, text).errno, 0);
        assert.equal(kernel.flush(at, opened.fh)?.errno, 0);
      }
      kernel.release(file, opened.fh);
      assert.equal(child.save("a.md", "child again"), 0, "it wrote the version that there is");
      assert.equal(shell.save("a.md", "shell again"), Errno.ESTALE);

      const both = kernel.open(file, O_RDWR);
      assert.equal(kernel.write(file, both.fh, "x").errno, Errno.ESTALE);
      kernel.read({ ...file, pid: other.pid }, both.fh);
      assert.equal(kernel.write(file, both.fh, "x").errno, 0);
      kernel.flush(file, both.fh);
      kernel.release(file, both.fh);
    });
  });
});

test("W1: opening for reading and writing is not reading; the kernel is made to ask, and what it asks for counts", () => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [editor, other] = programs(book, "seen", pids) as [Program, Program];
      const { kernel } = editor;
      other.save("a.md", "first");
      editor.read("a.md");
      const file = editor.find("a.md");
      const fresh = kernel.open(file, O_RDWR);
      assert.equal(fresh.flags & FOPEN.KEEP_CACHE, FOPEN.KEEP_CACHE);
      kernel.release(file, fresh.fh);
      other.save("a.md", "second");
      const { fh, flags } = kernel.open(file, O_RDWR);
      assert.equal(flags & FOPEN.KEEP_CACHE, 0);
      assert.equal(kernel.write(file, fh, "mine").errno, Errno.ESTALE);
      assert.equal(kernel.read(file, fh).body.toString(), "second");
      assert.equal(kernel.write(file, fh, "mine").errno, 0);
      kernel.release(file, fh);
    });
  });
});

test("W1: a version that is saved while others have the file open is heard when they read it", (t) => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [reader, other] = programs(book, "seen", pids) as [Program, Program];
      const { kernel } = reader;
      other.save("a.md", "first");
      const file = reader.find("a.md");
      const { fh } = kernel.open(file);
      const saved = kernel.open({ ...file, pid: other.pid }, O_WRONLY | O_TRUNC);
      kernel.write({ ...file, pid: other.pid }, saved.fh, "second");
      assert.equal(
        kernel.flush({ ...file, pid: other.pid }, saved.fh),
        undefined,
        "waits until the pages are dropped",
      );
      assert.equal(kernel.notifications.length, 1);
      for (const { ticket } of kernel.notifications.splice(0)) book.deliveries.delivered(ticket);
      assert.equal(kernel.lateAnswers.length, 1);
      kernel.release({ ...file, pid: other.pid }, saved.fh);
      assert.equal(reader.save("a.md", "mine"), Errno.ESTALE);
      kernel.read(file, fh);
      assert.equal(reader.save("a.md", "mine"), Errno.ESTALE, "it may be the end of its first reading");
      book.deliverAll();
      const now = performance.now.bind(performance);
      t.mock.method(performance, "now", () => now() + 1001);
      kernel.getattr(file);
      kernel.read(file, fh);
      assert.equal(reader.save("a.md", "mine"), 0);
      kernel.release(file, fh);
    });
  });
});

test("W1: what another program is writing is neither mixed with what was read before nor replaced by it", () => {
  withProcesses(3, (pids) => {
    withTestBook((book) => {
      const [slow, editor, blind] = programs(book, "seen", pids) as [Program, Program, Program];
      const { kernel } = slow;
      slow.save("a.md", "first");
      editor.read("a.md");
      const file = slow.find("a.md");
      const { fh } = kernel.open(file, O_WRONLY | O_TRUNC);
      kernel.write(file, fh, "half");
      assert.equal(editor.save("a.md", "mine"), Errno.ESTALE);
      assert.equal(editor.kernel.unlink(editor.root, "a.md")?.errno, Errno.ESTALE);
      assert.match(book.worktree.refusals.list()[0]?.message ?? "", /is being written/);
      kernel.write(file, fh, "whole", { offset: 0 });
      kernel.flush(file, fh);
      kernel.release(file, fh);
      assert.equal(editor.save("a.md", "mine"), Errno.ESTALE);
      editor.read("a.md");
      assert.equal(editor.save("a.md", "mine"), 0);

      const log = kernel.open(file, O_WRONLY | O_APPEND);
      kernel.write(file, log.fh, "1");
      assert.equal(
        blind.save("a.md", "2", O_WRONLY | O_APPEND),
        0,
        "who never read may append to the same draft",
      );
      kernel.flush(file, log.fh);
      kernel.release(file, log.fh);
    });
  });
});

test("S1: scratch is never checked", () => {
  withProcesses(2, (pids) => {
    withTestBook((book) => {
      const [one, other] = programs(book, "require", pids) as [Program, Program];
      other.save(".a.md.swp", "first");
      assert.equal(one.save(".a.md.swp", "second"), 0);
      other.read(".a.md.swp");
      one.save(".a.md.swp", "third");
      assert.equal(other.save(".a.md.swp", "fourth"), 0);
      assert.equal(one.kernel.unlink(one.root, ".a.md.swp")?.errno, 0);
    });
  });
});

test("W1: what was read on one mount counts on another of the same book", () => {
  withProcesses(2, ([editorPid, otherPid]) => {
    withTestBook((book) => {
      const [one, two] = [book.mount({ check: "off" }), book.mount()];
      const other = new Program(book, one, otherPid as number);
      other.save("a.md", "first");
      new Program(book, one, editorPid as number).read("a.md");
      other.save("a.md", "second");
      const editor = new Program(book, two, editorPid as number);
      assert.equal(editor.save("a.md", "mine"), Errno.ESTALE);
      editor.read("a.md");
      assert.equal(editor.save("a.md", "mine"), 0);
    });
  });
});
