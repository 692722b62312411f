// What somebody who may write to the remote, and is no store of pfs, cannot do to a book.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { newFileId } from "../../schema/ids.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import { BOOK } from "../lib/book-fixture.ts";
import { Machine } from "./machine.ts";
import { MemoryRemote } from "./memory-remote.ts";

const TEXT = "theirs";
const HASH = hash("sha256", TEXT);

/** One machine, and rows that nobody has looked at. */
async function hostile(
  use: (machine: Machine, say: (...rows: Partial<SharedRow>[]) => void) => void,
  profile = "any",
) {
  const remote = new MemoryRemote();
  const machine = new Machine("bob", remote, { profile: builtInProfile(profile as "any") });
  let seq = 0;
  const say = (...rows: Partial<SharedRow>[]): void => {
    const page = rows.map((row) => ({ ...rowOf(++seq), ...row }));
    const found = machine.library.followRemote(BOOK, { rows: page });
    assert.equal(found.type, "applied");
  };
  try {
    use(machine, say);
    machine.remote.blobs.set(HASH, Buffer.from(TEXT));
    await machine.assertSound();
  } finally {
    machine.take();
  }
}

function rowOf(seq: number): SharedRow {
  return {
    ...{
      seq,
      timestamp: "2025-11-25T21:46:00.000Z",
      agent_id: "mallory",
      operation: "create",
      book_id: BOOK,
    },
    ...{ path: `file-${seq}.md`, user_id: "__base__", prev_hash: null, new_hash: HASH, status: "ok" },
    ...{ error_message: null, execution_time_ms: 1, file_id: newFileId(), prev_path: null },
    ...{ uid: 1, pid: 1, command: "evil", size: TEXT.length, mode: 0o100644, mtime: "1", base_hash: null },
    ...{ origin: "f".repeat(64), origin_seq: seq, entry_hash: "0".repeat(64) },
  };
}

const nobodys: readonly Partial<SharedRow>[] = [
  { path: "../x" },
  { path: "/x" },
  { path: ".pfs/x" },
  { path: ".x.swp" },
  { path: "a//b" },
  { path: "a\u0000b" },
  { path: "x".repeat(300) },
  { user_id: "__x" },
  { user_id: "../up" },
  { agent_id: "system" },
  { agent_id: "" },
  { mode: 0o104755 },
  { mode: null },
  { size: -1 },
  { size: null },
  { mtime: "1e9" },
  { mtime: "9".repeat(19) },
  { mtime: null },
  { new_hash: "xyz" },
  { file_id: 1 },
  { file_id: null },
  { operation: "hide", new_hash: null },
  { operation: "update", new_hash: null },
  { operation: "delete" },
];

test("R1, R7: rows that no store could have made are not done, told, and keep nobody from what comes after them", () =>
  hostile((machine, say) => {
    say(...nobodys, { path: "good.md" });
    assert.deepEqual([...machine.files().keys()], ["good.md"]);
    assert.equal(
      machine.worktree.refusals.list().reduce((sum, { count }) => sum + count, 0),
      nobodys.length,
    );
  }));

test("R1: a path outside of the book's schema is not entered", () =>
  hostile((machine, say) => {
    say({ path: "anywhere.md" }, { path: "static/img/a.png" });
    assert.deepEqual([...machine.files().keys()], ["static/img/a.png"]);
    assert.match(machine.worktree.refusals.list()[0]?.message ?? "", /no place in the book/);
  }, "strict"));

test("I1: a file id that something else has is not taken from it", () =>
  hostile((machine, say) => {
    machine.makeDirectory("part", machine.actor);
    machine.save("mine.md", "mine");
    const directory = machine.node("part").fileId;
    const mine = machine.node("mine.md").fileId;
    const { rootId } = machine.worktree;
    say(
      { path: "a.md", file_id: directory },
      { path: "b.md", file_id: rootId },
      { path: "c.md", file_id: mine },
    );
    const ids = ["part", "mine.md", "a.md", "b.md", "c.md"].map((path) => machine.node(path).fileId);
    assert.equal(new Set([...ids, rootId]).size, 6);
    assert.equal(machine.node("mine.md").fileId, mine);
    assert.equal(machine.node("part").fileId, directory);
  }));

test("rows that do not fit each other do no harm", () =>
  hostile((machine, say) => {
    const other = { file_id: newFileId() };
    say(
      { path: "a" },
      { path: "a/b.md" },
      { path: "a", operation: "update", prev_hash: "1".repeat(64), ...other },
      { path: "gone.md", operation: "delete", prev_hash: HASH, new_hash: null },
      { path: "b.md", operation: "rename", prev_path: "nowhere.md" },
      { path: "c.md", operation: "attributes", mode: 0o100755, ...other },
      { path: "b.md", operation: "create", ...other },
    );
    assert.deepEqual([...machine.files().keys()], ["a", "b.md", "c.md"]);
  }));

test("W2, O1: who says that a waiting change of this store was refused does not make it sent, nor lost to the next change", () =>
  hostile((machine, say) => {
    machine.save("mine.md", "mine");
    const [waiting] = machine.outbox;
    const { origin, origin_seq, path } = waiting as NonNullable<typeof waiting>;
    say({ origin, origin_seq, path, operation: "update", status: "refused", prev_hash: HASH });
    assert.deepEqual(
      machine.outbox.map((row) => `${row.origin_seq} ${row.path} ${row.status}`),
      [`${origin_seq} mine.md ok`],
    );
    const known = machine.library.store.database.prepare("SELECT count(*) FROM remote_blob").pluck().get();
    assert.equal(known, 0, "nor are bytes known to be there that a refusal names");
    say({ path });
    assert.equal(machine.node(path).hash, HASH);
    const kept = [...machine.worktree.conflicts.ids(0)].map((id) => machine.worktree.conflicts.get(id)?.mine);
    assert.deepEqual(kept, [hash("sha256", "mine")]);
  }));

test("rows that are missing are asked for", () =>
  hostile((machine) => {
    assert.throws(() => machine.library.followRemote(BOOK, { rows: [rowOf(2)] }), /missing after row 0/);
  }));

test("bytes that are on the remote only are UNAVAILABLE, and nothing is found wrong with them", () =>
  hostile((machine, say) => {
    say({ path: "a.md" });
    assert.throws(() => machine.text("a.md"), { code: "UNAVAILABLE" });
    assert.equal(machine.node("a.md").size, TEXT.length);
  }));
