// A repository in the mount: .git is scratch from first to last, and what git does to the lessons is what the log says.

import { test } from "node:test";
import { assertSaves, type Case } from "./editing.ts";

const INIT = `export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main . && git config core.autocrlf false && git add -A && git commit -qm first
clean() { test -z "$(git status --porcelain)"; git fsck --strict --no-progress 2>&1; }
clean`;
const FILES = { "01-a.md": "one\ntwo\nthree\n", "02-b.md": "b\r\n", "03-c.md": "c" };
const BRANCH = `${INIT}
git checkout -q -b other
echo changed >> 01-a.md; git rm -q 02-b.md; echo new > 04-d.md; git add -A; git commit -qm second`;
/** What {@link BRANCH} does. */
const BRANCHED = { "01-a.md": ["update"], "02-b.md": ["delete"], "04-d.md": ["create"] };

/** What happens when the log of what came before is continued. */
function then(...logs: Record<string, string[]>[]): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (const log of logs)
    for (const [path, operations] of Object.entries(log))
      result[path] = [...(result[path] ?? []), ...operations];
  return result;
}

/** A vacated path waits a second to be written again; git's next command must not be taken for that. */
const SETTLE = "sleep 2.1";

const cases: Case[] = [
  {
    title: "git init, add, commit, status, log, gc, fsck: nothing of it in the log",
    files: FILES,
    run: `${INIT}; git log --oneline > "$HOME/log"; git gc -q --aggressive --prune=now; git repack -adq; clean`,
    log: {},
  },
  {
    title: "git checkout there and back: an update, a create, a delete",
    files: FILES,
    run: `${BRANCH}; clean; ${SETTLE}; git checkout -q main; clean`,
    log: then(BRANCHED, { "01-a.md": ["update"], "02-b.md": ["create"], "04-d.md": ["delete"] }),
    moved: { "02-b.md": null },
  },
  {
    title: "git mv and checkout of a rename",
    files: FILES,
    run: `${INIT}; git mv 01-a.md 05-a.md; git commit -qm moved; clean`,
    log: { "01-a.md": ["rename"], "05-a.md": ["rename"] },
    moved: { "01-a.md": "05-a.md" },
  },
  {
    title: "git rebase, amend and reset: each version it goes through, and a clean end",
    files: FILES,
    run: `${INIT}; git checkout -q -b topic; echo t > 05-t.md; git add -A; git commit -qm topic
git checkout -q main; echo m >> 03-c.md; git commit -qam main
git checkout -q topic; git rebase -q main; git commit -q --amend -m again; clean; test -f 05-t.md; grep -q m 03-c.md`,
    log: "any",
  },
  {
    title: "git stash and stash pop",
    files: FILES,
    run: `${INIT}; echo more >> 01-a.md; git stash -q; clean; git stash pop -q; test "$(git status --porcelain)" = ' M 01-a.md'`,
    log: { "01-a.md": ["update", "update", "update"] },
  },
  {
    title: "git merge with a conflict, resolved",
    files: FILES,
    run: `${INIT}; git checkout -q -b left; sed -i s/two/LEFT/ 01-a.md; git commit -qam left; git checkout -q main; sed -i s/two/RIGHT/ 01-a.md; git commit -qam right
! git merge -q left > "$HOME/said"; grep -q '<<<<<<<' 01-a.md; git checkout -q --ours 01-a.md; git add 01-a.md; git commit -qm merged; clean`,
    log: { "01-a.md": ["update", "update", "update", "update", "update"] },
  },
  {
    title: "git reset --hard, restore, clean",
    files: FILES,
    run: `${INIT}; echo more >> 01-a.md; git restore 01-a.md; echo more >> 03-c.md; echo x > 06-x.md; git reset -q --hard; git clean -qfd; clean`,
    log: {
      "01-a.md": ["update", "update"],
      "03-c.md": ["update", "update"],
      "06-x.md": ["create", "delete"],
    },
  },
  {
    title: "git worktree and clone below a scratch directory: nothing of it is in the book",
    files: FILES,
    run: `${INIT}; git clone -q . .git/copy; cmp 01-a.md .git/copy/01-a.md; git worktree add -q .git/tree; clean; rm -rf .git/copy; git worktree remove --force .git/tree; git worktree prune; clean`,
    log: {},
  },
  {
    title: "git clone of a repository elsewhere into the mount",
    files: FILES,
    run: `${INIT}; git clone -q . "$HOME/copy"; mkdir 09-Clone; cd 09-Clone; git clone -q "$HOME/copy" .; test -z "$(git status --porcelain)"`,
    log: { "09-Clone/01-a.md": ["create"], "09-Clone/02-b.md": ["create"], "09-Clone/03-c.md": ["create"] },
  },
  {
    title: "rm -rf .git leaves the book as it is",
    files: FILES,
    run: `${INIT}; rm -rf .git`,
    log: {},
  },
];

test("S1, I1: git: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", cases));
test("S1, I1: git: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", [...cases.slice(0, 2), ...cases.slice(4, 5)]));
