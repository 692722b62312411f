// Whole directories: mv, cp -a, tar, zip. Each file is one row per thing that happened to it, and keeps what it is.

import { test } from "node:test";
import { assertSaves, type Case, TEXT } from "./editing.ts";

const NUMBERS = Array.from({ length: 12 }, (_, at) => String(at + 1).padStart(2, "0"));
const FILES = Object.fromEntries(
  NUMBERS.map((number) => [`01-Chapter/${number}-lesson.md`, `${TEXT}${number}`]),
);
const PATHS = Object.keys(FILES);
const renamed = (path: string) => path.replace("01-Chapter", "07-Renamed");

/** The same operations for every path. */
function each(paths: readonly string[], ...operations: string[]): Record<string, string[]> {
  return Object.fromEntries(paths.map((path) => [path, operations]));
}

const cases: Case[] = [
  {
    title: "mv of a chapter: one rename per file, every id kept",
    files: FILES,
    run: "mv 01-Chapter 07-Renamed",
    log: { ...each(PATHS, "rename"), ...each(PATHS.map(renamed), "rename") },
    moved: Object.fromEntries(PATHS.map((path) => [path, renamed(path)])),
  },
  {
    title: "mv of a chapter there and back",
    files: FILES,
    run: "mv 01-Chapter 07-Renamed; mv 07-Renamed 01-Chapter",
    log: { ...each(PATHS, "rename", "rename"), ...each(PATHS.map(renamed), "rename", "rename") },
  },
  {
    title: "renumbering lessons from the last one down",
    files: FILES,
    run: `for i in 12 11 10 09 08 07 06 05 04 03 02 01; do mv 01-Chapter/$i-lesson.md 01-Chapter/$(printf %02d $((10#$i + 1)))-lesson.md; done`,
    log: {
      "01-Chapter/01-lesson.md": ["rename"],
      "01-Chapter/13-lesson.md": ["rename"],
      ...each(PATHS.slice(1), "rename", "rename"),
    },
    moved: Object.fromEntries(
      NUMBERS.map((number) => [
        `01-Chapter/${number}-lesson.md`,
        `01-Chapter/${String(Number(number) + 1).padStart(2, "0")}-lesson.md`,
      ]),
    ),
  },
  {
    title: "cp -a of a chapter: one create per file, times kept",
    files: FILES,
    run: "cp -a 01-Chapter 07-Renamed",
    log: each(PATHS.map(renamed), "create"),
  },
  {
    title: "cp -r of a chapter",
    files: FILES,
    run: "cp -r 01-Chapter 07-Renamed",
    log: each(PATHS.map(renamed), "create"),
  },
  {
    title: "cp -au changes only what is newer",
    files: FILES,
    run: `cp -a 01-Chapter "$HOME/new"; echo more >> "$HOME/new/03-lesson.md"; cp -au "$HOME/new/." 01-Chapter`,
    log: { "01-Chapter/03-lesson.md": ["update"] },
  },
  {
    title: "rm -rf of a chapter: one delete per file",
    files: FILES,
    run: "rm -rf 01-Chapter",
    log: each(PATHS, "delete"),
  },
  {
    title: "tar out and in elsewhere: times and modes kept",
    files: FILES,
    run: `chmod 755 01-Chapter/02-lesson.md; tar cf "$HOME/a.tar" 01-Chapter; mkdir 07-Renamed; tar xf "$HOME/a.tar" -C 07-Renamed --strip-components=1`,
    log: { "01-Chapter/02-lesson.md": ["attributes"], ...each(PATHS.map(renamed), "create") },
  },
  {
    title: "tar x over what is there: unlinked and made again, yet one row each, and the same files",
    files: FILES,
    run: `tar cf "$HOME/a.tar" 01-Chapter; for f in 01-Chapter/*; do echo changed > $f; done; tar xf "$HOME/a.tar"`,
    log: each(PATHS, "update", "update"),
  },
  {
    title: "tar --overwrite",
    files: FILES,
    run: `tar cf "$HOME/a.tar" 01-Chapter; echo changed > 01-Chapter/01-lesson.md; tar xf "$HOME/a.tar" --overwrite 01-Chapter/01-lesson.md`,
    log: { "01-Chapter/01-lesson.md": ["update", "update"] },
  },
  {
    title: "zip reads, unzip makes: times kept",
    files: FILES,
    run: `zip -qr "$HOME/a.zip" 01-Chapter; mkdir 07-Renamed; cd 07-Renamed; unzip -qj "$HOME/a.zip"`,
    log: each(PATHS.map(renamed), "create", "attributes"),
  },
  {
    title: "unzip -o over what is there",
    files: FILES,
    run: `zip -qr "$HOME/a.zip" 01-Chapter; echo changed > 01-Chapter/01-lesson.md; unzip -qo "$HOME/a.zip" 01-Chapter/01-lesson.md`,
    log: { "01-Chapter/01-lesson.md": ["update", "update", "attributes"] },
  },
];

test("S1, I1: directories: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
test("S1, I1: directories: as on an ordinary file system, and logged (profile docusaurus)", (t) =>
  assertSaves(t, "docusaurus", cases));
