// Which position a reference means, what a manifest is, and that the time of a row never lies in the middle of a change.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { manifestHash, manifestLines, rememberManifest } from "../../lib/manifest.ts";
import { resolveReference, timeOf } from "../../lib/past/position.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, Seq } from "../../schema/ids.ts";
import { parseBookId } from "../../schema/ids.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { BOOK, move, remove, save, type TestStore, withStore } from "./test-store.ts";

function refusal(code: string, message: RegExp, hint: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PfsError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
    return true;
  };
}

const resolver =
  ({ reader }: TestStore) =>
  (text: string, nowMs?: number): Seq =>
    resolveReference(reader.database, BOOK, text, nowMs);

test("a position is itself up to the end of the log; 0 is the empty book", async () => {
  await withStore("any", (store) => {
    const resolve = resolver(store);
    save(store.worktree, "a.md", "1");
    save(store.worktree, "a.md", "2");
    assert.deepEqual([resolve("0"), resolve("1"), resolve("2")], [0, 1, 2]);
    assert.throws(
      () => resolve("3"),
      refusal(
        "NOT_FOUND",
        /^The book my-book has no state 3\.$/,
        /^Its log goes from position 1 \(.*Z\) to 2 \(.*Z\)\.$/,
      ),
    );
  });
});

test("a time means the last row until then; before the book began and in the future there is none", async () => {
  await withStore("any", async (store) => {
    const resolve = resolver(store);
    const other = parseBookId("other-book");
    store.library.createBook(other, builtInProfile("any"));
    save(store.library.worktree(other), "x.md", "of another book");
    await sleep(5);
    save(store.worktree, "a.md", "1");
    await sleep(5);
    save(store.worktree, "a.md", "2");
    const { database } = store.reader;
    const [first, second, third] = [1, 2, 3].map((seq) => Date.parse(timeOf(database, seq as Seq)!)) as [
      number,
      number,
      number,
    ];
    const iso = (ms: number): string => new Date(ms).toISOString();
    assert.equal(resolve(iso(third)), 3);
    assert.equal(resolve(iso(third - 1)), 2);
    assert.equal(resolve(iso(second)), 2);
    assert.equal(resolve("0s", third + 10), 3);
    assert.equal(resolve("10s", third + 9_999), 2);
    assert.throws(() => resolve(iso(second - 1)), refusal("NOT_FOUND", /no state/, /from position 2 /));
    assert.throws(() => resolve(iso(first)), refusal("NOT_FOUND", /no state/, /from position 2 /));
    assert.throws(() => resolve("2100-01-01"), refusal("NOT_FOUND", /no state 2100-01-01/, /to 3 /));
    assert.throws(() => resolve("9w"), refusal("NOT_FOUND", /no state 9w/, /from position 2 /));
  });
});

test("manifest: sorted bytewise, a line for each file of the base; its hash is that of exactly these bytes", async () => {
  await withStore("any", ({ worktree, reader, library }) => {
    for (const path of ["b.md", "a/z.md", "a-b.md", "a.md", "\u{1f600}.md", "\uffee.md"])
      save(worktree, path, path);
    move(worktree, "b.md", "B.md");
    remove(worktree, "a.md");
    const seq = library.log.seq as Seq;
    const lines = [...manifestLines(reader.database, BOOK, seq)];
    const paths = ["B.md", "a-b.md", "a/z.md", "\uffee.md", "\u{1f600}.md"];
    const line = (path: string): string => `${path}:${hash("sha256", path === "B.md" ? "b.md" : path)}`;
    assert.deepEqual(lines, paths.map(line));
    assert.equal(
      manifestHash(reader.database, BOOK, seq),
      hash("sha256", lines.map((each) => `${each}\n`).join("")),
    );
    assert.equal(manifestHash(reader.database, BOOK, 0 as Seq), hash("sha256", ""));
  });
});

test("a manifest hash that was told is found by its first eight digits, of two equal states the later", async () => {
  await withStore("any", (store) => {
    const { worktree, reader, library } = store;
    const resolve = resolver(store);
    const tell = (seq: number): BlobHash => {
      const told = manifestHash(reader.database, BOOK, seq as Seq);
      rememberManifest(library.store, BOOK, { manifestHash: told, seq: seq as Seq });
      return told;
    };
    save(worktree, "a.md", "1");
    save(worktree, "a.md", "2");
    save(worktree, "a.md", "1");
    const second = tell(2);
    assert.equal(resolve(second), 2);
    assert.equal(resolve(second.slice(0, 8)), 2);
    const first = manifestHash(reader.database, BOOK, 1 as Seq);
    assert.throws(() => resolve(first), refusal("NOT_FOUND", /no state/, /once `pfs manifest` has shown it/));
    assert.equal(tell(3), first);
    tell(1);
    assert.equal(resolve(first.slice(0, 12)), 3);
  });
});

test("a reference that may mean two states is refused, naming both", async () => {
  await withStore("any", (store) => {
    const { worktree, library } = store;
    const resolve = resolver(store);
    for (let count = 0; count < 3; count++) save(worktree, "a.md", String(count));
    for (const [seq, last] of [
      [1, "0"],
      [2, "1"],
    ] as const) {
      const manifest = `0123456789${"f".repeat(53)}${last}` as BlobHash;
      rememberManifest(library.store, BOOK, { manifestHash: manifest, seq: seq as Seq });
    }
    assert.throws(
      () => resolve("0123456789"),
      refusal(
        "USAGE",
        /^0123456789 may be the manifest 0123456789ffff… \(position 1\) or .*\(position 2\)\.$/,
        /more digits/,
      ),
    );
    rememberManifest(library.store, BOOK, {
      manifestHash: `00000002${"e".repeat(56)}` as BlobHash,
      seq: 1 as Seq,
    });
    assert.throws(
      () => resolve("00000002"),
      refusal("USAGE", /may be position 2 of the log or the manifest/, /digits/),
    );
  });
});

test("all rows of one change have one time, so that no time lies in its middle", async () => {
  await withStore("any", ({ worktree, reader }) => {
    for (let count = 0; count < 300; count++) save(worktree, `d/${count}.md`, "x");
    const before = reader.head().seq;
    move(worktree, "d", "e");
    const times = reader.database
      .prepare("SELECT count(*) AS rows, count(DISTINCT timestamp) AS times FROM audit_log WHERE seq > ?")
      .get(before);
    assert.deepEqual(times, { rows: 600, times: 1 });
  });
});

test("in the log a name is a file or a directory, never both: what was removed there is settled first", async () => {
  await withStore("any", ({ worktree, reader }) => {
    const story = (): string[] =>
      reader.database
        .prepare<[], string>("SELECT operation || ' ' || path FROM audit_log ORDER BY seq")
        .pluck()
        .all();
    save(worktree, "a", "a file");
    const { rootId } = worktree;
    const actor = { agent: "bob" as never, uid: 0, gid: 0, pid: 1, command: () => "rm", origin: undefined };
    worktree.unlink(rootId, "a", actor);
    save(worktree, "a/x.md", "in a directory of the same name");
    assert.deepEqual(story(), ["create a", "delete a", "create a/x.md"]);
    const directory = worktree.lookup(rootId, "a")!.fileId;
    worktree.unlink(directory, "x.md", actor);
    worktree.removeDirectory(rootId, "a", actor);
    save(worktree, "a", "a file again");
    assert.deepEqual(story().slice(3), ["delete a/x.md", "create a"]);
  });
});
