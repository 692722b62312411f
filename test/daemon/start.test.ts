// What `npm start` shows a newcomer, and that it can be killed and started again.

import assert from "node:assert/strict";
import { appendFile, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { LESSON, ROOT, type Running, withPlace } from "./harness.ts";

const START = join(ROOT, "daemon/start.ts");

test("npm start imports and mounts the sample book, says what to try, tells saves; Ctrl-C unmounts; kill -9 loses nothing", () =>
  withPlace(async ({ top, pfs, start: startWith, env }) => {
    const book = join(top, "mount");
    env.PFS_MOUNT = book;
    const start = (): Running => startWith(START);
    const first = start();
    await first.until(/Ctrl-C unmounts the book\./);
    const told = first.stdout.join("\n");
    assert.match(told, / imported +\S+sample-book into sample-book: 40 created/);
    assert.match(told, / mounted +sample-book on /);
    assert.match(told, /npx pfs .*log +who saved what/);
    assert.deepEqual((await readdir(book)).sort(), [".pfs", "content", "static"]);
    await appendFile(join(book, LESSON), "kept\n");
    await first.until(/ saved +content\/\S+why-plain-text\.md /);
    await assert.rejects(writeFile(join(book, "notes.txt"), ""), { code: "EINVAL" });
    await first.until(/ refused +notes\.txt /);

    first.child.kill("SIGKILL");
    assert.equal(await first.exit, "SIGKILL");
    assert.equal(await mountState(book), "stale");
    const second = start();
    await second.until(/Ctrl-C unmounts the book\./);
    assert.doesNotMatch(second.stdout.join("\n"), /imported/);
    assert.match(await readFile(join(book, LESSON), "utf8"), /kept\n$/);
    // As npm does: what the terminal has sent already, it sends once more.
    second.child.kill("SIGINT");
    second.child.kill("SIGINT");
    assert.equal(await second.exit, 0);
    assert.equal(await mountState(book), "none");
    assert.match(await pfs("verify"), /^The store is sound/);
  }));
