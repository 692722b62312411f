// Node's ways to write a file, and the libraries on npm that write "atomically": two as they are, and the steps of others, and of
// editors, followed one by one. Sources: write-file-atomic 5 lib/index.js, atomically 2 src/index.ts, steno 4, VS Code
// diskFileSystemProvider.ts, JetBrains' SafeWriteRequestor.

import { test } from "node:test";
import { assertSaves, type Case, LESSON } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };

/** Runs a module with `fs`, `fsp` and the lesson's name in `f`. */
function node(program: string): string {
  return `'${process.execPath}' --input-type=module -e "$(cat <<'END'
import fs from "node:fs"; import fsp from "node:fs/promises"; import { pipeline } from "node:stream/promises"; import { Readable } from "node:stream";
const f = "${LESSON}"; const text = "new text\\r\\n".repeat(2000);
${program}
END
)"`;
}

const own: Case[] = [
  {
    title: "fs.writeFileSync, fs.promises.writeFile, appendFile",
    run: node(
      `fs.writeFileSync(f, text); await fsp.writeFile(f, "b"); await fsp.appendFile(f, "c"); await fsp.writeFile("02-new.md", text);`,
    ),
    log: { [LESSON]: ["update", "update", "update"], "02-new.md": ["create"] },
  },
  {
    title: "fs.writeFile with flush",
    run: node(`await fsp.writeFile(f, text, { flush: true });`),
    log: UPDATE,
  },
  {
    title: "a write stream, and a pipeline of large chunks",
    run: node(
      `await pipeline(Readable.from([text, text, text]), fs.createWriteStream(f)); await pipeline(Readable.from([Buffer.alloc(300000, "x"), Buffer.alloc(300000, "y")]), fs.createWriteStream("02-new.md"));`,
    ),
    log: { [LESSON]: ["update"], "02-new.md": ["create"] },
  },
  {
    title: "a FileHandle: truncate, write at a position, datasync",
    run: node(
      `const h = await fsp.open(f, "r+"); await h.truncate(10); await h.write("XY", 4); await h.datasync(); await h.close();`,
    ),
    log: UPDATE,
  },
  {
    title: "copyFile, rename, cp, rm",
    run: node(
      `await fsp.copyFile(f, "02-new.md"); await fsp.rename("02-new.md", "03-new.md"); fs.cpSync("03-new.md", "04-new.md"); await fsp.rm("03-new.md");`,
    ),
    log: { "02-new.md": ["create", "rename"], "03-new.md": ["rename", "delete"], "04-new.md": ["create"] },
  },
  {
    title: "a formatter (prettier --write, eslint --fix): read, change, write in place",
    run: node(
      `const t = await fsp.readFile(f, "utf8"); await fsp.writeFile(f, t.replace(/last/g, "LAST"), "utf8");`,
    ),
    log: UPDATE,
  },
];

/** Where a program in the book's directory finds a library of the project's. */
const WRITE_FILE_ATOMIC = import.meta.resolve("write-file-atomic");
const ATOMICALLY = import.meta.resolve("atomically");

const libraries: Case[] = [
  {
    title: "write-file-atomic itself: one write after the other, and many at once, of which the last stays",
    run: node(`const { default: write } = await import("${WRITE_FILE_ATOMIC}");
await write(f, "first"); write.sync(f, "second"); await Promise.all([..."abc"].map((each) => write(f, each))); await write("02-new.md", text);`),
    log: { [LESSON]: ["update", "update", "update", "update", "update"], "02-new.md": ["create"] },
  },
  {
    title: "atomically itself: one write after the other, and many at once, of which the last stays",
    run: node(`const { writeFile, writeFileSync } = await import("${ATOMICALLY}");
await writeFile(f, "first"); writeFileSync(f, "second"); await Promise.all([..."abc"].map((each) => writeFile(f, each))); await writeFile("02-new.md", text);`),
    log: { [LESSON]: ["update", "update", "update", "update", "update"], "02-new.md": ["create"] },
  },
  {
    title: "write-file-atomic: x.<32-bit number>, fsync, chown, chmod, rename",
    run: node(`const t = f + "." + 3912847561; const { mode, uid, gid } = fs.statSync(fs.realpathSync(f));
const h = await fsp.open(t, "w", mode); await h.write(text, 0, "utf8"); await h.sync(); await h.close();
await fsp.chown(t, uid, gid); await fsp.chmod(t, mode); await fsp.rename(t, f);`),
    log: UPDATE,
  },
  {
    title: "atomically: x.tmp-<10 digits><6 hex>, fsync, chmod, rename",
    run: node(`const t = f + ".tmp-" + "1234567890" + "a1b2c3"; const { mode, uid, gid } = fs.statSync(f);
const d = fs.openSync(t, "w", 0o666); fs.writeSync(d, text, 0); fs.fsyncSync(d); fs.closeSync(d); fs.chownSync(t, uid, gid); fs.chmodSync(t, mode); fs.renameSync(t, f);`),
    log: UPDATE,
  },
  {
    title: "steno: .x.tmp, rename",
    run: node(`await fsp.writeFile("." + f + ".tmp", text); await fsp.rename("." + f + ".tmp", f);`),
    log: UPDATE,
  },
  {
    title: "agents' writers: x.tmp.<pid>.<time>, and .tmp-<uuid>",
    run: node(
      `for (const t of [f + ".tmp." + process.pid + "." + Date.now(), ".tmp-" + crypto.randomUUID()]) { await fsp.writeFile(t, text + t.length, { flag: "wx", mode: 0o644 }); await fsp.rename(t, f); }`,
    ),
    log: { [LESSON]: ["update", "update"] },
  },
  {
    title: "a writer that cannot rename removes its temporary file",
    run: node(
      `const t = f + ".tmp"; await fsp.writeFile(t, text); await fsp.rename(t, "nowhere/" + f).catch(() => fsp.unlink(t));`,
    ),
    log: {},
  },
  {
    title: "Rust's tempfile and atomic-write-file: .tmpXXXXXX, fsync, rename",
    run: node(
      `const t = ".tmpAb3dEf"; const d = fs.openSync(t, "wx+", 0o600); fs.writeSync(d, text); fs.fchmodSync(d, 0o644); fs.fsyncSync(d); fs.closeSync(d); fs.renameSync(t, f); const p = fs.openSync(".", "r"); fs.fsyncSync(p); fs.closeSync(p);`,
    ),
    log: UPDATE,
  },
  {
    title: "Go's renameio: .x<digits>, rename",
    run: node(
      `const t = "." + f + "1234567890"; fs.writeFileSync(t, text, { flag: "wx", mode: 0o600 }); fs.chmodSync(t, 0o644); fs.renameSync(t, f);`,
    ),
    log: UPDATE,
  },
];

const editors: Case[] = [
  {
    title: "VS Code: open w, write, fdatasync, close",
    run: node(`const d = fs.openSync(f, "w"); fs.writeSync(d, text); fs.fdatasyncSync(d); fs.closeSync(d);`),
    log: UPDATE,
  },
  {
    title: "VS Code: truncates by path first, then opens r+",
    run: node(
      `fs.truncateSync(f, 0); const d = fs.openSync(f, "r+"); fs.writeSync(d, text); fs.fdatasyncSync(d); fs.closeSync(d);`,
    ),
    log: { [LESSON]: ["update", "update"] },
  },
  {
    title: "VS Code, atomic: x.vsctmp, rename",
    run: node(
      `const t = f + ".vsctmp"; const d = fs.openSync(t, "w"); fs.writeSync(d, text); fs.fdatasyncSync(d); fs.closeSync(d); fs.renameSync(t, f);`,
    ),
    log: UPDATE,
  },
  {
    title: "JetBrains: x___jb_tmp___, the old one to x___jb_old___, rename, unlink",
    run: node(
      `const [t, o] = [f + "___jb_tmp___", f + "___jb_old___"]; fs.writeFileSync(t, text); fs.chmodSync(t, fs.statSync(f).mode); fs.renameSync(f, o); fs.renameSync(t, f); fs.unlinkSync(o);`,
    ),
    log: UPDATE,
  },
  {
    title: "LibreOffice: .~lock.x#, luXXXX.tmp, the old one renamed to a backup, the new one into its place",
    run: node(`const lock = ".~lock." + f + "#"; fs.writeFileSync(lock, ",me,here;", { flag: "wx" }); const t = "lu12345a1b2c.tmp"; fs.writeFileSync(t, text, { flag: "wx", mode: 0o600 });
fs.chmodSync(t, 0o644); fs.renameSync(f, f + "~"); fs.renameSync(t, f); fs.unlinkSync(f + "~"); fs.unlinkSync(lock);`),
    log: UPDATE,
  },
  {
    title: "kate and kwrite: .x.kate-swp, then QSaveFile's x.XXXXXX",
    run: node(
      `const s = "." + f + ".kate-swp"; fs.writeFileSync(s, "swap"); const t = f + ".tmp.aBcDeF"; fs.writeFileSync(t, text, { flag: "wx" }); fs.renameSync(t, f); fs.unlinkSync(s);`,
    ),
    log: UPDATE,
  },
  {
    title: "Microsoft Office through a share: ~$x, the old one to .tmp, rename",
    run: node(
      `const own = "~$" + f; fs.writeFileSync(own, "me"); fs.writeFileSync("A1B2C3D4.tmp", text); fs.renameSync(f, "E5F6A7B8.tmp"); fs.renameSync("A1B2C3D4.tmp", f); fs.unlinkSync("E5F6A7B8.tmp"); fs.unlinkSync(own);`,
    ),
    log: UPDATE,
  },
];

test("S1, I1: Node and its libraries: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", [...own, ...libraries, ...editors]));
test("S1, I1: Node and its libraries: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", [...libraries, ...editors]));
