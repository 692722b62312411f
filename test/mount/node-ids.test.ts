// Node ids: the kernel's names for files go on meaning the same objects, whatever the book calls them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NO_FILE, NodeIds } from "../../mount/node-ids.ts";
import { type FileId, newFileId, parseFileId } from "../../schema/ids.ts";
import "../property-seed.ts";

const ROOT = parseFileId(2 ** 40);
const [LESSON, SCRATCH, ORPHAN] = [1, 2, 3].map((n) => parseFileId(2 ** 33 + n)) as [FileId, FileId, FileId];

function known(...fileIds: FileId[]): NodeIds {
  const ids = new NodeIds(ROOT);
  for (const fileId of fileIds) ids.remember(ids.nodeidOf(fileId));
  return ids;
}

test("I1: a node id is the file id itself, and 1 the root", () => {
  const ids = known(LESSON);
  assert.equal(ids.nodeidOf(LESSON), LESSON);
  assert.equal(ids.fileIdOf(LESSON), LESSON);
  assert.equal(ids.nodeidOf(ROOT), 1);
  assert.equal(ids.fileIdOf(1), ROOT);
});

test("I1: after scratch was renamed over a lesson, the kernel's scratch node means the lesson", () => {
  const ids = known(LESSON, SCRATCH);
  ids.apply([
    { from: SCRATCH, to: LESSON },
    { from: LESSON, to: ORPHAN },
  ]);
  assert.equal(ids.fileIdOf(SCRATCH), LESSON);
  assert.equal(ids.nodeidOf(LESSON), SCRATCH);
  assert.equal(ids.fileIdOf(LESSON), ORPHAN);
  assert.equal(ids.knownNodeid(ORPHAN), LESSON);
});

test("I1: two files that trade identities trade node ids", () => {
  const ids = known(LESSON, SCRATCH);
  ids.apply([
    { from: SCRATCH, to: LESSON },
    { from: LESSON, to: SCRATCH },
  ]);
  assert.deepEqual([ids.fileIdOf(SCRATCH), ids.fileIdOf(LESSON)], [LESSON, SCRATCH]);
  assert.deepEqual([ids.nodeidOf(LESSON), ids.nodeidOf(SCRATCH)], [SCRATCH, LESSON]);
});

test("I1: a node whose file went to another node, with no file left for it, means none", () => {
  const ids = known(LESSON, SCRATCH);
  ids.apply([{ from: SCRATCH, to: LESSON }]);
  assert.equal(ids.fileIdOf(LESSON), NO_FILE);
  assert.equal(ids.forget(LESSON, 1), undefined);
});

test("I1: a file whose own number means another file is told under a fresh one, until all is forgotten", () => {
  const ids = known(LESSON);
  // The lesson was moved to a scratch name, then a new file was made under its path with its file id.
  ids.apply([{ from: LESSON, to: SCRATCH }]);
  const fresh = ids.nodeidOf(LESSON);
  assert.notEqual(fresh, LESSON);
  assert.equal(ids.fileIdOf(fresh), LESSON);
  ids.remember(fresh);
  assert.equal(ids.forget(LESSON, 1), SCRATCH);
  assert.equal(ids.nodeidOf(LESSON), fresh, "the kernel still knows it by that number");
  assert.equal(ids.forget(fresh, 1), LESSON);
  assert.equal(ids.nodeidOf(LESSON), LESSON);
});

test("FORGET counts: a node is forgotten when every lookup was taken back", () => {
  const ids = known(LESSON, LESSON, LESSON);
  assert.equal(ids.forget(LESSON, 2), undefined);
  assert.equal(ids.knownNodeid(LESSON), LESSON);
  assert.equal(ids.forget(LESSON, 1), LESSON);
  assert.equal(ids.knownNodeid(LESSON), undefined);
  assert.equal(ids.knownNodeid(ROOT), 1, "the root is always known");
});

test("identities of files that this kernel does not know change nothing", () => {
  const ids = known(LESSON);
  ids.apply([{ from: SCRATCH, to: ORPHAN }]);
  assert.equal(ids.nodeidOf(ORPHAN), ORPHAN);
});

test("pages that others made stale are stale until the kernel has been told as often as there was something to tell", () => {
  const ids = known(LESSON);
  assert.equal(ids.isStale(LESSON), false);
  ids.markStale(LESSON);
  ids.markStale(LESSON);
  ids.markTold(LESSON);
  assert.equal(ids.isStale(LESSON), true);
  ids.forget(LESSON, 1);
  assert.equal(ids.isStale(LESSON), true, "another lookup of it may come before that");
  ids.markTold(LESSON);
  assert.equal(ids.isStale(LESSON), false);
});

test("I1: whatever identities are applied, every known node means one file and every file has one node", () => {
  const swaps = fc.array(fc.tuple(fc.nat(7), fc.nat(7), fc.boolean()), { maxLength: 40 });
  fc.assert(
    fc.property(swaps, (steps) => {
      const files = Array.from({ length: 8 }, () => newFileId());
      const ids = known(...files);
      // The model: what each of the kernel's nodes, named by its first file id, means now.
      const meaning = new Map<number, FileId>(files.map((fileId) => [fileId, fileId]));
      for (const [a, b, replaces] of steps) {
        const [from, to] = [meaning.get(files[a] as FileId), meaning.get(files[b] as FileId)] as [
          FileId,
          FileId,
        ];
        if (from === to) continue;
        const identities = [
          { from, to },
          { from: to, to: replaces ? newFileId() : from },
        ];
        ids.apply(identities);
        for (const [nodeid, fileId] of [...meaning]) {
          meaning.set(nodeid, identities.find((identity) => identity.from === fileId)?.to ?? fileId);
        }
      }
      for (const [nodeid, fileId] of meaning) {
        assert.equal(ids.fileIdOf(nodeid), fileId);
        assert.equal(ids.nodeidOf(fileId), nodeid);
      }
      for (const fileId of [...meaning.values()]) assert.ok(ids.forget(ids.nodeidOf(fileId), 1) === fileId);
      assert.equal(ids.knownCount, 0);
    }),
  );
});
