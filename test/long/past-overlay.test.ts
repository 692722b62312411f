// What users saw, kept after each operation and asked of the log at the end: random operations of the base and of users in nested
// directories. The past of a user must have exactly the files that the user's mount had: bytes, identity, mode, time.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isDirectory, type Node } from "../../lib/node.ts";
import { PastOverlay } from "../../lib/past/past-overlay.ts";
import { PastTree } from "../../lib/past/past-tree.ts";
import { rangeBelow } from "../../lib/past/past-view.ts";
import { userChangesBetween } from "../../lib/past/user-changes.ts";
import type { FileId, Seq, UserId } from "../../schema/ids.ts";
import { BOOK, type BookFixture, withBook } from "../lib/book-fixture.ts";
import { HIDING, Layers, REVERTING, type Step, step } from "../property/overlay-layers.ts";

/** What a user saw: each file by its path. */
type Files = Map<string, string>;

/** The last that was seen at a position stands: what changes nothing for anybody is in no log. */
type Seen = Map<UserId, Map<Seq, Files>>;

const SETTLE_EVERY = 4;

function tellNode({ hash, fileId, mode, size, mtimeSeconds, mtimeNanoseconds }: Node): string {
  return `${hash} ${fileId} ${mode.toString(8)} ${size} ${mtimeSeconds}.${mtimeNanoseconds}`;
}

function look(book: BookFixture, layers: Layers, seen: Seen): void {
  for (const user of [REVERTING, HIDING]) {
    const files: Files = new Map();
    for (const [path, text] of layers.files(user)) {
      const node = layers.of(user).node(path);
      assert.equal(node.hash, createHash("sha256").update(text, "latin1").digest("hex"));
      files.set(path, tellNode(node));
    }
    const positions = seen.get(user) ?? new Map<Seq, Files>();
    const seq = book.library.log.seq as Seq;
    const before = positions.get(seq);
    if (before !== undefined) assert.deepEqual(files, before, `${user} at ${seq}: nothing was logged`);
    seen.set(user, positions.set(seq, files));
  }
}

function check(steps: readonly Step[]): void {
  withBook((book) => {
    for (const directory of ["a/b", "b/b"]) book.makeDirectories(directory);
    for (const path of ["a/a", "a/b/a", "a/b/b", "b/a", "b/b/a"]) book.write(path, path);
    const layers = new Layers(book);
    const seen: Seen = new Map();
    for (const [index, one] of steps.entries()) {
      layers.run(one, index);
      if (index % SETTLE_EVERY === 0) layers.settle();
      if (!layers.isWaiting) look(book, layers, seen);
    }
    layers.closeAll();
    layers.settle();
    look(book, layers, seen);
    for (const [user, positions] of seen) compare(book, user, positions);
  });
}

function compare(book: BookFixture, user: UserId, positions: ReadonlyMap<Seq, Files>): void {
  const { store, blobs, books } = book.library;
  const past = new PastOverlay(store.database, BOOK, user);
  let before: { seq: Seq; files: Files } | undefined;
  for (const [seq, files] of positions) {
    const at = `${user} at ${seq}`;
    const tree = new PastTree({ store, blobs, book: books.get(BOOK), files: past, seq });
    assert.deepEqual(walk(tree, tree.rootId, ""), [...files].sort(), at);
    const listed = [...past.filesIn(rangeBelow(""), seq)];
    assert.deepEqual(listed.map(({ path }) => path).sort(), [...files.keys()].sort(), `${at}, as listed`);
    for (const file of listed) assert.deepEqual(past.file(file.path, seq), file, `${at}, by its path`);
    if (before !== undefined) {
      const query = { bookId: BOOK, userId: user, from: before.seq, to: seq, below: "" };
      const changed = [...userChangesBetween(store.database, query)].map(({ path }) => path);
      assert.deepEqual(changed, differing(before.files, files), `${at}, since ${before.seq}`);
    }
    before = { seq, files };
  }
}

function differing(before: Files, after: Files): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .sort();
}

function walk(tree: PastTree, directory: FileId, prefix: string): [string, string][] {
  const found: [string, string][] = [];
  tree.list(directory, 0, (name, node) => {
    assert.deepEqual(tree.lookup(directory, name), node);
    if (isDirectory(node.mode)) found.push(...walk(tree, node.fileId, `${prefix}${name}/`));
    else found.push([prefix + name, tellNode(node)]);
    return true;
  });
  return found.sort();
}

test("FR-018: what a user saw at a position is what the log says of it, whatever users and the base did", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: "max" }), (steps) => check(steps)),
    { numRuns: 100 },
  );
});
