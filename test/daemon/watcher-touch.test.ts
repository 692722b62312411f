// What comes from another machine is told to programs that watch a mount (inotify): where it only reads, and where it is a user's, too.

import assert from "node:assert/strict";
import { type FSWatcher, readFileSync, type WatchEventType, watch, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { eventually, LESSON, type Place, SAMPLE, withPlace } from "./harness.ts";

const ADDED = `${dirname(LESSON)}/99-new.md`;

/** `a` shares a book that `b` has; `a` has it mounted. */
async function withPair(use: (a: Place, b: Place) => Promise<void>): Promise<void> {
  await withPlace((a) =>
    withPlace(async (b) => {
      const remote = `file://${join(a.top, "remote")}`;
      await a.pfs("import", "my-book", SAMPLE);
      await a.pfs("remote", "add", "my-book", remote);
      await a.pfs("push", "my-book");
      await b.pfs("clone", remote, "my-book");
      await a.pfs("mount", "my-book", a.dir);
      await use(a, b);
    }),
  );
}

interface Heard {
  readonly dir: string;
  readonly ofFile: WatchEventType[];
  readonly ofDirectory: (string | null)[];
}

/** What inotify tells of the lesson, and of its directory. */
function listen(dir: string, watchers: FSWatcher[]): Heard {
  const heard: Heard = { dir, ofFile: [], ofDirectory: [] };
  watchers.push(
    watch(join(dir, LESSON), (event) => heard.ofFile.push(event)),
    watch(join(dir, dirname(LESSON)), (_event, name) => heard.ofDirectory.push(name)),
  );
  return heard;
}

test("inotify: what is pulled is told to who watches a file, or a directory, of a mount that only reads, and of a user's", () =>
  withPair(async (a, b) => {
    await b.pfs("mount", "my-book", b.dir, "-o", "ro");
    await b.pfs("mount", "my-book", b.otherDir, "-o", "user=alice");
    const watchers: FSWatcher[] = [];
    try {
      const listeners = [b.dir, b.otherDir].map((dir) => listen(dir, watchers));
      writeFileSync(join(a.dir, LESSON), "changed\n");
      for (const { dir, ofFile } of listeners) {
        await eventually(`the change is heard of in ${dir}`, () => ofFile.includes("change"));
        assert.equal(readFileSync(join(dir, LESSON), "utf8"), "changed\n");
      }
      writeFileSync(join(a.dir, ADDED), "new\n");
      for (const { dir, ofDirectory } of listeners) {
        await eventually(`the new file is heard of in ${dir}`, () => ofDirectory.includes("99-new.md"));
        assert.equal(readFileSync(join(dir, ADDED), "utf8"), "new\n");
      }
    } finally {
      for (const watcher of watchers) watcher.close();
    }
    // Being told changes nothing in the book.
    assert.equal((await b.pfs("log", "my-book", "--agent", "bob", "--json")).trim(), "");
  }));
