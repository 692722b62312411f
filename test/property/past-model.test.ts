// Whatever happens to a book, its past is what it was: each state that the journal went through is what the log shows at
// that position, file by file and walked as a tree.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { readLog } from "../../lib/history.ts";
import { Library } from "../../lib/library.ts";
import { isDirectory, type Node } from "../../lib/node.ts";
import { changesBetween } from "../../lib/past/changes.ts";
import { PastFiles } from "../../lib/past/past-files.ts";
import { PastTree } from "../../lib/past/past-tree.ts";
import { StoreReader } from "../../lib/reader.ts";
import { BASE, type BookId, type FileId, parseBookId, type Seq } from "../../schema/ids.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { KernelModel } from "./kernel-model.ts";
import { allOperations, BEGINNING } from "./tree-operations.ts";

/** Per path what the book keeps of a file, and its identity. */
type State = Map<string, string>;

class Rig {
  readonly #directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  readonly #library = Library.open(this.#directory);
  readonly #reader = StoreReader.openBeside(this.#directory);
  #runs = 0;

  check(operations: Parameters<KernelModel["run"]>[0][]): void {
    const bookId = parseBookId(`book-${++this.#runs}`);
    this.#library.createBook(bookId, builtInProfile("any"));
    const kernel = new KernelModel(this.#library.worktree(bookId), String);
    const states = new Map<Seq, State>([[this.#seq, new Map()]]);
    for (const operation of [...BEGINNING, ...operations]) {
      kernel.run(operation);
      const state = this.#journal(bookId);
      const known = states.get(this.#seq);
      if (known !== undefined) assert.deepEqual(state, known, "the journal moved without a row of the log");
      states.set(this.#seq, state);
    }
    kernel.leave();
    this.#library.store.rest();
    for (const [seq, state] of states) this.#checkPosition(bookId, seq, state);
    this.#checkChanges(bookId, [...states]);
    this.#checkHistories(bookId);
  }

  remove(): void {
    this.#reader.close();
    this.#library.close();
    rmSync(this.#directory, { recursive: true });
  }

  get #seq(): Seq {
    return this.#library.log.seq as Seq;
  }

  /** Vacated paths too: for the log they still have their file. */
  #journal(bookId: BookId): State {
    const rows = this.#library.store.database
      .prepare<unknown[], { path: string; text: string }>(
        `SELECT path, sha256 || ' ' || size || ' ' || mode || ' ' || mtime || ' ' || file_id AS text FROM file_journal
         WHERE book_id = ? ORDER BY path`,
      )
      .all(bookId);
    return new Map(rows.map(({ path, text }) => [path, text]));
  }

  #checkPosition(bookId: BookId, seq: Seq, state: State): void {
    const { store, blobs, books } = this.#library;
    const files = new PastFiles(store.database, bookId, BASE);
    const found = new Map<string, string>();
    for (const { path, sha256, sizeBytes, mode, mtime, fileId } of files.filesOf("", seq)) {
      const nanoseconds = BigInt(mtime.seconds) * 1_000_000_000n + BigInt(mtime.nanoseconds);
      found.set(path, `${sha256} ${sizeBytes} ${mode} ${nanoseconds} ${fileId}`);
    }
    assert.deepEqual(found, state, `position ${seq}`);
    const tree = new PastTree({ store, blobs, book: books.get(bookId), files, seq });
    assert.deepEqual(walk(tree), [...state.keys()].sort(), `position ${seq} as a tree`);
  }

  /** What the log says of each file that there is, across its renames, is all that it says of that file. */
  #checkHistories(bookId: BookId): void {
    const { database } = this.#library.store;
    const rowsOf = database
      .prepare<unknown[], number>(
        "SELECT seq FROM audit_log WHERE book_id = ? AND file_id = ? AND status = 'ok' ORDER BY seq DESC",
      )
      .pluck();
    for (const { path, fileId } of new PastFiles(database, bookId, BASE).filesOf("", this.#seq)) {
      const rows = [...readLog(this.#reader, { bookId, path, followRenames: true, status: "ok" })];
      const own = rows.filter((row) => row.file_id === fileId).map(({ seq }) => seq);
      assert.deepEqual(own, rowsOf.all(bookId, fileId), `the history of ${path}`);
    }
  }

  #checkChanges(bookId: BookId, states: readonly [Seq, State][]): void {
    const { database } = this.#library.store;
    for (const [index, [to, after]] of states.entries()) {
      const [from, before] = states[Math.floor(index / 2)]!;
      const changes = [...changesBetween(database, { bookId, layer: BASE, from, to })];
      const expected = [...new Set([...before.keys(), ...after.keys()])]
        .filter((path) => before.get(path) !== after.get(path))
        .sort();
      assert.deepEqual(
        changes.map(({ path }) => path),
        expected,
        `from ${from} to ${to}`,
      );
      for (const { path, before: old, after: current } of changes) {
        assert.equal(old?.sha256, before.get(path)?.split(" ")[0]);
        assert.equal(current?.sha256, after.get(path)?.split(" ")[0]);
      }
    }
  }
}

/** The paths of all files, found by listing; every name is looked up, too, and every id asked for. */
function walk(tree: PastTree, directory = tree.rootId, prefix = ""): string[] {
  const listed: [name: string, node: Node][] = [];
  let last = 0;
  tree.list(directory, 0, (name, node, cookie) => {
    assert.ok(cookie > last && cookie > 2 ** 32, "cookies ascend");
    last = cookie;
    return listed.push([name, node]) > 0;
  });
  const paths: string[] = [];
  for (const [name, node] of listed) {
    assert.deepEqual(tree.lookup(directory, name), node);
    assert.deepEqual(tree.get(node.fileId), node);
    assert.equal(node.parent, directory);
    if (!isDirectory(node.mode)) paths.push(prefix + name);
    else {
      assert.equal(tree.parentOf(node.fileId), directory);
      const below = walk(tree, node.fileId, `${prefix}${name}/`);
      assert.notEqual(below.length, 0, "directories of the past hold files");
      paths.push(...below);
    }
  }
  assert.equal(tree.lookup(directory, "no such name"), undefined);
  assert.throws(() => tree.lookup(1 as FileId, "x"), { code: "ENOENT" });
  return prefix === "" ? paths.sort() : paths;
}

test("time travel: every state that a book went through is what the log shows at its position", () => {
  const rig = new Rig();
  try {
    fc.assert(
      fc.property(allOperations, (operations) => rig.check(operations)),
      { numRuns: 60 },
    );
  } finally {
    rig.remove();
  }
});
