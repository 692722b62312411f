// What users saw, kept while it happens and asked of the log at the end: random operations of the base and of users in nested
// directories, at every position that was looked at.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isDirectory } from "../../lib/node.ts";
import { PastOverlay } from "../../lib/past/past-overlay.ts";
import { PastTree } from "../../lib/past/past-tree.ts";
import { rangeBelow } from "../../lib/past/past-view.ts";
import type { FileId, Seq, UserId } from "../../schema/ids.ts";
import { BOOK, type BookFixture, withBook } from "../lib/book-fixture.ts";
import { HIDING, Layers, REVERTING, type Step, step } from "./overlay-layers.ts";

interface Seen {
  readonly user: UserId;
  readonly seq: Seq;
  /** Hash and file id by path. */
  readonly files: Map<string, string>;
}

const LOOK_EVERY = 3;

function look(book: BookFixture, layers: Layers): Seen[] {
  layers.settle();
  return [REVERTING, HIDING].map((user) => {
    const files = new Map<string, string>();
    for (const [path, text] of layers.files(user)) {
      const node = layers.of(user).node(path);
      assert.equal(node.hash, createHash("sha256").update(text, "latin1").digest("hex"));
      files.set(path, `${node.hash} ${node.fileId}`);
    }
    return { user, seq: book.library.log.seq as Seq, files };
  });
}

function check(steps: readonly Step[]): void {
  withBook((book) => {
    for (const directory of ["a/b", "b/b"]) book.makeDirectories(directory);
    for (const path of ["a/a", "a/b/a", "a/b/b", "b/a", "b/b/a"]) book.write(path, path);
    const layers = new Layers(book);
    const seen: Seen[] = [];
    for (const [index, one] of steps.entries()) {
      // What is written and not saved shows, and is in no log.
      if (one.do !== "open" && one.do !== "close") layers.run(one, index);
      if (index % LOOK_EVERY === 0) seen.push(...look(book, layers));
    }
    seen.push(...look(book, layers));
    for (const one of seen) compare(book, one);
  });
}

function compare({ library: { store, blobs, books } }: BookFixture, { user, seq, files }: Seen): void {
  const { database } = store;
  const rowsOf = database.prepare("SELECT 1 FROM audit_log WHERE file_id = ? AND user_id = ? AND seq <= ?");
  const past = new PastOverlay(database, BOOK, user);
  const found = new Map<string, string>();
  for (const file of past.filesIn(rangeBelow(""), seq)) {
    const { path, sha256, fileId } = file;
    assert.deepEqual(past.file(path, seq), file);
    found.set(path, `${sha256} ${fileId}`);
    // What the base made in a directory that the user does not see, or has one of the own in place of.
    const isUnknown = !files.has(path) && rowsOf.get(fileId, user, seq) === undefined;
    if (isUnknown) files.set(path, `${sha256} ${fileId}`);
  }
  assert.deepEqual([...found].sort(), [...files].sort(), `${user} at ${seq}`);
  const tree = new PastTree({ store, blobs, book: books.get(BOOK), files: past, seq });
  assert.deepEqual(walk(tree, tree.rootId, ""), [...files.keys()].sort(), `${user} at ${seq}, as a tree`);
}

function walk(tree: PastTree, directory: FileId, prefix: string): string[] {
  const paths: string[] = [];
  tree.list(directory, 0, (name, node) => {
    assert.deepEqual(tree.lookup(directory, name), node);
    paths.push(...(isDirectory(node.mode) ? walk(tree, node.fileId, `${prefix}${name}/`) : [prefix + name]));
    return true;
  });
  return paths.sort();
}

test("FR-018: what a user saw at a position is what the log says of it, whatever users and the base did", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: "max" }), (steps) => check(steps)),
    { numRuns: 50 },
  );
});
