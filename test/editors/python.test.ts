// Python's ways to write a file: modes of open, temporary files and os.replace, pathlib, shutil, mmap.

import { test } from "node:test";
import { assertSaves, type Case, LESSON, TEXT } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };
const CREATE = { "02-new.md": ["create"] };

/** Runs a program with the modules it needs and the lesson's name in `f`. */
function python(program: string): string {
  return `python3 - <<'END'
import errno, mmap, os, pathlib, shutil, tempfile
f = "${LESSON}"
${program}
END`;
}

/** Writes beside the lesson and renames over it. */
function replaceThrough(temporary: string): string {
  return python(`
with ${temporary} as t:
    t.write(b"new text\\r\\n"); t.flush(); os.fsync(t.fileno()); os.fchmod(t.fileno(), 0o644)
os.replace(t.name, f)`);
}

const cases: Case[] = [
  { title: "open w", run: python(`with open(f, "w") as o: o.write("new\\n")`), log: UPDATE },
  {
    title: "open w with many small unbuffered writes",
    run: python(`with open(f, "wb", buffering=0) as o:\n    for i in range(100): o.write(b"line %d\\n" % i)`),
    log: UPDATE,
  },
  { title: "open a", run: python(`with open(f, "a") as o: o.write("more\\n")`), log: UPDATE },
  {
    title: "open x makes a file and refuses one that is there",
    run: python(
      `open("02-new.md", "x").close()\ntry: open(f, "x")\nexcept FileExistsError: pass\nelse: raise SystemExit("made it")`,
    ),
    log: CREATE,
  },
  {
    title: "open r+, seek, write, truncate",
    run: python(
      `with open(f, "r+b") as o:\n    t = o.read(); o.seek(0); o.write(t.upper()[:40]); o.truncate()`,
    ),
    log: UPDATE,
  },
  {
    title: "open, write, fsync, write on, close: one version per promise",
    run: python(`with open(f, "w") as o:\n    o.write("a"); o.flush(); os.fsync(o.fileno()); o.write("b")`),
    log: { [LESSON]: ["update", "update"] },
  },
  {
    title: "pathlib write_text, write_bytes, touch, rename",
    run: python(
      `p = pathlib.Path("02-new.md"); p.write_text("a"); p.write_bytes(b"b\\r\\n"); p.touch(); p.rename("03-new.md")`,
    ),
    log: { "02-new.md": ["create", "update", "attributes", "rename"], "03-new.md": ["rename"] },
  },
  {
    title: "tempfile.NamedTemporaryFile beside it, then os.replace",
    run: replaceThrough("tempfile.NamedTemporaryFile(dir='.', delete=False)"),
    log: UPDATE,
  },
  {
    title: "… with a suffix .tmp",
    run: replaceThrough("tempfile.NamedTemporaryFile(dir='.', suffix='.tmp', delete=False)"),
    log: UPDATE,
  },
  {
    title: "… with the prefix .tmp",
    run: replaceThrough("tempfile.NamedTemporaryFile(dir='.', prefix='.tmp', delete=False)"),
    log: UPDATE,
  },
  {
    title: "… with the lesson's name before and .tmp behind",
    run: replaceThrough(
      "tempfile.NamedTemporaryFile(dir='.', prefix='.' + f + '.', suffix='.tmp', delete=False)",
    ),
    log: UPDATE,
  },
  {
    title: "… in a temporary directory beside it",
    run: python(
      `with tempfile.TemporaryDirectory(prefix=f + "~", suffix="~", dir=".") as d:\n    p = os.path.join(d, "x"); open(p, "w").write("new"); os.replace(p, f)`,
    ),
    log: UPDATE,
  },
  {
    title: "a temporary file that goes by itself",
    run: python(
      `with tempfile.NamedTemporaryFile(dir=".") as t: t.write(b"x"); t.flush(); assert os.path.exists(t.name)\nwith tempfile.TemporaryFile(dir=".") as t: t.write(b"x"); t.seek(0); assert t.read() == b"x"`,
    ),
    log: {},
  },
  {
    title: "shutil.copy, copy2, move",
    files: { [LESSON]: TEXT, "02-other.md": "o" },
    run: python(
      `shutil.copy(f, "02-other.md"); shutil.copy2(f, "03-copy.md"); shutil.move("02-other.md", "04-moved.md")`,
    ),
    log: {
      "02-other.md": ["update", "rename"],
      "03-copy.md": ["create", "attributes"],
      "04-moved.md": ["rename"],
    },
    moved: { "02-other.md": "04-moved.md" },
  },
  {
    title: "shutil.copytree and rmtree",
    files: { "01-Deep/01-a.md": "a", "01-Deep/02-b.md": "b" },
    run: python(`shutil.copytree("01-Deep", "02-Deep"); shutil.rmtree("01-Deep")`),
    log: {
      "01-Deep/01-a.md": ["delete"],
      "01-Deep/02-b.md": ["delete"],
      "02-Deep/01-a.md": ["create", "attributes"],
      "02-Deep/02-b.md": ["create", "attributes"],
    },
  },
  {
    title: "mmap: what is written through it is saved",
    run: python(
      `with open(f, "r+b") as o, mmap.mmap(o.fileno(), 0) as m:\n    m[0:8] = b"# LESSON"; m.flush()`,
    ),
    log: UPDATE,
  },
  {
    title: "mmap after close",
    run: python(
      `o = open(f, "r+b"); m = mmap.mmap(o.fileno(), 0); o.close()\nm[0:8] = b"# LESSON"; m.close()`,
    ),
    log: UPDATE,
  },
  {
    title: "os.open with O_TRUNC, O_APPEND, os.pwrite, os.ftruncate",
    run: python(
      `d = os.open(f, os.O_RDWR); os.pwrite(d, b"XX", 3); os.ftruncate(d, 30); os.close(d)\nd = os.open(f, os.O_WRONLY | os.O_APPEND); os.write(d, b"end"); os.close(d)`,
    ),
    log: { [LESSON]: ["update", "update"] },
  },
  {
    title: "O_TMPFILE is not there, and says so as a file system without it does",
    onlyHere: true,
    run: python(
      `try: os.open(".", os.O_TMPFILE | os.O_RDWR)\nexcept OSError as e: assert e.errno == errno.EOPNOTSUPP, e\nelse: raise SystemExit("made one")`,
    ),
    log: {},
  },
  {
    title: "writing what is there already leaves the version as it is, but for the time",
    run: python(`t = open(f, "rb").read(); open(f, "wb").write(t)`),
    log: { [LESSON]: ["attributes"] },
  },
  {
    title: "opening for writing without writing is nothing",
    run: python(`open(f, "r+").close(); open(f, "a").close()`),
    log: {},
  },
  {
    title: "a lock by flock, then a save",
    run: python(
      `import fcntl\nwith open(f, "r+") as o:\n    fcntl.flock(o, fcntl.LOCK_EX); o.write("# X"); o.flush(); fcntl.flock(o, fcntl.LOCK_UN)`,
    ),
    log: UPDATE,
  },
];

test("S1, I1: python: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
/** Directories below a chapter have no place in the strict schema. */
test("S1, I1: python: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(
    t,
    "strict",
    cases.filter(({ title }) => /^…|tempor|copytree/.test(title) && !title.includes("copytree")),
  ));
