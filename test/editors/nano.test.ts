// nano in a terminal, with and without backups and locks.

import { test } from "node:test";
import { assertSaves, type Case, type CasePlace, LESSON } from "./editing.ts";

function edit(options: string): (place: CasePlace) => Promise<void> {
  return async ({ terminal }) => {
    const nano = await terminal(`nano ${options} ${LESSON}`);
    await nano.shows(/# Lesson/);
    await nano.type("one ");
    await nano.shows(/one # Lesson/);
    await nano.keys("C-o");
    await nano.shows(/File Name to Write/);
    await nano.keys("Enter");
    await nano.shows(/Wrote \d+ lines/);
    await nano.type("two ");
    await nano.shows(/one two # Lesson/);
    await nano.keys("C-x");
    await nano.shows(/Save modified buffer/);
    await nano.keys("y");
    await nano.shows(/File Name to Write/);
    await nano.keys("Enter");
    await nano.ended();
  };
}

const TWICE = { [LESSON]: ["update", "update"] };

const cases: Case[] = [
  { title: "nano as it comes: two saves, two updates", run: edit(""), log: TWICE },
  { title: "nano -B keeps a backup as scratch", run: edit("-B"), log: TWICE },
  { title: "nano -G locks with a swap file as scratch", run: edit("-G"), log: TWICE },
  { title: "nano -B -G -N -L: bytes as they are", run: edit("-B -G -N -L"), log: TWICE },
  {
    title: "nano makes a new file: one create",
    async run({ terminal }) {
      const nano = await terminal("nano 02-new.md");
      await nano.shows(/New File/);
      await nano.type("new");
      await nano.keys("C-s");
      await nano.shows(/Wrote 1 line/);
      await nano.keys("C-x");
      await nano.ended();
    },
    log: { "02-new.md": ["create"] },
  },
];

test("S1, I1: nano: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
test("S1, I1: nano: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", cases.slice(3)));
