// The tree of the past as a mount asks it: listings that go on anywhere, files large and small, and no way to change it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Library } from "../../lib/library.ts";
import { FileType } from "../../lib/node.ts";
import { PastFiles } from "../../lib/past/past-files.ts";
import { PastTree } from "../../lib/past/past-tree.ts";
import { Errno, PfsError } from "../../schema/errors.ts";
import { BASE, type FileId, type Seq } from "../../schema/ids.ts";
import { alice, BOOK, move, placeOf, remove, save, withStore } from "./test-store.ts";

function pastOf({ store, blobs, books, log }: Library, seq = log.seq): PastTree {
  return new PastTree({
    store,
    blobs,
    book: books.get(BOOK),
    files: new PastFiles(store.database, BOOK, BASE),
    seq: seq as Seq,
  });
}

function find(tree: PastTree, path: string): FileId {
  let at = tree.rootId;
  for (const name of path.split("/")) at = tree.lookup(at, name)!.fileId;
  return at;
}

function bytesOf(tree: PastTree, path: string): Buffer {
  const file = tree.open(find(tree, path));
  try {
    const bytes = Buffer.alloc(file.size);
    assert.equal(file.read(0, bytes), bytes.length);
    assert.equal(file.read(bytes.length, Buffer.alloc(1)), 0);
    return bytes;
  } finally {
    file.release();
  }
}

test("listing: each name once, files and directories, whichever pieces it is read in and wherever it goes on", async () => {
  await withStore("any", ({ worktree, library }) => {
    const names: string[] = [];
    for (let index = 0; index < 300; index++) {
      const name = `n${String(index).padStart(3, "0")}`;
      names.push(name);
      if (index % 3 === 0)
        for (const file of ["a", "b/c", "b/d"]) save(worktree, `top/${name}/${file}.md`, file);
      else save(worktree, `top/${name}`, name);
    }
    // What sorts around a directory's own paths must not hide it, nor be hidden.
    for (const name of ["n000 b", "n000-b", "n000.md", "n0000", "n00"]) {
      names.push(name);
      save(worktree, `top/${name}`, name);
    }
    names.sort();
    const tree = pastOf(library);
    const top = find(tree, "top");
    for (const piece of [1, 7, 127, 128, 129, 1000]) {
      const seen: string[] = [];
      for (let after = 0, more = true; more; ) {
        let left = piece;
        more = false;
        tree.list(top, after, (name, node, cookie) => {
          more = left-- === 0;
          if (more) return false;
          assert.ok(cookie > after && cookie > 2 ** 32);
          after = cookie;
          assert.equal(
            (node.mode & FileType.mask) === FileType.directory,
            /^n[0-9]{3}$/.test(name) && Number(name.slice(1)) % 3 === 0,
          );
          return seen.push(name) > 0;
        });
      }
      assert.deepEqual(seen.sort(), names, `in pieces of ${piece}`);
    }
    const tail: string[] = [];
    const fresh = pastOf(library);
    const freshTop = find(fresh, "top");
    fresh.list(freshTop, 2 ** 32 + 290, (name) => tail.push(name) > 0);
    assert.equal(tail.length, names.length - 290, "a listing that nobody began here goes on as well");
    assert.deepEqual(
      fresh.list(freshTop, 2 ** 32 + 5000, () => assert.fail()),
      undefined,
    );
  });
});

test("files are as they were: bytes large and small, mode, times, links, file ids; directories have the position's time", async () => {
  await withStore("any", ({ worktree, library }) => {
    const large = Buffer.alloc(300_000, "large");
    save(worktree, "d/small.md", "small");
    save(worktree, "d/large.bin", large);
    const { parent, name } = placeOf(worktree, "d/run.sh");
    save(worktree, "d/run.sh", "#!/bin/sh");
    const run = worktree.lookup(parent, name)!.fileId;
    worktree.setAttributes(run, { mode: 0o755, mtime: { seconds: -5, nanoseconds: 123_456_789 } }, alice);
    worktree.makeSymlink(parent, "link", Buffer.from("small.md"), alice);
    const seq = library.log.seq;
    const ids = new Map(
      ["small.md", "large.bin", "run.sh", "link"].map((each) => [
        each,
        worktree.lookup(parent, each)!.fileId,
      ]),
    );
    save(worktree, "d/small.md", "changed since");
    save(worktree, "d/large.bin", "small now");
    move(worktree, "d", "e");
    remove(worktree, "e/run.sh");

    const tree = pastOf(library, seq);
    assert.equal(bytesOf(tree, "d/small.md").toString(), "small");
    assert.ok(bytesOf(tree, "d/large.bin").equals(large));
    for (const [each, fileId] of ids) assert.equal(find(tree, `d/${each}`), fileId);
    const node = tree.get(find(tree, "d/run.sh"))!;
    assert.deepEqual(
      [node.mode, node.size, node.mtimeSeconds, node.mtimeNanoseconds, node.nlink],
      [0o100755, 9, -5, 123_456_789, 1],
    );
    assert.equal(Buffer.from(tree.readSymlink(find(tree, "d/link"))).toString(), "small.md");
    assert.throws(() => tree.readSymlink(find(tree, "d/small.md")), { errno: Errno.EINVAL });
    assert.throws(() => tree.open(find(tree, "d/link")), { errno: Errno.ENXIO });
    assert.throws(() => tree.open(find(tree, "d")), { errno: Errno.EISDIR });
    assert.throws(() => tree.open(77 as FileId), { errno: Errno.ENOENT });
    assert.throws(() => tree.list(find(tree, "d/small.md"), 0, () => true), { errno: Errno.ENOTDIR });
    assert.equal(tree.lookup(tree.rootId, "e"), undefined);
    const directory = tree.get(find(tree, "d"))!;
    const { timestamp } = library.store.database
      .prepare<unknown[], { timestamp: string }>("SELECT timestamp FROM audit_log WHERE seq = ?")
      .get(seq)!;
    assert.equal(directory.mtimeSeconds * 1000 + directory.mtimeNanoseconds / 1e6, Date.parse(timestamp));
    assert.equal(pastOf(library).lookup(tree.rootId, "d"), undefined, "a directory without files is none");
    assert.equal(
      find(pastOf(library, seq), "d"),
      directory.fileId,
      "its inode number is the same in every mount",
    );
  });
});

test("what a kernel forgot is forgotten, and found again by its name; handles share an open file", async () => {
  await withStore("any", ({ worktree, library }) => {
    save(worktree, "a.md", "text");
    const tree = pastOf(library);
    const id = find(tree, "a.md");
    const [one, other] = [tree.open(id), tree.open(id)];
    assert.equal(one, other);
    one.release();
    assert.equal(other.read(0, Buffer.alloc(4)), 4);
    assert.equal(other.seek(0, 4), 4);
    other.release();
    assert.notEqual(tree.open(id), one);
    tree.forget(id);
    tree.forget(tree.rootId);
    assert.equal(tree.get(id), undefined);
    assert.equal(find(tree, "a.md"), id);
    assert.equal(tree.parentOf(tree.rootId), tree.rootId);
    assert.equal(tree.parentOf(99 as FileId), undefined);
  });
});

test("READ_ONLY: nothing of the past can be changed", async () => {
  await withStore("any", ({ worktree, library }) => {
    save(worktree, "a.md", "text");
    const tree = pastOf(library);
    const file = tree.open(find(tree, "a.md"));
    const changes: (() => unknown)[] = [
      () => tree.create(),
      () => tree.makeNode(),
      () => tree.makeDirectory(),
      () => tree.makeSymlink(),
      () => tree.link(),
      () => tree.unlink(),
      () => tree.removeDirectory(),
      () => tree.rename(),
      () => tree.setAttributes(),
      () => tree.setXattr(),
      () => tree.removeXattr(),
      () => file.write(),
      () => file.truncate(),
      () => file.allocate(),
    ];
    for (const change of changes) {
      assert.throws(
        change,
        (error) => error instanceof PfsError && error.code === "READ_ONLY" && error.errno === Errno.EROFS,
      );
    }
    assert.equal(file.commit(), "unchanged");
    file.release();
    assert.deepEqual([tree.listXattrs(), tree.getXattr()], [[], undefined]);
    assert.ok(tree.space().blocks > 0);
  });
});
