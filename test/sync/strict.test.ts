// Strict changes (`sync=strict`), by the real code on a shared log in memory: a change stays once the shared log has it, whoever
// comes second is refused and keeps its bytes, and a process that ends in between leaves nothing that is not there.

import assert from "node:assert/strict";
import { hash as sha256 } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Deferred } from "../../lib/errands.ts";
import { StrictRefusal } from "../../lib/strict-change.ts";
import type { OpenFile } from "../../lib/worktree/open-file.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import { stepsOf, withSteps } from "../fault/step-hook.ts";
import { contentOf, EXCHANGE, layerOf, PLAIN_RENAME } from "../lib/book-fixture.ts";
import { assertConverged, Machine, settleAll } from "./machine.ts";
import { MemoryRemote } from "./memory-remote.ts";

const OLD = "one\n\ntwo\n\nthree\n";

/** Two machines with the same lesson; at the end all have the same, of which the shared log is the truth. */
async function withPair(use: (a: Machine, b: Machine) => Promise<void>): Promise<void> {
  const remote = new MemoryRemote();
  const machines = ["alice", "bob"].map((name) => new Machine(name, remote));
  const [a, b] = machines as [Machine, Machine];
  try {
    a.save("x", OLD);
    settleAll(machines);
    b.fetchAll();
    await use(a, b);
    settleAll(machines);
    await assertConverged(machines);
  } finally {
    for (const machine of machines) machine.take();
  }
}

function drafted(machine: Machine, path: string, text: string | Buffer): OpenFile {
  const file = machine.find(path) === undefined ? machine.create(path, machine.actor) : machine.open(path);
  file.truncate(0, machine.actor);
  file.write(0, Buffer.from(text), machine.actor);
  return file;
}

/** As close(2) on a strict mount. */
async function close(machine: Machine, file: OpenFile): Promise<void> {
  try {
    await machine.strictly(() => file.commit(machine.actor, { durable: false }));
  } finally {
    file.release(machine.actor);
  }
}

const save = (machine: Machine, path: string, text: string | Buffer): Promise<void> =>
  close(machine, drafted(machine, path, text));

const is = (code: string) => (error: unknown) => error instanceof PfsError && error.code === code;

function keptOn(machine: Machine): string[] {
  const { conflicts } = machine.worktree;
  return [...conflicts.ids(0)].map((id) => {
    const conflict = conflicts.get(id);
    assert.ok(conflict?.mine);
    return `${machine.library.blobs.readInline(conflict.mine, conflict.path)}`;
  });
}

const VERSIONS = [
  ["small", "mine\n"],
  ["large", Buffer.alloc(300_000, "large\n")],
] as const;

for (const [what, text] of VERSIONS) {
  for (const path of ["x", "made/new"])
    test(`strict: a ${what} save of ${path} is in the shared log when it is done, and waits in no outbox`, () =>
      withPair(async (a) => {
        a.makeDirectories("made");
        await save(a, path, text);
        assert.deepEqual(a.outbox, []);
        assert.deepEqual(readdirSync(join(a.directory, "drafts")), [], "what was carried is not left over");
        assert.equal(a.remote.rows.at(-1)?.path, path);
        assert.equal(a.files().get(path), a.remote.files("__base__").get(path));
        assert.deepEqual(a.bytes(path), Buffer.from(text));
      }));
}

test("SC-003: of two machines that save at the same moment one wins; the other is refused and its bytes are kept", () =>
  withPair(async (a, b) => {
    const file = drafted(b, "x", "bob's\n");
    b.race = () => save(a, "x", "alice's\n");
    await assert.rejects(close(b, file), is("CONFLICT"));
    assert.equal(a.text("x"), "alice's\n");
    b.fetchAll();
    assert.equal(b.text("x"), "alice's\n", "the other one is there at once");
    assert.deepEqual(keptOn(b), ["bob's\n"], "W2");
    assert.deepEqual(keptOn(a), []);
  }));

test("SC-003: what would merge is refused, too: a strict save is done as it is, or not at all", () =>
  withPair(async (a, b) => {
    const file = drafted(b, "x", OLD.replace("one", "ONE"));
    b.race = () => save(a, "x", OLD.replace("three", "THREE"));
    await assert.rejects(close(b, file), is("CONFLICT"));
    assert.equal(a.text("x"), OLD.replace("three", "THREE"));
    assert.deepEqual(keptOn(b), [OLD.replace("one", "ONE")]);
  }));

test("SC-003: two machines that make the same path: one has made it, the other is refused", () =>
  withPair(async (a, b) => {
    const file = drafted(b, "new", "bob's\n");
    b.race = () => save(a, "new", "alice's\n");
    await assert.rejects(close(b, file), is("CONFLICT"));
    b.fetchAll();
    assert.equal(b.text("new"), "alice's\n");
    assert.equal(b.node("new").fileId, a.node("new").fileId, "I1");
    assert.deepEqual(keptOn(b), ["bob's\n"]);
  }));

test("SC-003: of two that rename a new version over the same lesson, one wins; the other keeps its temporary file", () =>
  withPair(async (a, b) => {
    for (const machine of [a, b]) machine.write("x.tmp", machine.actor.agent, machine.actor);
    const rename = (machine: Machine) => machine.strictly(() => machine.rename("x.tmp", "x"));
    b.race = async () => void (await rename(a));
    await assert.rejects(rename(b), is("CONFLICT"));
    b.fetchAll();
    assert.equal(b.text("x"), "alice");
    assert.equal(b.text("x.tmp"), "bob");
    assert.equal(b.node("x").fileId, a.node("x").fileId, "I1");
    assert.equal(a.find("x.tmp"), undefined);
  }));

test("strict: hard-linked scratch that becomes a new lesson has one file id everywhere (I1)", () =>
  withPair(async (a, b) => {
    a.write("new.tmp", "linked\n", a.actor);
    a.link("new.tmp", "other.tmp");
    await a.strictly(() => a.rename("new.tmp", "new"));
    b.pull();
    assert.equal(b.node("new").fileId, a.node("new").fileId);
    assert.equal(a.text("other.tmp"), "linked\n");
  }));

test("strict: a rename with a draft under it, a whole directory, a truncation: each is there when it is done", () =>
  withPair(async (a, b) => {
    a.save("d/one", "1");
    a.save("d/two", "2");
    a.push();
    const file = drafted(a, "d/one", "draft\n");
    await a.strictly(() => a.rename("d/one", "moved"));
    file.release(a.actor);
    await a.strictly(() => a.rename("d", "e"));
    await a.strictly(() => a.worktree.setAttributes(a.node("moved").fileId, { size: 3 }, a.actor));
    assert.deepEqual(a.outbox, []);
    b.pull();
    b.fetchAll();
    assert.equal(b.text("moved"), "dra");
    assert.equal(b.text("e/two"), "2");
    assert.equal(b.find("d"), undefined);
    assert.equal(b.node("moved").mtimeNanoseconds, a.node("moved").mtimeNanoseconds);
  }));

test("strict, I1: what others put there of the same bytes is another file: it is not taken for the one that was renamed", () =>
  withPair(async (a, b) => {
    a.save("y", OLD);
    settleAll([a, b]);
    const [x, y] = [a.node("x").fileId, a.node("y").fileId];
    a.rename("x", "y", EXCHANGE, a.actor);
    a.push();
    await assert.rejects(
      b.strictly(() => b.rename("x", "moved", PLAIN_RENAME, b.actor)),
      is("CONFLICT"),
    );
    assert.deepEqual([b.node("x").fileId, b.node("y").fileId], [y, x]);
    await b.strictly(() => b.rename("x", "moved", PLAIN_RENAME, b.actor));
    a.pull();
    for (const machine of [a, b])
      assert.deepEqual([machine.node("moved").fileId, machine.node("y").fileId], [y, x]);
  }));

test("strict: what others changed and changed back is no conflict: nothing of it would be lost", () =>
  withPair(async (a, b) => {
    const file = drafted(b, "x", "bob's\n");
    b.race = async () => {
      await save(a, "x", "alice's\n");
      await save(a, "x", OLD);
    };
    await close(b, file);
    a.pull();
    a.fetchAll();
    assert.equal(a.text("x"), "bob's\n");
  }));

for (const fault of ["put", "append", "answer"] as const)
  test(`strict: the remote is gone (${fault}): the save is refused as UNAVAILABLE and kept, and the journal stays`, () =>
    withPair(async (a, b) => {
      const before = a.files();
      a.fault = fault;
      await assert.rejects(save(a, "x", "mine\n"), is("UNAVAILABLE"));
      assert.deepEqual(a.files(), before, "nothing of it is here");
      assert.deepEqual(keptOn(a), ["mine\n"], "W2");
      assert.equal(a.outbox.length, 1, "the refused row of the log alone");
      assert.equal(a.outbox[0]?.status, "refused");
      // Only where the answer was lost is it there, and comes from there.
      a.pull();
      a.fetchAll();
      assert.equal(a.text("x"), fault === "answer" ? "mine\n" : OLD);
      assert.deepEqual(keptOn(a), fault === "answer" ? [] : ["mine\n"], "it was saved, or it is kept");
      b.pull();
    }));

/** A save that the shared log has taken and that was refused, as its answer was lost. */
async function saveUnheard(machine: Machine, path: string, text: string | Buffer): Promise<void> {
  machine.fault = "answer";
  await assert.rejects(save(machine, path, text), is("UNAVAILABLE"));
  assert.notEqual(machine.worktree.conflicts.count, 0, "W2");
}

for (const [what, text] of VERSIONS)
  for (const path of ["x", "new"])
    test(`strict: a ${what} save of ${path} that was refused because its answer was lost ends its conflict when it comes back, whatever others made of it`, () =>
      withPair(async (a, b) => {
        await saveUnheard(a, path, text);
        b.pull();
        b.fetchAll();
        await save(b, path, "bob's, of hers\n");
        a.pull();
        a.fetchAll();
        assert.deepEqual(keptOn(a), [], "it was saved");
        assert.equal(a.text(path), "bob's, of hers\n");
        const told = a.log().filter((row) => row.path === path && row.status === "ok");
        assert.equal(told.at(-2)?.new_hash, sha256("sha256", text, "hex"), "hers is in the log");
      }));

test("strict: a refused save that did not come there stays a conflict, also when another save of the same bytes does", () =>
  withPair(async (a, b) => {
    a.fault = "append";
    await assert.rejects(save(a, "x", "mine\n"), is("UNAVAILABLE"));
    await save(b, "x", "mine\n");
    a.pull();
    assert.deepEqual(keptOn(a), ["mine\n"]);
    a.push();
    await saveUnheard(a, "other", "mine\n");
    assert.equal(a.worktree.conflicts.count, 2);
    a.pull();
    assert.deepEqual(keptOn(a), ["mine\n"], "that of the other path has ended");
  }));

test("strict: who has saved the refused version again before it came back meets no conflict with it", () =>
  withPair(async (a) => {
    await saveUnheard(a, "x", "mine\n");
    const [id] = a.worktree.conflicts.ids(0);
    a.worktree.resolveConflict(id as number, "mine", a.actor);
    a.pull();
    a.push();
    assert.equal(a.text("x"), "mine\n");
    assert.deepEqual(keptOn(a), []);
  }));

test("strict: renaming over a lesson while the remote is gone changes nothing, and the temporary file stays", () =>
  withPair(async (a) => {
    a.write("x.tmp", "mine\n", a.actor);
    a.fault = "append";
    await assert.rejects(
      a.strictly(() => a.rename("x.tmp", "x")),
      (error) => error instanceof StrictRefusal && error.code === "UNAVAILABLE",
    );
    assert.equal(a.text("x"), OLD);
    assert.equal(a.text("x.tmp"), "mine\n");
  }));

/** Up to where the shared log has the save, and nothing of it is here. */
async function taken(machine: Machine, file: OpenFile): Promise<() => void> {
  const change = machine.worktree.newStrictChange();
  const commit = () =>
    void machine.worktree.strictly(change, () => file.commit(machine.actor, { durable: false }));
  try {
    commit();
  } catch (error) {
    assert.ok(error instanceof Deferred && error.errand.type === "share");
    error.finish(await machine.share(error.errand.change));
    return commit;
  }
  assert.fail("it has not asked");
}

for (const [what, text] of VERSIONS) {
  test(`strict, O1, R2: a ${what} save that fails here at any step, once the shared log has it, is there once and no conflict`, async () => {
    let steps: string[] = [];
    await withPair(async (a) => {
      const file = drafted(a, "x", text);
      const commit = await taken(a, file);
      steps = stepsOf(commit);
      file.release(a.actor);
    });
    const end = steps.indexOf("transaction.committed");
    assert.ok(end > 4, `${steps}`);
    for (let at = 0; at < end; at++)
      await withPair(async (a, b) => {
        const before = a.files();
        const file = drafted(a, "x", text);
        const commit = await taken(a, file);
        const failure = new Error(`fails at ${steps[at]}`);
        const failing = () =>
          withSteps((_, index) => {
            if (index === at) throw failure;
          }, commit);
        assert.throws(failing, (error) => error === failure);
        assert.deepEqual(a.files(), before, "nothing of it is here");
        file.release(a.actor);
        for (const machine of [a, b]) {
          machine.pull();
          machine.push();
          machine.fetchAll();
          assert.deepEqual(machine.bytes("x"), Buffer.from(text), `failed at ${steps[at]}`);
          assert.deepEqual(keptOn(machine), []);
        }
      });
  });

  test(`strict, O1: a daemon killed once the shared log has a ${what} save has it back with the next pull`, () =>
    withPair(async (a) => {
      for (const path of ["x", "new"]) {
        await taken(a, drafted(a, path, text));
        a.reopen();
        assert.notDeepEqual(a.find(path) === undefined ? OLD : a.text(path), `${text}`);
        a.pull();
        a.fetchAll();
        assert.deepEqual(a.bytes(path), Buffer.from(text));
        assert.deepEqual(keptOn(a), []);
      }
    }));
}

test("strict: what another program writes into the file meanwhile is the next version, not a conflict", () =>
  withPair(async (a, b) => {
    const file = drafted(a, "x", "first\n");
    const other = a.open("x");
    a.whenAnswered = () => {
      a.whenAnswered = undefined;
      other.write(6, Buffer.from("second\n"), a.actor);
    };
    await close(a, file);
    b.pull();
    b.fetchAll();
    assert.equal(b.text("x"), "first\n", "what was acknowledged");
    assert.equal(`${contentOf(other)}`, "first\nsecond\n");
    await close(a, other);
    b.pull();
    b.fetchAll();
    assert.equal(b.text("x"), "first\nsecond\n");
    assert.deepEqual(keptOn(a), []);
  }));

test("strict: somebody here saves the lesson while the remote takes another save of it: both are there, none is lost", () =>
  withPair(async (a) => {
    const file = drafted(a, "x", OLD.replace("one", "ONE"));
    a.whenAnswered = () => {
      a.whenAnswered = undefined;
      // A program without a mount: the lesson's draft is not touched.
      const bytes = new Uint8Array(Buffer.from(OLD.replace("three", "THREE")));
      const hash = sha256("sha256", bytes, "hex") as BlobHash;
      a.worktree.write({ path: "x", hash, sizeBytes: bytes.byteLength, content: { bytes } }, {}, a.actor);
    };
    await close(a, file);
    a.pull();
    a.push();
    assert.equal(a.text("x"), OLD.replace("one", "ONE").replace("three", "THREE"));
  }));

test("strict: a user's overlay, and what it covers of the base", () =>
  withPair(async (a, b) => {
    const user = parseUserId("carol");
    const layer = layerOf(a, user);
    const file = layer.open("x");
    file.truncate(0, a.actor);
    file.write(0, Buffer.from("carol's\n"), a.actor);
    await a.strictly(() => file.commit(a.actor, { durable: false }), layer.worktree);
    file.release(a.actor);
    assert.deepEqual(a.outbox, []);
    b.pull();
    b.fetchAll();
    assert.equal(layerOf(b, user).text("x"), "carol's\n");
    assert.equal(b.text("x"), OLD, "R5");
  }));
