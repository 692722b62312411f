// emacs, in a terminal and as a batch: lock links, auto-save files and backups stay scratch, a save is one update.

import { test } from "node:test";
import { assertSaves, type Case, type CasePlace, LESSON } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };

/** Changes the lesson and saves it, with settings made before it is read. */
function batch(settings: string): string {
  return `emacs -Q --batch --eval '(progn (setq ${settings}) (find-file "${LESSON}") (goto-char (point-max)) (insert "added") (save-buffer))' 2>&1`;
}

async function interactive({ terminal, sh }: CasePlace): Promise<void> {
  const emacs = await terminal(`emacs -nw -Q ${LESSON}`);
  await emacs.shows(/# Lesson/);
  await emacs.keys("M->");
  await emacs.type("one");
  await emacs.shows(/last lineone/);
  // The lock is a symbolic link to nowhere, and the text is safe before it is saved.
  await sh(`readlink '.#${LESSON}' | grep -q @`);
  await emacs.keys("M-x");
  await emacs.type("do-auto-save");
  await emacs.keys("Enter");
  await emacs.shows(/Auto-saving\.\.\.done/);
  await sh(`grep -q 'last lineone' '#${LESSON}#'`);
  await emacs.keys("C-x", "C-s");
  await emacs.shows(/Wrote /);
  await emacs.type("two");
  await emacs.keys("C-x", "C-s");
  await emacs.shows(/linetwo|onetwo/);
  await emacs.shows(/Wrote /);
  await emacs.keys("C-x", "C-c");
  await emacs.ended();
}

async function crash({ terminal, sh }: CasePlace): Promise<void> {
  const emacs = await terminal(`emacs -nw -Q ${LESSON}`);
  await emacs.shows(/# Lesson/);
  await emacs.keys("M->");
  await emacs.type("unsaved");
  await emacs.keys("M-x");
  await emacs.type("do-auto-save");
  await emacs.keys("Enter");
  await emacs.shows(/Auto-saving\.\.\.done/);
  process.kill(await emacs.pid(), "SIGKILL");
  await emacs.ended();
  await sh(
    `rm '.#${LESSON}'; emacs -Q --batch --eval '(progn (require (quote cl-lib)) (cl-letf (((symbol-function (quote yes-or-no-p)) (lambda (&rest _) t))) (recover-file "${LESSON}") (save-buffer)))' 2>&1`,
  );
  await sh(`grep -q unsaved ${LESSON}`);
}

const cases: Case[] = [
  {
    title: "emacs as it comes: lock, auto-save, backup by renaming; two saves, two updates",
    run: interactive,
    log: { [LESSON]: ["update", "update"] },
  },
  {
    title: "emacs killed with -9 leaves an auto-save file, recovering from it is one update",
    run: crash,
    log: UPDATE,
  },
  {
    title: "emacs with backups by renaming saves as one update",
    run: batch("make-backup-files t"),
    log: UPDATE,
  },
  {
    title: "emacs with backup-by-copying saves as one update",
    run: batch("backup-by-copying t"),
    log: UPDATE,
  },
  { title: "emacs with numbered backups saves as one update", run: batch("version-control t"), log: UPDATE },
  { title: "emacs without backups saves as one update", run: batch("make-backup-files nil"), log: UPDATE },
  {
    title: "emacs with file-precious-flag writes a temporary file and renames it: one update",
    run: batch("file-precious-flag t"),
    log: UPDATE,
  },
  {
    title: "emacs with write-region-inhibit-fsync off syncs, too: one update",
    run: batch("write-region-inhibit-fsync nil"),
    log: UPDATE,
  },
  {
    title: "emacs makes a new file: one create",
    run: `emacs -Q --batch --eval '(progn (find-file "02-new.md") (insert "new") (save-buffer))' 2>&1`,
    log: { "02-new.md": ["create"] },
  },
  {
    title: "emacs renames a file in dired: the file keeps its identity",
    run: `emacs -Q --batch --eval '(progn (dired ".") (dired-rename-file (expand-file-name "${LESSON}") (expand-file-name "02-renamed.md") nil))' 2>&1`,
    log: { [LESSON]: ["rename"], "02-renamed.md": ["rename"] },
    moved: { [LESSON]: "02-renamed.md" },
  },
];

test("S1, I1: emacs: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
test("S1, I1: emacs: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(
    t,
    "strict",
    cases.filter(({ title }) => /as it comes|copying|precious/.test(title)),
  ));
