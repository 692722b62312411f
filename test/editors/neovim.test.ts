// neovim, in a terminal and headless: a save is one update, whatever its options make of it.

import { test } from "node:test";
import { assertSaves, type Case, type CasePlace, LESSON } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };

function headless(options: string): string {
  return `nvim --headless -c '${options}' -c 'normal Goadded' -c wq ${LESSON}`;
}

async function interactive({ terminal }: CasePlace): Promise<void> {
  const nvim = await terminal(`nvim ${LESSON}`);
  await nvim.shows(/# Lesson/);
  await nvim.keys("G", "o");
  await nvim.type("one");
  await nvim.keys("Escape");
  await nvim.shows(/^\s*one$/m);
  await nvim.keys(":w", "Enter");
  await nvim.shows(/written/);
  await nvim.keys("g", "g", "O");
  await nvim.type("two");
  await nvim.keys("Escape", "Z", "Z");
  await nvim.ended();
}

const cases: Case[] = [
  {
    title: "neovim as it comes: two saves, two updates",
    run: interactive,
    log: { [LESSON]: ["update", "update"] },
  },
  ...["yes", "no", "auto"].map((copy) => ({
    title: `neovim with backupcopy=${copy} and a backup saves as one update`,
    run: headless(`set backup backupdir=. backupcopy=${copy}`),
    log: UPDATE,
  })),
  {
    title: "neovim with undo and swap files in the directory saves as one update",
    run: headless("set undofile undodir=. directory=. fsync"),
    log: UPDATE,
    volatile: /\.un~$/,
  },
  {
    title: "neovim makes a new file: one create",
    run: `nvim --headless -c 'normal ifirst' -c wq 02-new.md`,
    log: { "02-new.md": ["create"] },
  },
];

test("S1, I1: neovim: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
test("S1, I1: neovim: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", cases.slice(2, 5)));
