// What a push does when it cannot know how the remote is: others were there, or an append that was given up arrived after all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertConverged, Machine } from "./machine.ts";
import { Cut, MemoryRemote } from "./memory-remote.ts";

/** Two machines that have the same file. */
async function shared(use: (a: Machine, b: Machine, remote: MemoryRemote) => Promise<void>): Promise<void> {
  const remote = new MemoryRemote();
  const machines = ["alice", "bob"].map((name) => new Machine(name, remote)) as [Machine, Machine];
  try {
    const [a, b] = machines;
    a.save("a.md", "first");
    await a.pushAll();
    await b.pullAll();
    for (const machine of machines) machine.fetchAll();
    await use(a, b, remote);
    for (let round = 0; round < 2; round++) for (const machine of machines) await machine.pushAll();
    await assertConverged(machines);
    for (const machine of machines) {
      machine.assertRowsOnce();
      machine.assertNothingOverlooked();
    }
  } finally {
    for (const machine of machines) machine.take();
  }
}

test("W1: what others did is pulled before a push, though the bytes are what they were", () =>
  shared(async (a, b, remote) => {
    b.save("a.md", "bob's");
    b.race = async () => {
      a.save("a.md", "second");
      a.save("a.md", "first");
      await a.pushAll();
    };
    await b.pushAll();
    // Both edits of others, then bob's, which was made anew upon them; what he had done before that is there as refused.
    assert.deepEqual(
      remote.rows.map(({ agent_id, status }) => `${agent_id} ${status}`),
      ["alice ok", "alice ok", "alice ok", "bob refused", "bob ok"],
    );
  }));

test("I1: a file that others made anew with the same bytes is another file", () =>
  shared(async (a, b) => {
    b.save("a.md", "bob's");
    b.race = async () => {
      a.unlink("a.md", a.actor);
      a.settle();
      a.save("a.md", "first");
      await a.pushAll();
    };
    await b.pushAll();
    assert.equal(b.node("a.md").fileId, a.node("a.md").fileId);
  }));

test("O1: an append that arrives after it was given up, when its rows have been taken back here, is pulled", () =>
  shared(async (a, b, remote) => {
    for (const name of ["1", "2", "3", "4", "n"]) b.save(`${name}.md`, name);
    // In the next page, so that the rows before it fit without it.
    b.rename("n.md", "q.md", undefined, b.actor);
    b.race = async () => {
      a.save("q.md", "alice's");
      await a.pushAll();
    };
    b.fault = "late";
    await assert.rejects(b.pushAll(), Cut);
    await b.pushAll();
    const ofBob = remote.rows.filter(({ agent_id }) => agent_id === "bob");
    assert.deepEqual(
      ofBob.slice(0, 5).map(({ path, status }) => `${path} ${status}`),
      ["1.md ok", "2.md ok", "3.md ok", "4.md ok", "n.md ok"],
    );
  }));

test("B1: bytes that are on another book's remote are sent, as that may be another one", () =>
  shared(async (a, _, remote) => {
    a.save("same.md", "in two books");
    const [last] = a.outbox.slice(-1);
    a.library.store.database
      .prepare("INSERT INTO remote_blob (sha256, book_id) VALUES (?, 'other-book')")
      .run(last?.new_hash);
    // The remote refuses rows whose bytes are not there.
    await a.pushAll();
    assert.ok(remote.blobs.has(last?.new_hash ?? ""));
  }));
