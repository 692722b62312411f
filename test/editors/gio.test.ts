// GIO, which gedit and all of GNOME save through: the real thing, by its command line tool.

import { test } from "node:test";
import { assertSaves, type Case, LESSON, TEXT } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };

const cases: Case[] = [
  {
    title: "gio save writes .goutputstream-XXXXXX and renames it over",
    run: `echo new | gio save ${LESSON}`,
    log: UPDATE,
  },
  { title: "gio save --backup keeps x~", run: `echo new | gio save --backup ${LESSON}`, log: UPDATE },
  {
    title: "gio save --create makes a file",
    run: `echo new | gio save --create 02-new.md`,
    log: { "02-new.md": ["create"] },
  },
  { title: "gio save --append", run: `echo new | gio save --append ${LESSON}`, log: UPDATE },
  {
    title: "gio copy out, in and over",
    files: { [LESSON]: TEXT, "02-other.md": "o" },
    run: `gio copy ${LESSON} "$HOME/x"; gio copy "$HOME/x" 03-new.md; gio copy ${LESSON} 02-other.md`,
    log: { "02-other.md": ["update", "attributes"], "03-new.md": ["create", "attributes"] },
  },
  {
    title: "gio move and rename keep the file",
    run: `gio move ${LESSON} 02-moved.md; gio rename 02-moved.md 03-renamed.md`,
    log: { [LESSON]: ["rename"], "02-moved.md": ["rename", "rename"], "03-renamed.md": ["rename"] },
    moved: { [LESSON]: "03-renamed.md" },
  },
  {
    title: "gio remove and mkdir",
    run: `gio remove ${LESSON}; gio mkdir 02-Folder; rmdir 02-Folder`,
    log: { [LESSON]: ["delete"] },
  },
  {
    title: "gio set of an attribute and gio info, list, cat",
    run: `gio set -t uint32 ${LESSON} unix::mode 0755; gio info ${LESSON} > "$HOME/i"; gio list > "$HOME/l"; gio cat ${LESSON} > "$HOME/c"; cmp ${LESSON} "$HOME/c"`,
    log: { [LESSON]: ["attributes"] },
  },
];

test("S1, I1: GIO: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
test("S1, I1: GIO: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", cases.slice(0, 6)));
