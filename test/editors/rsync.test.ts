// rsync into a mount and out of it: bytes and times exact, a second run finds nothing to do, its temporary names stay scratch.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSaves, type Case, LESSON, TEXT } from "./editing.ts";

const NAMES = ["01-lesson.md", "02-lesson.md", "03-lesson.md"];
const FILES = Object.fromEntries(NAMES.map((name) => [name, `${TEXT}${name}`]));
const LARGE = Buffer.alloc(700_000, "0123456789abcdef\n");

/** Changes one file of a copy, then brings the copy's state back in. The lines say what else happens to the copy. */
function sync(options: string, changes: string): string {
  return `cp -a . "$HOME/copy"
cd "$HOME/copy"; ${changes}; cd "$OLDPWD"
rsync ${options} "$HOME/copy/" ./
# With --backup rsync itself leaves the directory a later time than it copies, on any file system.
touch -r "$HOME/copy" .
test -z "$(rsync -ai ${options.includes("--delete") ? "--delete" : ""} "$HOME/copy/" ./)"
test -z "$(rsync -ainc "$HOME/copy/" ./)"`;
}

const CHANGE = `echo more >> ${LESSON}; touch -d '2021-01-01 01:01:01.987654321' ${LESSON}`;
const UPDATE = { [LESSON]: ["update"] };

const cases: Case[] = [
  {
    title: "rsync -a writes .x.XXXXXX and renames it over",
    files: FILES,
    run: sync("-a", CHANGE),
    log: UPDATE,
  },
  {
    title: "rsync --inplace writes the file itself, then sets its time",
    files: FILES,
    run: sync("-a --inplace", CHANGE),
    log: { [LESSON]: ["update", "attributes"] },
  },
  {
    title: "rsync --inplace --no-whole-file sends only what differs",
    files: { [LESSON]: LARGE },
    run: sync(
      "-a --inplace --no-whole-file",
      `printf XXXX | dd of=${LESSON} bs=1 seek=300000 conv=notrunc status=none`,
    ),
    log: { [LESSON]: ["update", "attributes"] },
  },
  {
    title: "rsync of a large file with delta transfer",
    files: { [LESSON]: LARGE },
    run: sync(
      "-a --no-whole-file",
      `printf XXXX | dd of=${LESSON} bs=1 seek=300000 conv=notrunc status=none`,
    ),
    log: UPDATE,
  },
  {
    title: "rsync --delay-updates collects in .~tmp~ and moves all at the end",
    files: FILES,
    run: sync("-a --delay-updates", `${CHANGE}; echo new > 04-new.md`),
    log: { ...UPDATE, "04-new.md": ["create"] },
  },
  {
    title: "rsync --delete",
    files: FILES,
    run: sync("-a --delete", `rm 02-lesson.md; ${CHANGE}`),
    log: { "02-lesson.md": ["delete"], ...UPDATE },
  },
  {
    title: "rsync --backup keeps x~ as scratch",
    files: FILES,
    run: sync("-a --backup", CHANGE),
    log: UPDATE,
  },
  {
    title: "rsync --partial-dir",
    files: FILES,
    run: sync("-a --partial-dir=.rsync-partial~", CHANGE),
    log: UPDATE,
  },
  {
    title: "rsync --append",
    files: FILES,
    run: sync("-a --append", `echo more >> ${LESSON}`),
    log: { [LESSON]: ["update", "attributes"] },
  },
  {
    title: "rsync --chmod and -p: the executable bit goes along",
    files: FILES,
    run: sync("-a", `chmod 755 ${LESSON}`),
    log: { [LESSON]: ["attributes"] },
  },
  {
    title: "rsync of times only",
    files: FILES,
    run: sync("-a", `touch -d '2021-01-01 01:01:01.987654321' ${LESSON}`),
    log: { [LESSON]: ["attributes"] },
  },
  {
    title: "rsync -aHAX of what did not change moves nothing",
    files: FILES,
    run: sync("-aHAX", ":"),
    log: {},
  },
  {
    title: "rsync out of the mount: bytes and times exact, the second run finds nothing to do",
    files: FILES,
    run: `touch -d '2021-01-01 01:01:01.987654321' ${LESSON}
rsync -a ./ "$HOME/out/"
test -z "$(rsync -ai ./ "$HOME/out/")"; test -z "$(rsync -aic ./ "$HOME/out/")"
test "$(stat -c '%y %s %A' *.md)" = "$(cd "$HOME/out"; stat -c '%y %s %A' *.md)"`,
    log: { [LESSON]: ["attributes"] },
  },
  {
    title: "rsync killed in the middle leaves scratch and the old version; the next run ends it",
    files: { [LESSON]: LARGE },
    async run({ sh }) {
      await sh(`cp ${LESSON} "$HOME/new"; echo more >> "$HOME/new"`);
      const said = await sh(
        `timeout -s KILL 0.7 rsync -a --bwlimit=100 "$HOME/new" ${LESSON} || echo killed; sleep 0.3`,
      );
      assert.match(said, /killed/);
      await sh(
        `! cmp -s "$HOME/new" ${LESSON}; rsync -a "$HOME/new" ${LESSON}; cmp "$HOME/new" ${LESSON}; find . -name '.*' -type f -delete`,
      );
    },
    log: UPDATE,
  },
];

test("S1, I1: rsync: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
test("S1, I1: rsync: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", cases));
