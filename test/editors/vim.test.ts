// vim, driven through a terminal and in its silent mode: whatever dance its options make it do, a save is one update.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { assertSaves, type Case, type CasePlace, LESSON, TEXT } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };

/** Changes the lesson and saves it, with options set before the file is read. */
function silent(options: string, save = "wq"): string {
  return `vim -e -s -u DEFAULTS --cmd 'set nocompatible swapfile' -c '${options}' -c 'normal Goadded' -c '${save}' ${LESSON}`;
}

const dances: Case[] = ["yes", "no", "auto", "auto,breakhardlink", "auto,breaksymlink"].flatMap((copy) =>
  ["writebackup nobackup", "nowritebackup nobackup", "backup", "backup writebackup backupext=.bak~"].map(
    (backup) => ({
      title: `vim with backupcopy=${copy} ${backup} saves as one update`,
      run: silent(`set backupcopy=${copy} ${backup}`),
      log: UPDATE,
    }),
  ),
);

async function interactive({ terminal }: CasePlace): Promise<void> {
  const vim = await terminal(`vim ${LESSON}`);
  await vim.shows(/# Lesson/);
  await vim.keys("G", "o");
  await vim.type("one");
  await vim.keys("Escape", ":w", "Enter");
  await vim.shows(/written/);
  await vim.keys("g", "g", "O");
  await vim.type("two");
  await vim.keys("Escape", ":w!", "Enter");
  await vim.shows(/7L, .*written/);
  await vim.keys("g", "g", "O");
  await vim.type("three");
  await vim.keys("Escape", "Z", "Z");
  await vim.ended();
}

async function recover({ dir, terminal, sh }: CasePlace): Promise<void> {
  const killed = await terminal(`vim ${LESSON}`);
  await killed.shows(/# Lesson/);
  await killed.keys("G", "o");
  await killed.type("not saved");
  await killed.keys("Escape", ":preserve", "Enter");
  await killed.shows(/File preserved/);
  process.kill(await killed.pid(), "SIGKILL");
  await killed.ended();
  assert.equal(await readFile(join(dir, LESSON), "utf8"), TEXT);
  await sh(`test -f .${LESSON}.swp`);
  await sh(`vim -e -s -r ${LESSON} -c 'wq!'`);
  assert.match(await readFile(join(dir, LESSON), "utf8"), /not saved/);
}

const common: Case[] = [
  {
    title: "vim as it comes, :w, :w! and ZZ: three saves, three updates",
    run: interactive,
    log: { [LESSON]: ["update", "update", "update"] },
  },
  {
    title: "vim makes a new file: one create, then one update",
    run: `vim -e -s -c 'normal ifirst' -c wq 02-new.md; vim -e -s -c 'normal Gosecond' -c wq 02-new.md`,
    log: { "02-new.md": ["create", "update"] },
  },
  {
    title: "vim keeps its undo file in the directory as scratch",
    run: silent("set undofile undodir=."),
    log: UPDATE,
    volatile: /\.un~$/,
  },
  {
    title: "vim killed with -9 leaves a swap file that it recovers from, and the recovery is one update",
    run: recover,
    log: UPDATE,
    volatile: /\.swp$/,
  },
  {
    title: "vim :saveas and :w to another valid name create that file and leave the first alone",
    run: `vim -e -s -c 'normal Goadded' -c 'saveas 02-copy.md' -c 'normal Goagain' -c 'w 03-third.md' -c 'wq' ${LESSON}`,
    log: { "02-copy.md": ["create", "update"], "03-third.md": ["create"] },
  },
  {
    title: "vim :w >> appends as one update",
    run: `vim -e -s -c 'w >> 02-other.md' -c q ${LESSON}`,
    files: { [LESSON]: TEXT, "02-other.md": "other\n" },
    log: { "02-other.md": ["update"] },
  },
  {
    title: "vim saving twenty times quickly is twenty updates",
    run: `vim -e -s -c 'for i in range(20) | call append(0, i) | write | endfor' -c q ${LESSON}`,
    log: { [LESSON]: Array<string>(20).fill("update") },
  },
  {
    title: "vim saving what did not change: the bytes are the same, no update",
    run: `vim -e -s -c 'set binary' -c 'w!' -c q ${LESSON}`,
    log: { [LESSON]: ["attributes"] },
  },
  { title: "vim's trial file 4913 leaves no trace", run: `: > 4913; chmod 644 4913; rm 4913`, log: {} },
  {
    title: "view reads and writes nothing",
    run: `view -e -s -c q ${LESSON}`,
    log: {},
  },
];

test("S1, I1: vim: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", [...common, ...dances]));
test("S1, I1: vim: as on an ordinary file system, and logged (profile docusaurus)", (t) =>
  assertSaves(t, "docusaurus", common.slice(0, 3)));
test("S1, I1: vim: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", [
    ...common.slice(0, 5),
    ...dances.filter((_, at) => at % 4 === 2),
    {
      title: "R1: vim :saveas to a name without a place is refused, says so, and loses nothing",
      onlyHere: true,
      async run({ terminal }) {
        const vim = await terminal(`vim ${LESSON}`);
        await vim.shows(/# Lesson/);
        await vim.keys("G", "o");
        await vim.type("added");
        await vim.keys("Escape", ":saveas notes.txt", "Enter");
        await vim.shows(/E212: Can't open file for writing/);
        await vim.keys("Enter", ":saveas! 02-notes.md", "Enter");
        await vim.shows(/"02-notes.md".*written/);
        await vim.keys(":q", "Enter");
        await vim.ended();
      },
      log: { "notes.txt": ["refused create"], "02-notes.md": ["create"] },
      async after({ dir, book }) {
        assert.equal(await readFile(join(dir, "02-notes.md"), "utf8"), `${TEXT}\nadded\n`);
        const refusals = await readFile(join(book?.dir ?? "", ".pfs/errors.jsonl"), "utf8");
        const last = JSON.parse(refusals.trimEnd().split("\n").at(-1) as string);
        assert.equal(last.code, "SCHEMA_VIOLATION");
        assert.match(last.path, /notes\.txt$/);
        assert.equal(last.command, "vim");
      },
    },
  ]));
