// Garbage of a remote: what no row names goes, and nothing else, whoever pushes at the same time.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { blobOperations, type RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import { CLAIM_MS } from "../../lib/remote/remote-claims.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { sharedLogOperations } from "../../lib/remote/remote-log.ts";
import { collectRemote } from "../../lib/sync/collect-remote.ts";
import { CollectionFence } from "../../lib/sync/collection-fence.ts";
import { publish } from "../../lib/sync/publish.ts";
import { verifyRemote } from "../../lib/sync/verify-remote.ts";
import { parseBookId } from "../../schema/ids.ts";
import { readAll, SHARED_BOOK } from "../remote/log-fixture.ts";
import { seededRandom, takeSeed } from "../remote/random.ts";
import { hashOf, RowMaker } from "../remote/shared-rows.ts";
import { sourceOf } from "../remote/sources.ts";
import { withFaults } from "../remote/with-faults.ts";
import { assertSynced, SharedMachine } from "./shared-machine.ts";
import { SharedPlace } from "./shared-place.ts";

const FAR = 1_000_000;
const NOW = { graceMs: 0 };

/** A book with old versions, and two blobs that nothing names. */
async function withGarbage(work: (place: SharedPlace) => Promise<void>): Promise<void> {
  await SharedPlace.with(async (place) => {
    await place.save("content/a.md", "one");
    await place.save("content/a.md", "two");
    await place.save("content/gone.md", "gone");
    await place.save("content/gone.md", null);
    await place.save("content/a.md", "alice's", "alice");
    for (const text of ["nobody's", "nobody's either"]) await place.blobs.put(sourceOf(text));
    await work(place);
  });
}

async function storedIn(place: SharedPlace): Promise<string[]> {
  return (await Array.fromAsync(place.blobs.list())).flat().map(({ hash }) => hash);
}

const NEEDED = ["one", "two", "gone", "alice's"].map(hashOf).sort();

test("gc --remote: what no row names goes, and every version stays", async () => {
  await withGarbage(async (place) => {
    const garbage = { blobs: 2, sizeBytes: 23, young: 0, uploads: 0 };
    assert.deepEqual(await collectRemote(place.parts("a"), { ...NOW, isDry: true }), garbage);
    assert.equal((await storedIn(place)).length, 6);
    assert.deepEqual(await collectRemote(place.parts("a"), NOW), garbage);
    assert.deepEqual(await storedIn(place), NEEDED);
    assert.deepEqual(await collectRemote(place.parts("b"), NOW), {
      blobs: 0,
      sizeBytes: 0,
      young: 0,
      uploads: 0,
    });
    await publish(place.parts("a"), FAR);
    assert.deepEqual((await verifyRemote(place.parts("a"), { rehash: true })).findings, []);
  });
});

test("gc --remote: what was stored within the last day stays", async () => {
  await withGarbage(async (place) => {
    assert.deepEqual(await collectRemote(place.parts("a")), { blobs: 0, sizeBytes: 0, young: 2, uploads: 0 });
    assert.equal((await storedIn(place)).length, 6);
  });
});

test("gc --remote: what only another book names stays", async () => {
  await withGarbage(async (place) => {
    const bookId = parseBookId("other-book");
    await place.log.createBook({ ...SHARED_BOOK, bookId });
    const row = new RowMaker("other").change("a.md", null, "nobody's", { book_id: bookId });
    await place.log.append(bookId, [row], 0);
    assert.equal((await collectRemote(place.parts("a"), NOW)).blobs, 1);
    assert.deepEqual(await storedIn(place), [...NEEDED, hashOf("nobody's")].sort());
  });
});

test("gc --remote: nothing goes where a log is damaged, or another log has published with the same blobs", async () => {
  await withGarbage(async (place) => {
    const { hash, sizeBytes } = sourceOf("one");
    await place.blobs.publish({ name: "a-book/content/a.md", hash, sizeBytes });
    await publish(place.parts("a"), FAR);
    await assert.rejects(collectRemote(place.parts("a"), NOW), { code: "STORE_DAMAGED" });
    assert.equal((await storedIn(place)).length, 6);
    await place.blobs.unpublish(["a-book/content/a.md"]);
    place.tamper("UPDATE audit_log SET pid = 1 WHERE seq = 2");
    await assert.rejects(collectRemote(place.parts("a"), NOW), { code: "STORE_DAMAGED" });
    assert.equal((await storedIn(place)).length, 6);
  });
});

test("gc --remote: CORRUPT: nothing goes where the remote lists what is published from its beginning again and again", async () => {
  await withGarbage(async (place) => {
    await publish(place.parts("a"), FAR);
    let asked = 0;
    const blobs: RemoteBlobs = {
      ...withFaults(place.blobs, blobOperations, () => undefined),
      listPublished: (prefix) => place.blobs.listPublished(++asked > 20 ? "nothing" : prefix),
    };
    await assert.rejects(collectRemote(place.parts("a", { blobs }), NOW), { code: "CORRUPT" });
    assert.equal(asked, 2);
    assert.equal((await storedIn(place)).length, 6);
  });
});

test("gc --remote: one machine at a time; where one was cut off the next one goes on", async () => {
  await withGarbage(async (place) => {
    const failing = withFaults(place.blobs, blobOperations, (name) =>
      name === "delete" ? "after" : undefined,
    );
    await assert.rejects(collectRemote(place.parts("a", { blobs: failing }), NOW), /fails as planned/);
    await assert.rejects(collectRemote(place.parts("b"), NOW), { code: "STORE_BUSY" });
    place.endClaims();
    await collectRemote(place.parts("b"), NOW);
    assert.deepEqual(await storedIn(place), NEEDED);
  });
});

test("gc --remote, B1: a push that found bytes there just before they go puts them once more", async () => {
  await withGarbage(async (place) => {
    const fence = await CollectionFence.setUp(place.log);
    assert.equal(await place.blobs.put(sourceOf("nobody's")), "present");
    await collectRemote(place.parts("a"), NOW);
    await place.append("content/mine.md", "nobody's");
    assert.equal(await fence.holds(undefined), false);
    const next = await CollectionFence.setUp(place.log);
    assert.equal(await place.blobs.put(sourceOf("nobody's")), "stored");
    await collectRemote(place.parts("a"), NOW);
    assert.equal(await next.holds(undefined), true, "there was nothing to remove");
  });
});

/** By when it is collected in the push. Of its two puts, the one of what is there already comes `first` or `last`. */
const REMOVED = { first: 2, last: 3, append: 3, answer: 4 };

test("gc --remote, B1: a real push that garbage is collected under, before and after its rows, also when it is cut off then, loses no bytes", async () => {
  for (const moment of ["first", "last", "append", "answer"] as const) {
    await SharedPlace.with(async (place) => {
      const machine = await SharedMachine.make("alice", place.log, place.blobs);
      try {
        for (const text of ["found there", "garbage"]) await place.blobs.put(sourceOf(text));
        machine.save("a.md", "found there");
        machine.save("b.md", "sent");
        // Publishing would put again what is current.
        if (moment === "answer") machine.save("a.md", "newer");
        let isFirst = true;
        const collect = async () => {
          if (!isFirst) return;
          isFirst = false;
          assert.equal((await collectRemote(place.parts("c"), NOW)).blobs, REMOVED[moment]);
        };
        if (moment === "first" || moment === "last") {
          const bare = place.blobs;
          const other = Promise.withResolvers<void>();
          machine.remoteBlobs = {
            ...withFaults(bare, blobOperations, () => undefined),
            put: async (source) => {
              const isFound = source.hash === hashOf("found there");
              if (isFirst && isFound === (moment === "last")) await other.promise;
              const outcome = await bare.put(source);
              if (isFound) await collect();
              other.resolve();
              return outcome;
            },
          };
        } else {
          machine.remoteLog = {
            ...withFaults(place.log, sharedLogOperations, () => undefined),
            append: async (...rows) => {
              const isCut = moment === "answer" && isFirst;
              await collect();
              const outcome = await place.log.append(...rows);
              if (isCut) throw new RemoteError("UNAVAILABLE", "The answer is lost.", { isRetryable: true });
              return outcome;
            },
          };
        }
        if (moment === "answer") await assert.rejects(machine.sync(), { code: "UNAVAILABLE" });
        await machine.sync();
        assert.equal(isFirst, false);
        await assertSynced([machine]);
      } finally {
        machine.take();
      }
    });
  }
});

/** Runs `work` while each look at the clock finds that half the time of a claim has gone by. */
async function inHaste(work: () => Promise<void>): Promise<void> {
  let nowMs = performance.now();
  const clock = mock.method(performance, "now", () => {
    nowMs += CLAIM_MS / 2;
    return nowMs;
  });
  try {
    await work();
  } finally {
    clock.mock.restore();
  }
}

test("a push waits no longer than a claim lasts for a collection that never ends, says so, and is pulled and made good later", async () => {
  await SharedPlace.with(async (place) => {
    const machine = await SharedMachine.make("alice", place.log, place.blobs);
    try {
      machine.save("a.md", "mine");
      const held = `INSERT INTO claim (name, holder, position, held_until) VALUES ('collect', 'mallory', 1, ${FAR * FAR * 5})`;
      place.run(held);
      const refusal = {
        code: "UNAVAILABLE",
        isRetryable: true,
        message: /collection of its garbage does not end/,
      };
      await inHaste(() => assert.rejects(machine.sync(), refusal));
      assert.equal((await readAll(place.log, machine.worktree.book.bookId)).length, 1);
      // The row is there, and noted by the pull; whether the bytes still are is asked again.
      await inHaste(() => assert.rejects(machine.sync(), refusal));
      assert.equal(machine.outboxRows, 0);
      place.run("DELETE FROM claim");
      await machine.sync();
      await assertSynced([machine]);
    } finally {
      machine.take();
    }
  });
});

test("a remote that says each time that another collection was there does not make a push send for ever", async () => {
  await SharedPlace.with(async (place) => {
    const machine = await SharedMachine.make("alice", place.log, place.blobs);
    try {
      machine.save("a.md", "mine");
      let isCut = false;
      let position = 0;
      machine.remoteLog = {
        ...withFaults(place.log, sharedLogOperations, () => undefined),
        append: async (...rows) => {
          await place.log.append(...rows);
          isCut = true;
          throw new RemoteError("UNAVAILABLE", "The answer is lost.", { isRetryable: true });
        },
        readClaim: async () => ({ position: position++, isHeld: false }),
      };
      await assert.rejects(machine.sync(), /The answer is lost/);
      assert.ok(isCut);
      await assert.rejects(machine.sync(), { code: "UNAVAILABLE", message: /does not end/ });
      machine.remoteLog = place.log;
      await machine.sync();
      await assertSynced([machine]);
    } finally {
      machine.take();
    }
  });
});

const seed = takeSeed();
test(`gc --remote, B1: machines that push the same bytes again and again beside it lose none (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  /** Of few that most will use about then, and never again. */
  const pick = (step: number) => `text ${step * 2 + Math.floor(random() * 5)}`;
  await SharedPlace.with(async (place) => {
    let isOver = false;
    let removed = 0;
    const push = async (name: string): Promise<void> => {
      for (let step = 0; step < 25; step++) {
        // What a push leaves that found that others were first.
        await place.blobs.put(sourceOf(pick(step + 1)));
        await sleep(random() * 30);
        const text = pick(step);
        const fence = await CollectionFence.setUp(place.log);
        await place.blobs.put(sourceOf(text));
        if (random() < 0.5) await sleep(random() * 30);
        await place.append(`content/${name}-${step}.md`, text);
        if (!(await fence.holds(undefined))) await place.blobs.put(sourceOf(text));
      }
    };
    const collect = async (name: string): Promise<void> => {
      while (!isOver) {
        const [outcome] = await Promise.allSettled([collectRemote(place.parts(name), NOW)]);
        if (outcome.status === "fulfilled") removed += outcome.value.blobs;
        else assert.equal(outcome.reason.code, "STORE_BUSY", String(outcome.reason));
        await sleep(random() * 10);
      }
    };
    const pushing = Promise.all(["a", "b", "c"].map(push)).finally(() => {
      isOver = true;
    });
    await Promise.all([pushing, collect("d"), collect("e")]);
    assert.ok(removed > 0, "something was removed meanwhile");
    const { findings } = await verifyRemote(place.parts("a"), { rehash: true });
    assert.deepEqual(
      findings.filter(({ severity }) => severity === "error"),
      [],
    );
    await collectRemote(place.parts("d"), NOW);
    const named = new Set((await readAll(place.log)).map(({ new_hash }) => new_hash));
    for (const hash of await storedIn(place))
      assert.ok(named.has(hash), "no blob is orphaned once it has run");
  });
});
