// W1 with real programs: one has a lesson open, somebody else saves it, and the first one's save is refused with its buffer
// intact; once it has read the lesson again its save goes through.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { assertSaves, type Case, type CasePlace, LESSON } from "./editing.ts";

const THEIRS = "# Lesson of somebody else\n";

/** Somebody else saves the lesson. */
const saveTheirs = ({ sh }: CasePlace): Promise<string> => sh(`printf '${THEIRS.trimEnd()}\\n' > ${LESSON}`);

const content = ({ dir }: CasePlace): Promise<string> => readFile(join(dir, LESSON), "utf8");

/** The refusals of this case's lesson. */
async function refusals({ dir, book }: CasePlace): Promise<Record<string, unknown>[]> {
  const root = book?.dir ?? "";
  const lines = (await readFile(join(root, ".pfs/errors.jsonl"), "utf8")).split("\n").filter(Boolean);
  const path = `${dir.slice(root.length + 1)}/${LESSON}`;
  return lines.map((line) => JSON.parse(line)).filter((refusal) => refusal.path === path);
}

async function assertRefused(place: CasePlace, command: RegExp): Promise<void> {
  assert.equal(await content(place), THEIRS, "nothing of the other's save is lost");
  const found = await refusals(place);
  assert.ok(found.length > 0, "the refusal is explained");
  for (const { code, command: said, seen_hash: seen, current_hash: current } of found) {
    assert.equal(code, "CONFLICT");
    assert.match(said as string, command);
    assert.notEqual(seen, current);
  }
}

function vimLike(program: string): (place: CasePlace) => Promise<void> {
  return async (place) => {
    const vim = await place.terminal(`${program} ${LESSON}`);
    await vim.shows(/# Lesson/);
    await vim.keys("G", "o");
    await vim.type("my line");
    await vim.keys("Escape");
    await saveTheirs(place);
    await vim.keys(":w", "Enter");
    await vim.shows(/Do you really want to write to it/);
    await vim.keys("y");
    await vim.shows(/E\d+: /);
    await assertRefused(place, /^n?vim/);
    await vim.keys("Enter", "Escape");
    await vim.shows(/my line/);
    await vim.keys(":set modified?", "Enter");
    await vim.shows(/^ {2}modified/m);
    await vim.keys(":e!", "Enter");
    await vim.shows(/somebody else/);
    await vim.keys("G", "o");
    await vim.type("merged");
    await vim.keys("Escape", ":wq", "Enter");
    await vim.ended();
    assert.equal(await content(place), `${THEIRS}merged\n`);
  };
}

async function emacs(place: CasePlace): Promise<void> {
  const { terminal } = place;
  const editor = await terminal(`emacs -nw -Q ${LESSON}`);
  await editor.shows(/# Lesson/);
  await editor.keys("M->");
  await editor.type("my line");
  await editor.shows(/my line/);
  await saveTheirs(place);
  await editor.keys("C-x", "C-s");
  await editor.shows(/changed since visited or saved/);
  await editor.type("yes");
  await editor.keys("Enter");
  await editor.shows(/Stale file handle|[Cc]annot write|Can.t write|Opening output file|Renaming/);
  await assertRefused(place, /^emacs/);
  await editor.keys("C-g");
  await editor.shows(/my line/);
  await editor.shows(/\*\*-/);
  await editor.keys("M-x");
  await editor.type("revert-buffer");
  await editor.keys("Enter");
  await editor.shows(/[Rr]evert buffer from file|Discard edits/);
  await editor.type("yes");
  await editor.keys("Enter");
  await editor.shows(/somebody else/);
  await editor.keys("M->");
  await editor.type("merged");
  await editor.keys("C-x", "C-s");
  await editor.shows(/Wrote /);
  await editor.keys("C-x", "C-c");
  await editor.ended();
  assert.equal(await content(place), `${THEIRS}merged`);
}

async function nano(place: CasePlace): Promise<void> {
  const editor = await place.terminal(`nano ${LESSON}`);
  await editor.shows(/# Lesson/);
  await editor.type("mine ");
  await editor.shows(/mine # Lesson/);
  await saveTheirs(place);
  await editor.keys("C-o");
  await editor.shows(/File Name to Write/);
  await editor.keys("Enter");
  await editor.shows(/modified|changed on disk|on disk/i);
  await editor.keys("y");
  await editor.shows(/Error writing|Stale file handle/);
  await assertRefused(place, /^nano/);
  await editor.shows(/mine # Lesson/);
  await editor.keys("C-x");
  await editor.shows(/Save modified buffer/);
  await editor.keys("n");
  await editor.ended();
}

/**
 * A program that reads the lesson, says so, waits for a line, and then does what each line names: `save`, `read`. It answers
 * each with `ok` or the name of the error.
 */
function script(
  program: string,
  args: readonly string[],
  command: RegExp,
): (place: CasePlace) => Promise<void> {
  return async (place) => {
    const child = spawn(program, args, { cwd: place.dir, stdio: ["pipe", "pipe", "inherit"] });
    const exit = once(child, "exit");
    try {
      const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const ask = async (line: string): Promise<string> => {
        child.stdin.write(`${line}\n`);
        return (await answers.next()).value as string;
      };
      assert.equal(await ask("read"), "ok");
      assert.equal(await ask("save"), "ok");
      await saveTheirs(place);
      assert.equal(await ask("save"), "ESTALE");
      await assertRefused(place, command);
      assert.equal(await ask("save"), "ESTALE", "until it reads it again");
      assert.equal(await ask("read"), "ok");
      assert.equal(await ask("save"), "ok");
      assert.match(await content(place), /^# Lesson of somebody else\nmine/);
      child.stdin.end();
      assert.deepEqual(await exit, [0, null]);
    } finally {
      child.kill("SIGKILL");
    }
  };
}

/** Saves with these statements; `text` is what was read last and a line. */
const python = (
  save: string,
  read = `text = open(${JSON.stringify(LESSON)}, newline="").read()`,
): string[] => [
  "-c",
  `
import errno, os, sys, threading
def in_thread(call):
    failure = []
    def run():
        try: call()
        except OSError as error: failure.append(error)
    thread = threading.Thread(target=run); thread.start(); thread.join()
    if failure: raise failure[0]
for line in sys.stdin:
    try:
        if line == "read\\n":
            ${read}
        else:
            new = text + "mine\\n"
            ${save}
        print("ok", flush=True)
    except OSError as error: print(errno.errorcode[error.errno], flush=True)
`,
];

const node = (save: string): string[] => [
  "--input-type=module",
  "-e",
  `
import * as fs from "node:fs"; import { createInterface } from "node:readline";
const LESSON = ${JSON.stringify(LESSON)}; let text;
for await (const line of createInterface({ input: process.stdin })) {
  try {
    if (line === "read") text = await fs.promises.readFile(LESSON, "utf8");
    else { const all = text + "mine\\n"; ${save}; }
    console.log("ok");
  } catch (error) { console.log(error.errno === -116 ? "ESTALE" : error.code); }
}`,
];

const L = JSON.stringify(LESSON);
const scripts: [title: string, program: string, args: string[], command: RegExp][] = [
  ["Python: open for writing", "python3", python(`open(${L}, "w", newline="").write(new)`), /^python/],
  [
    "Python: temporary file and os.replace",
    "python3",
    python(`open(${L} + ".tmp", "w").write(new); os.replace(${L} + ".tmp", ${L})`),
    /^python/,
  ],
  [
    "Python: r+, then truncate",
    "python3",
    python(`f = open(${L}, "r+", newline=""); f.write(new); f.truncate(); f.close()`),
    /^python/,
  ],
  [
    "Python: unlink and write anew",
    "python3",
    python(`os.unlink(${L}); open(${L}, "w", newline="").write(new)`),
    /^python/,
  ],
  [
    "Python: one thread reads, another writes",
    "python3",
    python(
      `in_thread(lambda: open(${L}, "w", newline="").write(new))`,
      `in_thread(lambda: globals().update(text=open(${L}, newline="").read()))`,
    ),
    /^python/,
  ],
  [
    "Node: fs.promises.writeFile",
    process.execPath,
    node("await fs.promises.writeFile(LESSON, all)"),
    /^node/,
  ],
  [
    "Node: writeFileSync after an asynchronous read",
    process.execPath,
    node("fs.writeFileSync(LESSON, all)"),
    /^node/,
  ],
  [
    "Node: temporary file and rename",
    process.execPath,
    node('fs.writeFileSync(LESSON + ".tmp", all); fs.renameSync(LESSON + ".tmp", LESSON)'),
    /^node/,
  ],
  [
    "bash: a redirection of the shell that read it",
    "bash",
    [
      "-c",
      `while read -r line; do if [ "$line" = read ]; then text=$(< ${LESSON}) && mapfile -t all < ${LESSON} && echo ok; else if { printf '%s\\n' "\${all[@]}" mine > ${LESSON}; } 2> /dev/null; then echo ok; else echo ESTALE; fi; fi; done`,
    ],
    /^bash/,
  ],
];

const cases: Case[] = [
  { title: "vim", run: vimLike("vim"), log: "any", onlyHere: true },
  {
    title: "vim that writes in place",
    run: vimLike("vim --cmd 'set backupcopy=yes'"),
    log: "any",
    onlyHere: true,
  },
  { title: "neovim", run: vimLike("nvim"), log: "any", onlyHere: true },
  { title: "emacs", run: emacs, log: "any", onlyHere: true },
  { title: "nano", run: nano, log: "any", onlyHere: true },
  ...scripts.map(([title, program, args, command]) => ({
    title,
    run: script(program, args, command),
    log: "any" as const,
    onlyHere: true,
  })),
];

test("W1: a save over what somebody else has saved is refused, the buffer stays, and reading it again clears it", (t) =>
  assertSaves(t, "strict", cases));
