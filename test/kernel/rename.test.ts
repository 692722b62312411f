// rename(2) through the real kernel: every combination of what is moved and what is in its way.

import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readLog } from "../../lib/history.ts";
import { StoreReader } from "../../lib/reader.ts";
import { parseBookId } from "../../schema/ids.ts";
import { python, sh, withBook } from "./harness.ts";

/** As the server names it. */
const BOOK = parseBookId("test-book");

test("rename: files, directories, symlinks onto each other behave as POSIX says", async () => {
  await withBook({}, async ({ dir, plain }) => {
    // The same matrix on an ordinary file system and on the mount must have the same outcomes.
    const program = `
def make(path, kind):
    if kind == "file": put(path, path)
    elif kind == "empty": os.mkdir(path)
    elif kind == "full": os.mkdir(path); put(path + "/in", b"x")
    elif kind == "link": os.symlink("nowhere", path)
    elif kind == "fifo": os.mkfifo(path)
def show(path):
    if not os.path.lexists(path): return "-"
    mode = stat.S_IFMT(os.lstat(path).st_mode)
    if mode == stat.S_IFREG: return "file:" + get(path).decode()
    if mode == stat.S_IFDIR: return "dir:" + ",".join(sorted(os.listdir(path)))
    return oct(mode)
kinds = ["file", "empty", "full", "link", "fifo", "none"]
for flags in (0, 1, 2):
    for source in kinds:
        for target in kinds:
            os.mkdir("t"); os.mkdir("t/sub")
            make("t/a", source); make("t/sub/b", target)
            if source != "none": inode = os.lstat("t/a").st_ino
            try:
                rename2("t/a", "t/sub/b", flags); outcome = "ok"
                assert os.lstat("t/sub/b").st_ino == inode, "the inode moves along"
            except OSError as error: outcome = errno.errorcode[error.errno]
            print(flags, source, target, outcome, show("t/a"), show("t/sub/b"), os.stat("t").st_nlink, os.stat("t/sub").st_nlink)
            subprocess.run(["rm", "-rf", "t"], check=True)
`;
    assert.equal(await python(dir, program), await python(plain, program));
  });
});

test("rename: onto itself, into itself, onto an ancestor, WHITEOUT, trailing slashes", async () => {
  await withBook({}, async ({ dir, plain }) => {
    const program = `
def attempt(call, *args):
    try: call(*args); print(call.__name__, *args, "ok")
    except OSError as error: print(call.__name__, *args, errno.errorcode[error.errno])
os.makedirs("a/b/c"); put("f", b"x"); os.mkdir("e")
attempt(os.rename, "f", "f"); attempt(os.rename, "a", "a/b/c/d"); attempt(os.rename, "a", "a/b"); attempt(os.rename, "a/b/c", "a")
attempt(os.rename, "none", "x"); attempt(os.rename, "f", "f/x"); attempt(os.rename, "f", "none/x"); attempt(os.rename, "e", "a/b/e")
attempt(os.rename, "f", "g/"); attempt(os.rename, "a/b/e/", "e2/"); attempt(rename2, "f", "none", 2); attempt(rename2, "f", "h", 3)
attempt(os.rename, "a/b", "."); attempt(os.rename, ".", "z"); attempt(os.rename, "a/..", "z")
`;
    assert.equal(await python(dir, program), await python(plain, program));
    await python(dir, `put("w", b""); fails("EINVAL", rename2, "w", "w2", 4); assert get("w") == b""`);
  });
});

test("I1: a file keeps its inode number through save, rename, atomic save and restart", async () => {
  await withBook({}, async ({ dir, restart }) => {
    await python(
      dir,
      `
os.mkdir("d"); put("d/lesson.md", b"1"); inode = os.stat("d/lesson.md").st_ino
put("d/lesson.md", b"2"); assert os.stat("d/lesson.md").st_ino == inode
os.rename("d/lesson.md", "d/renamed.md"); assert os.stat("d/renamed.md").st_ino == inode
os.rename("d", "e"); assert os.stat("e/renamed.md").st_ino == inode
put("e/.renamed.md.swp", b"3"); os.rename("e/.renamed.md.swp", "e/renamed.md")
assert os.stat("e/renamed.md").st_ino == inode and get("e/renamed.md") == b"3"
os.rename("e/renamed.md", "e/renamed.md~"); put("e/renamed.md", b"4")
assert os.stat("e/renamed.md").st_ino == inode and get("e/renamed.md") == b"4" and get("e/renamed.md~") == b"3"
os.unlink("e/renamed.md~"); put("inode", str(inode))
`,
    );
    await restart();
    await python(
      dir,
      `assert os.stat("e/renamed.md").st_ino == int(get("inode")); assert get("e/renamed.md") == b"4"`,
    );
  });
});

test("rename: open files go along, in every direction across the border of scratch", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
# A lesson that is open while scratch is renamed over it stays readable and writable; the new one is separate.
put("lesson.md", b"old"); old = os.open("lesson.md", os.O_RDWR)
put("lesson.md.tmp.1", b"new"); scratch = os.open("lesson.md.tmp.1", os.O_RDWR)
os.rename("lesson.md.tmp.1", "lesson.md")
assert os.pread(old, 9, 0) == b"old" and os.pread(scratch, 9, 0) == b"new" and get("lesson.md") == b"new"
assert os.fstat(old).st_nlink == 0 and os.fstat(scratch).st_nlink == 1
assert os.fstat(scratch).st_ino == os.stat("lesson.md").st_ino
os.pwrite(old, b"gone", 0); os.pwrite(scratch, b"more", 3)
assert get("lesson.md") == b"newmore" and os.pread(old, 9, 0) == b"gone"
os.close(old); os.close(scratch); assert get("lesson.md") == b"newmore"
# A lesson renamed to a scratch name while open, and made again.
fd = os.open("lesson.md", os.O_RDWR); os.rename("lesson.md", "lesson.md~"); put("lesson.md", b"again")
os.pwrite(fd, b"OLD", 0); os.close(fd)
assert get("lesson.md~") == b"OLDmore" and get("lesson.md") == b"again"
# Plain renames of open files, with a draft under way.
fd = os.open("x.md", os.O_CREAT | os.O_RDWR); os.write(fd, b"one"); os.rename("x.md", "y.md"); os.write(fd, b"two")
assert get("y.md") == b"onetwo"; os.close(fd); assert get("y.md") == b"onetwo"; fails("ENOENT", os.stat, "x.md")
put("z.md", b"z"); fd = os.open("z.md", os.O_RDWR); os.write(fd, b"ZZ"); rename2("y.md", "z.md", 2); os.write(fd, b"ZZ"); os.close(fd)
assert get("y.md") == b"ZZZZ" and get("z.md") == b"onetwo"
`,
    );
  });
});

test("rename: a chapter with many lessons is renamed at once, and its open files with it; I1: the log follows each lesson", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await python(
      dir,
      `
os.makedirs("part/chapter")
for i in range(50): put(f"part/chapter/lesson-{i}.md", f"lesson {i}")
inodes = {n: os.stat("part/chapter/" + n).st_ino for n in os.listdir("part/chapter")}
fd = os.open("part/chapter/lesson-7.md", os.O_RDWR); os.write(fd, b"LESSON")
os.rename("part/chapter", "part/02-chapter"); os.mkdir("other"); os.rename("part/02-chapter", "other/c")
os.write(fd, b"!"); os.close(fd)
assert {n: os.stat("other/c/" + n).st_ino for n in os.listdir("other/c")} == inodes
assert get("other/c/lesson-7.md") == b"LESSON!7" and get("other/c/lesson-8.md") == b"lesson 8"
assert os.listdir("part") == [] and os.stat("part").st_nlink == 2 and os.stat("other").st_nlink == 3
assert os.stat("other/c/..").st_ino == os.stat("other").st_ino
`,
    );
    assert.equal((await sh(dir, "mv other/c other/d && ls other/d | wc -l")).trim(), "50");
    const reader = StoreReader.openBeside(join(plain, "../store"));
    try {
      const renames = [...readLog(reader, { operation: "rename" })];
      // A row at the old path and one at the new one, for each lesson.
      assert.equal(renames.length, 3 * 100);
      for (const at of [0, 100, 200])
        assert.equal(new Set(renames.slice(at, at + 100).map(({ timestamp }) => timestamp)).size, 1);
      for (let number = 0; number < 50; number++) {
        const path = `other/d/lesson-${number}.md`;
        const { ino } = await stat(join(dir, path));
        const rows = [...readLog(reader, { bookId: BOOK, path, followRenames: true })];
        const told = rows
          .filter(({ operation }) => operation !== "update")
          .map((row) => `${row.operation} ${row.path}`);
        assert.deepEqual(told, [
          ...["other/d", "other/c", "other/c", "part/02-chapter", "part/02-chapter", "part/chapter"].map(
            (folder) => `rename ${folder}/lesson-${number}.md`,
          ),
          `create part/chapter/lesson-${number}.md`,
        ]);
        assert.deepEqual([...new Set(rows.map((row) => row.file_id))], [ino], path);
      }
    } finally {
      reader.close();
    }
  });
});

test("I1: after an atomic save, and beside a backup, a program that asks for the inode number only gets the file's", async () => {
  await withBook({}, async ({ dir }) => {
    // Mostly at once; nobody waits for it.
    const eventually = (name: string, how: string): string =>
      `timeout 20 sh -c 'until [ "$(stat -c %i ${name})" ${how} "$number" ]; do :; done'`;
    await sh(
      dir,
      `set -e; echo old > a.md; export number=$(stat -c %i a.md)
       echo new > a.md.tmp; stat -c %i a.md.tmp; mv a.md.tmp a.md; ${eventually("a.md", "=")}
       mv a.md a.md~; echo newer > a.md; ${eventually("a.md", "=")}; ${eventually("a.md~", "!=")}`,
    );
  });
});
