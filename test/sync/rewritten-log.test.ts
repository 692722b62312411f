// R6: a store knows the shared log that it has pulled again. Who may write to the remote cannot rewrite it, with a chain that fits,
// without every store noticing that has had it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedLogOperations } from "../../lib/remote/remote-log.ts";
import { findRemote } from "../../lib/shared-rows.ts";
import { verifyRemote } from "../../lib/sync/verify-remote.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import { BOOK } from "../lib/book-fixture.ts";
import { readAll } from "../remote/log-fixture.ts";
import { hashOf } from "../remote/shared-rows.ts";
import { withFaults } from "../remote/with-faults.ts";
import { rewriteLog } from "./rewrite-log.ts";
import { assertSynced, SharedMachine } from "./shared-machine.ts";
import { SharedPlace } from "./shared-place.ts";

/** Two machines; alice has pushed three files, one by one, and bob has pulled them. */
async function withPair(
  work: (place: SharedPlace, alice: SharedMachine, bob: SharedMachine) => Promise<void>,
): Promise<void> {
  await SharedPlace.with(async (place) => {
    const machines: SharedMachine[] = [];
    try {
      for (const name of ["alice", "bob"])
        machines.push(await SharedMachine.make(name, place.log, place.blobs));
      const [alice, bob] = machines as [SharedMachine, SharedMachine];
      for (const name of ["a", "b", "c"]) {
        alice.save(`${name}.md`, name);
        await alice.sync();
      }
      await bob.sync();
      await work(place, alice, bob);
    } finally {
      for (const machine of machines) machine.take();
    }
  });
}

const byMallory = ({ seq }: SharedRow): Partial<SharedRow> => (seq === 1 ? { agent_id: "mallory" } : {});
const refusal = { code: "STORE_DAMAGED", message: /was rewritten/ };

function headOf(machine: SharedMachine) {
  const { pulledSeq, pulledHash } = findRemote(machine.library.store.database, BOOK) ?? {};
  return { pulledSeq, pulledHash };
}

test("R6: a rewritten log is refused by who pulled it and by who pushed it, whether or not something comes after", () =>
  withPair(async (place, alice, bob) => {
    await rewriteLog(place, byMallory);
    for (const machine of [alice, bob]) {
      const before = [machine.files(), headOf(machine)];
      await assert.rejects(machine.sync(), refusal);
      machine.save("mine.md", "mine");
      await assert.rejects(machine.sync(), refusal);
      assert.deepEqual(headOf(machine), before[1]);
      assert.equal(machine.outboxRows, 1, "nothing was sent");
    }
    const carl = await SharedMachine.make("carl", place.log, place.blobs);
    try {
      // Who has never seen it can only believe it.
      await carl.sync();
      carl.save("carl.md", "new");
      await carl.sync();
    } finally {
      carl.take();
    }
    const files = bob.files();
    await assert.rejects(bob.sync(), refusal);
    assert.deepEqual(bob.files(), files, "nothing was done");
  }));

test("R6: what was rewritten between a push's pull and its rows is refused by the next sync", () =>
  withPair(async (place, alice) => {
    alice.save("mine.md", "mine");
    alice.remoteLog = {
      ...withFaults(place.log, sharedLogOperations, () => undefined),
      append: async (...rows) => {
        await rewriteLog(place, byMallory);
        return await place.log.append(...rows);
      },
    };
    await assert.rejects(alice.sync(), refusal);
    alice.remoteLog = place.log;
    await assert.rejects(alice.sync(), refusal);
  }));

test("R6: a book that was shared no more for a while, and one that was begun as a clone, know the log, too", () =>
  withPair(async (place, _, bob) => {
    const carl = await SharedMachine.make("carl", place.log, place.blobs);
    try {
      const found = await place.log.findBook(BOOK);
      carl.library.followSnapshot(BOOK, { files: [], until: found?.head });
      const remote = { logUrl: "test:", blobsUrl: "test:", remoteId: "0".repeat(32) };
      await bob.fetchAll();
      bob.library.unshareBook(BOOK);
      bob.library.shareBook(BOOK, remote);
      for (const machine of [bob, carl]) {
        assert.deepEqual(headOf(machine), { pulledSeq: 3, pulledHash: found?.head.entryHash });
        await machine.sync();
      }
      await rewriteLog(place, byMallory);
      for (const machine of [bob, carl]) await assert.rejects(machine.sync(), refusal);
    } finally {
      carl.take();
    }
  }));

test("R6: a store from before learns from the next rows that it pulls or pushes which log it has", () =>
  withPair(async (place, alice, bob) => {
    for (const machine of [alice, bob])
      machine.library.store.database.exec("UPDATE remote SET pulled_hash = NULL");
    alice.save("d.md", "d");
    for (const machine of [alice, bob]) await machine.sync();
    const last = (await readAll(place.log, BOOK)).at(-1);
    for (const machine of [alice, bob])
      assert.deepEqual(headOf(machine), { pulledSeq: 4, pulledHash: last?.entry_hash });
    await assertSynced([alice, bob]);
  }));

test("R6: each page of a pull is held to the one before it", () =>
  withPair(async (place, alice, bob) => {
    for (let file = 0; file < 12; file++) alice.save(`${file}.md`, `${file}`);
    await alice.sync();
    const asked: (readonly [number, string | null | undefined])[] = [];
    bob.remoteLog = {
      ...withFaults(place.log, sharedLogOperations, () => undefined),
      rowsAfter: async (bookId, after, limit, knownHash) => {
        asked.push([after, knownHash]);
        return await place.log.rowsAfter(bookId, after, limit, knownHash);
      },
    };
    await bob.sync();
    const rows = await readAll(place.log, BOOK);
    const pulling = asked.filter(([, knownHash]) => knownHash !== undefined);
    assert.ok(pulling.length > 3);
    for (const [after, knownHash] of pulling) assert.equal(knownHash, rows[after - 1]?.entry_hash);
  }));

test("verify --remote, R6: a log that was rewritten is found, as are rows of this store with other bytes", () =>
  withPair(async (place, alice, bob) => {
    const messagesOf = async (machine: SharedMachine): Promise<string> =>
      await machine.withParts(async (parts) =>
        (await verifyRemote(parts)).findings.map(({ message }) => message).join("\n"),
      );
    for (const machine of [alice, bob]) assert.equal(await messagesOf(machine), "");
    await rewriteLog(place, byMallory);
    for (const machine of [alice, bob]) assert.match(await messagesOf(machine), /was rewritten: row 3/);
    await rewriteLog(place, ({ seq }) => (seq === 1 ? { agent_id: "alice", new_hash: hashOf("b") } : {}));
    for (const machine of [alice, bob])
      machine.library.store.database.exec("UPDATE remote SET pulled_hash = NULL");
    assert.match(await messagesOf(alice), /Row 1 of the shared log is said to be row 1 of this store/);
    assert.doesNotMatch(await messagesOf(bob), /is said to be row/);
  }));
