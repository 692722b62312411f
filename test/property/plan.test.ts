// SC-007: whatever happened to a book, a plan lists exactly the files whose bytes are not what they were in the state that
// is planned against: found by comparing both states file by file.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { hash as sha256 } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { manifestHash } from "../../lib/manifest.ts";
import { isDirectory } from "../../lib/node.ts";
import { makePlan, type PlannedFile, type PlanQuery, planPages } from "../../lib/plan.ts";
import type { BlobHash, Seq } from "../../schema/ids.ts";
import { ALICE, BOOK, type BookFixture, EXCHANGE, withBook } from "../lib/book-fixture.ts";

/** A state that somebody built: its position, and the hash of each path. */
interface Built {
  readonly seq: Seq;
  readonly manifestHash: BlobHash;
  readonly files: ReadonlyMap<string, string>;
}

const directory = fc.constantFrom("d", "d-e", "e");
const path = fc.oneof(
  fc.constantFrom("a.md", "d.md", "é.md", "\u{1f600}.md", "\uff5e.md"),
  fc.tuple(directory, fc.constantFrom("a.md", "b.md", "sub/c.md")).map((names) => names.join("/")),
);
const step = fc.oneof(
  // Few texts: what is changed is often changed back.
  { weight: 4, arbitrary: fc.record({ write: path, text: fc.constantFrom("1", "2") }) },
  { weight: 2, arbitrary: fc.record({ remove: path }) },
  { weight: 2, arbitrary: fc.record({ move: fc.oneof(path, directory), to: fc.oneof(path, directory) }) },
  fc.record({ swap: fc.oneof(path, directory), with: fc.oneof(path, directory) }),
  fc.record({ touch: path, mode: fc.constantFrom(0o644, 0o755) }),
  { weight: 2, arbitrary: fc.record({ build: fc.constant(true) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Does what can be done; the rest of the steps are of no account. */
function run(book: BookFixture, each: Step): void {
  if ("write" in each) {
    const above = parentsOf(each.write);
    if (kindAt(book, each.write) === "directory" || above.some((at) => kindAt(book, at) === "file")) return;
    const parent = above.at(-1);
    if (parent !== undefined) book.makeDirectories(parent);
    book.write(each.write, each.text);
  } else if ("remove" in each) {
    if (kindAt(book, each.remove) === "file") book.unlink(each.remove);
  } else if ("touch" in each) {
    if (kindAt(book, each.touch) === "file")
      book.worktree.setAttributes(book.node(each.touch).fileId, { mode: each.mode }, ALICE);
  } else if ("move" in each) attempt(book, each.move, each.to);
  else if ("swap" in each) attempt(book, each.swap, each.with, EXCHANGE);
}

/** The directories that a path is in, from the outermost on. */
function parentsOf(at: string): string[] {
  const names = at.split("/").slice(0, -1);
  return names.map((_, depth) => names.slice(0, depth + 1).join("/"));
}

function attempt(book: BookFixture, from: string, to: string, flags?: typeof EXCHANGE): void {
  try {
    book.rename(from, to, flags);
  } catch (error) {
    // ENOENT, EISDIR, ENOTEMPTY, …: as rename(2) would have it. A missing directory on the way is the fixture's own error.
    const { code, message } = error as { code?: string; message: string };
    assert.ok(code !== undefined || message.startsWith("the test has no directory"), message);
  }
}

function kindAt(book: BookFixture, at: string): "file" | "directory" | undefined {
  let node = book.worktree.get(book.worktree.rootId);
  for (const name of at.split("/")) {
    if (node === undefined || !isDirectory(node.mode)) return undefined;
    node = book.worktree.lookup(node.fileId, name);
  }
  return node === undefined ? undefined : isDirectory(node.mode) ? "directory" : "file";
}

/** What is in the book, found by walking it and hashing the bytes. */
function filesOf(book: BookFixture, at = ""): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of book.list(at)) {
    const below = at === "" ? name : `${at}/${name}`;
    if (kindAt(book, below) === "directory")
      for (const [path, hash] of filesOf(book, below)) files.set(path, hash);
    else files.set(below, sha256("sha256", book.bytes(below), "hex"));
  }
  return files;
}

function comparedFully(target: ReadonlyMap<string, string>, current: ReadonlyMap<string, string>): object[] {
  return [...new Set([...target.keys(), ...current.keys()])]
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((path) => {
      const [old, now] = [target.get(path) ?? null, current.get(path) ?? null];
      const change = old === null ? "added" : now === null ? "deleted" : "modified";
      return { path, change, current_hash: now, target_hash: old };
    })
    .filter(({ current_hash, target_hash }) => current_hash !== target_hash);
}

function planned(book: BookFixture, query: PlanQuery, goThrough?: "paths"): PlannedFile[] {
  return [...planPages(book.library.store.database, query, goThrough)].flat();
}

test("SC-007: a plan lists what a full comparison finds, and nothing else; also after a restart, and from a later state to an earlier one", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      withBook((book) => {
        const built: Built[] = [];
        const build = (): void => {
          book.settle();
          const { hash, seq } = book.library.manifest(BOOK).tell();
          assert.equal(hash, manifestHash(book.library.store.database, BOOK, seq));
          built.push({ seq, manifestHash: hash, files: filesOf(book) });
        };
        build();
        for (const each of steps) {
          if ("build" in each) build();
          else run(book, each);
        }
        build();
        book.reopen();
        const current = built.at(-1) as Built;
        for (const target of built) {
          const { database } = book.library.store;
          const wanted = comparedFully(target.files, current.files);
          const { plan, query } = makePlan(database, BOOK, target.manifestHash, current);
          assert.deepEqual(plan, {
            status: wanted.length === 0 ? "unchanged" : "changed",
            manifest_hash: current.manifestHash,
          });
          assert.deepEqual(planned(book, query), wanted);
          assert.deepEqual(planned(book, query, "paths"), wanted, "the same when all paths are gone through");
          const back = makePlan(database, BOOK, current.manifestHash, target);
          assert.deepEqual(planned(book, back.query), comparedFully(current.files, target.files));
        }
        const all = makePlan(book.library.store.database, BOOK, "all", current);
        assert.deepEqual(planned(book, all.query), comparedFully(new Map(), current.files));
      });
    }),
    { numRuns: 100 },
  );
});
