// A book's copies for readers without pfs: they are what the shared log says in the end, whoever publishes and whatever is cut off.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { blobOperations } from "../../lib/remote/remote-blobs.ts";
import { sharedLogOperations } from "../../lib/remote/remote-log.ts";
import { publish } from "../../lib/sync/publish.ts";
import { placeOfName, publishedName } from "../../lib/sync/published-names.ts";
import { BASE, parseUserId } from "../../schema/ids.ts";
import { seededRandom, takeSeed } from "../remote/random.ts";
import { BOOK, hashOf } from "../remote/shared-rows.ts";
import { type CallFault, type FaultPlan, withFaults } from "../remote/with-faults.ts";
import { type MachineParts, SharedPlace } from "./shared-place.ts";

/** A position that no test's log gets to: there is something to be done. */
const FAR = 1_000_000;

function withPlan(parts: MachineParts, plan: FaultPlan): MachineParts {
  return {
    ...parts,
    log: withFaults(parts.log, sharedLogOperations, plan),
    blobs: withFaults(parts.blobs, blobOperations, plan),
  };
}

/** Counts calls by operation. */
function counting(parts: MachineParts): {
  readonly parts: MachineParts;
  readonly calls: Map<string, number>;
} {
  const calls = new Map<string, number>();
  const plan: FaultPlan = (operation) => {
    calls.set(operation, (calls.get(operation) ?? 0) + 1);
    return undefined;
  };
  return { parts: withPlan(parts, plan), calls };
}

async function writeBook(place: SharedPlace): Promise<void> {
  await place.save("content/a.md", "a");
  await place.save("content/b.md", "b");
  await place.save("content/a.md", "a, changed");
  await place.save("content/a.md", "alice's", "alice");
  await place.save("static/img/1.svg", "<svg/>");
}

test("publish: files of the base and of overlays are published under their names, and follow the log", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    assert.equal((await publish(place.parts("a"), FAR)).type, "done");
    assert.deepEqual([...(await place.published())].sort(), [
      ["my-book/content/a.md", hashOf("a, changed")],
      ["my-book/content/b.md", hashOf("b")],
      ["my-book/static/img/1.svg", hashOf("<svg/>")],
      ["my-book/users/alice/content/a.md", hashOf("alice's")],
    ]);
    await place.save("content/b.md", null);
    await place.save("content/b.md/c.md", "below what was a file");
    await place.save("content/a.md", null, "alice");
    await publish(place.parts("a"), FAR);
    await place.assertPublished();
    await place.save("content/b.md/c.md", null);
    await place.save("content/b.md", "a file again");
    await publish(place.parts("b"), FAR);
    await place.assertPublished();
  });
});

test("publish: a rename sends no bytes", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    await publish(place.parts("a"), FAR);
    await place.rename("static/img/1.svg", "static/img/2.svg");
    const { parts, calls } = counting(place.parts("a"));
    const { published, unpublished } = await publish(parts, FAR);
    assert.deepEqual({ published, unpublished }, { published: 1, unpublished: 1 });
    assert.equal(calls.get("put"), undefined);
    assert.equal(calls.get("publish"), 1);
    await place.assertPublished();
  });
});

test("publish: where all is published that this machine knows of, that is one question and no more", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    await publish(place.parts("a"), 5);
    const { parts, calls } = counting(place.parts("b"));
    await publish(parts, 5);
    assert.deepEqual([...calls], [["readClaim", 1]]);
  });
});

test("publish: symbolic links, and what the base has where the names of overlays are, are not published", async () => {
  await SharedPlace.with(async (place) => {
    await place.save("content/link.md", "a.md", BASE, 0o120000);
    await place.save("users/bob/content/a.md", "the base's");
    await place.save("content/a.md", "bob's", "bob");
    await publish(place.parts("a"), FAR);
    assert.deepEqual([...(await place.published())], [["my-book/users/bob/content/a.md", hashOf("bob's")]]);
    await place.save("content/link.md", "a file now");
    await publish(place.parts("a"), FAR);
    await place.assertPublished();
    await place.save("content/link.md", "b.md", BASE, 0o120000);
    await publish(place.parts("a"), FAR);
    await place.assertPublished();
  });
});

test("publish: names and places are each other's", () => {
  const alice = parseUserId("alice");
  for (const place of [
    { userId: BASE, path: "content/a.md" },
    { userId: alice, path: "users/x.md" },
    { userId: BASE, path: "users.md" },
  ])
    assert.deepEqual(placeOfName(BOOK, publishedName(BOOK, place) ?? ""), place);
  assert.equal(publishedName(BOOK, { userId: BASE, path: "users" }), undefined);
  for (const name of [
    "other/a.md",
    "my-book/",
    "my-book/users/a.md",
    "my-book/users/__x/a.md",
    "my-book/a//b",
  ])
    assert.equal(placeOfName(BOOK, name), undefined, name);
});

test("publish: bytes that somebody removed from the remote come from the store, and else it is said whose copy is missing", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    place.store.write("mine.md", "b");
    for (const text of ["b", "<svg/>"]) await place.blobs.delete(hashOf(text));
    const { type, left } = await publish(place.parts("a"), FAR);
    assert.equal(type, "done");
    assert.deepEqual(
      left.map(({ code, path }) => ({ code, path })),
      [{ code: "CORRUPT", path: "static/img/1.svg" }],
    );
    const published = await place.published();
    assert.equal(published.get("my-book/content/b.md"), hashOf("b"));
    assert.equal(published.size, 3);
  });
});

for (const fault of ["before", "after"] satisfies CallFault[]) {
  test(`publish: cut off ${fault} any of its calls, it is done by whoever comes next`, async () => {
    let isCut = true;
    for (let at = 1; isCut; at++) {
      await SharedPlace.with(async (place) => {
        await writeBook(place);
        await publish(place.parts("a"), FAR);
        await place.save("content/b.md", null);
        await place.save("content/c.md", "c");
        await place.rename("static/img/1.svg", "static/img/2.svg");
        await place.save("content/a.md", "alice's once more", "alice");
        let calls = 0;
        const plan: FaultPlan = () => (++calls === at ? fault : undefined);
        const outcome = await Promise.allSettled([publish(withPlan(place.parts("a"), plan), FAR)]);
        isCut = outcome[0].status === "rejected";
        assert.ok(calls >= at || !isCut);
        // In the meantime somebody saves, and another machine looks.
        await place.save("content/c.md", "c, changed");
        const { position } = await place.log.readClaim(`publish ${BOOK}`);
        assert.ok(isCut || position === 10, "what was done is said to be");
        if (at % 2 === 1) place.endClaims();
        const next = await publish(place.parts(at % 2 === 1 ? "b" : "a"), FAR);
        assert.equal(next.type, "done");
        await place.assertPublished(`cut off ${fault} call ${at}`);
      });
    }
  });
}

test("publish: while one machine is at it others are not, and what they have appended is published by it", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    let isFirst = true;
    const parts = place.parts("a");
    const blobs: MachineParts["blobs"] = {
      ...withFaults(parts.blobs, blobOperations, () => undefined),
      publish: async (file) => {
        if (isFirst) {
          isFirst = false;
          await place.save("content/late.md", "late");
          assert.equal((await publish(place.parts("b"), FAR)).type, "busy");
        }
        await parts.blobs.publish(file);
      },
    };
    assert.equal((await publish({ ...parts, blobs }, FAR)).type, "done");
    await place.assertPublished();
  });
});

test("publish: a machine that was away for so long that another one took over undoes none of what that did", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    let isFirst = true;
    const parts = place.parts("a");
    const blobs: MachineParts["blobs"] = {
      ...withFaults(parts.blobs, blobOperations, () => undefined),
      publish: async (file) => {
        if (isFirst && file.name === "my-book/content/b.md") {
          isFirst = false;
          place.endClaims();
          await place.save("content/b.md", "b, changed");
          assert.equal((await publish(place.parts("b"), FAR)).type, "done");
          await place.assertPublished();
        }
        await parts.blobs.publish(file);
      },
    };
    await publish({ ...parts, blobs, pageRows: 100 }, FAR);
    assert.equal(isFirst, false);
    await place.assertPublished();
  });
});

test("publish: a remote that gives the claim and takes nothing as published is asked a few times, and then said to do so", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    const bare = withFaults(place.log, sharedLogOperations, () => undefined);
    let claims = 0;
    const claim: MachineParts["log"]["claim"] = async (...asked) => {
      claims++;
      return await place.log.claim(...asked);
    };
    const refusal = { code: "UNAVAILABLE", isRetryable: true, message: /takes nothing of it as published/ };
    const refusing: MachineParts["log"] = { ...bare, claim, advanceClaim: async () => false };
    await assert.rejects(publish(place.parts("a", { log: refusing }), FAR), refusal);
    assert.ok(claims < 20, `it was claimed ${claims} times`);
    // One that takes it, and begins at the beginning each time, as if something were left.
    const forgetful: MachineParts["log"] = {
      ...bare,
      claim: async (...asked) => ((await claim(...asked)) === undefined ? undefined : 0),
      advanceClaim: async () => true,
      rowsAfter: async (bookId, after, limit) =>
        limit === 1
          ? await place.log.rowsAfter(bookId, 0, 1)
          : await place.log.rowsAfter(bookId, after, limit),
    };
    await assert.rejects(publish(place.parts("a", { log: forgetful }), FAR), refusal);
  });
});

test("publish: what a lost directory had is published again from the log", async () => {
  await SharedPlace.with(async (place) => {
    await writeBook(place);
    await publish(place.parts("a"), FAR);
    rmSync(join(place.directory, "books", BOOK), { recursive: true });
    place.run("DELETE FROM claim");
    await publish(place.parts("a"), FAR);
    await place.assertPublished();
  });
});

const seed = takeSeed();
test(`publish: machines that save and publish at once, with faults and claims that end, have the same in the end (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  for (let round = 0; round < 6; round++) {
    await SharedPlace.with(async (place) => {
      const plan: FaultPlan = () =>
        random() < 0.15 ? pick(["before", "after", "slow"] as const) : undefined;
      const work = ["a", "b", "c"].map(async (name) => {
        for (let step = 0; step < 8; step++) {
          const [published] = await Promise.allSettled([publish(withPlan(place.parts(name), plan), FAR)]);
          if (published.status === "rejected") assert.match(String(published.reason), /fails as planned/);
          if (random() < 0.2) place.endClaims();
        }
      });
      const saving = (async () => {
        for (let step = 0; step < 25; step++) {
          const path = pick(["a.md", "b.md", "d/a.md"]);
          await place
            .save(path, random() < 0.25 ? null : `text ${step % 5}`, pick([BASE, "alice"]))
            .catch(ignoreAbsent);
        }
      })();
      await Promise.all([...work, saving]);
      place.endClaims();
      assert.equal((await publish(place.parts("a"), FAR)).type, "done");
      await place.assertPublished();
    });
  }
});

/** A file that is not there cannot be removed. */
function ignoreAbsent(error: unknown): void {
  assert.match(String(error), /was refused|cannot be shared/);
}
