// What a remote has of a book is verified and mended: its log, its bytes, the published copies.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sharedLogOperations } from "../../lib/remote/remote-log.ts";
import { publish } from "../../lib/sync/publish.ts";
import { repairRemote } from "../../lib/sync/repair-remote.ts";
import { verifyRemote } from "../../lib/sync/verify-remote.ts";
import type { Finding } from "../../lib/verify.ts";
import { BASE, type BlobHash } from "../../schema/ids.ts";
import { BOOK, hashOf } from "../remote/shared-rows.ts";
import { sourceOf } from "../remote/sources.ts";
import { withFaults } from "../remote/with-faults.ts";
import { type MachineParts, SharedPlace } from "./shared-place.ts";

const FAR = 1_000_000;

/** A book with an overlay, old versions and removed files, all published. */
async function withBook(work: (place: SharedPlace) => Promise<void>): Promise<void> {
  await SharedPlace.with(async (place) => {
    await place.save("content/a.md", "one");
    await place.save("content/a.md", "two");
    await place.save("content/b.md", "b");
    await place.rename("content/b.md", "content/c.md");
    await place.save("content/a.md", "alice's", "alice");
    await place.save("content/gone.md", "gone");
    await place.save("content/gone.md", null);
    await place.save("content/link.md", "a.md", BASE, 0o120000);
    await publish(place.parts("a"), FAR);
    await work(place);
  });
}

function rulesOf(findings: readonly Finding[]): string[] {
  return findings.map(({ rule, severity, subject }) => `${severity} ${rule} ${subject}`);
}

async function assertClean(place: SharedPlace, rehash = true): Promise<void> {
  assert.deepEqual((await verifyRemote(place.parts("a"), { rehash })).findings, []);
  await place.assertPublished();
}

function blobPath(place: SharedPlace, text: string): string {
  return join(place.directory, "blobs", hashOf(text).slice(0, 2), hashOf(text));
}

/** Puts other bytes under a blob's name. */
function spoil(place: SharedPlace, text: string, bytes: string): void {
  rmSync(blobPath(place, text));
  writeFileSync(blobPath(place, text), bytes);
}

test("verify --remote: a remote that is as it should be has no findings", async () => {
  await withBook(assertClean);
  await SharedPlace.with(assertClean);
});

test("verify --remote, B1, R2: bytes that are missing, too short or others are found, those of old versions, too", async () => {
  await withBook(async (place) => {
    await place.blobs.delete(hashOf("one"));
    spoil(place, "two", "x");
    spoil(place, "gone", "gon!");
    assert.deepEqual(rulesOf((await verifyRemote(place.parts("a"))).findings), [
      `error B1 ${hashOf("one")}`,
      `error R2 ${hashOf("two")}`,
    ]);
    assert.deepEqual(rulesOf((await verifyRemote(place.parts("a"), { rehash: true })).findings), [
      `error B1 ${hashOf("one")}`,
      `error R2 ${hashOf("two")}`,
      `error R2 ${hashOf("gone")}`,
    ]);
  });
});

test("repair --remote, R2: bytes come from the store that has them; bad ones stay where there are none", async () => {
  await withBook(async (place) => {
    await place.blobs.delete(hashOf("one"));
    for (const text of ["two", "b", "gone"]) spoil(place, text, `not ${text}`);
    place.run("UPDATE claim SET position = 0");
    await publish(place.parts("a"), FAR);
    for (const text of ["one", "two", "b"]) place.store.write(`${text}.md`, text);
    const { sent, left } = await repairRemote(place.parts("b"), { rehash: true });
    assert.deepEqual([...sent].sort(), ["one", "two", "b"].map(hashOf).sort());
    assert.deepEqual(rulesOf(left), [`error R2 ${hashOf("gone")}`]);
    assert.equal(await place.blobs.has(hashOf("gone")), true);
    await place.assertPublished();
    place.store.write("gone.md", "gone");
    assert.deepEqual((await repairRemote(place.parts("b"), { rehash: true })).left, []);
    await assertClean(place);
  });
});

test("repair --remote, R2: bytes that are wrong in the store, too, take the place of none", async () => {
  await withBook(async (place) => {
    spoil(place, "one", "on");
    place.store.write("one.md", "one");
    place.store.library.store.database
      .prepare("UPDATE blob SET data = ? WHERE sha256 = ?")
      .run(Buffer.from("oni"), hashOf("one"));
    const { sent, left } = await repairRemote(place.parts("b"));
    assert.deepEqual({ sent, left: rulesOf(left) }, { sent: [], left: [`error R2 ${hashOf("one")}`] });
    assert.equal(await place.blobs.has(hashOf("one")), true);
  });
});

test("verify --remote, repair --remote: published files that somebody changed, removed or added are found and mended", async () => {
  await withBook(async (place) => {
    const publishText = async (name: string, text: string) => {
      const source = sourceOf(text);
      await place.blobs.put(source);
      await place.blobs.publish({ name: `${BOOK}/${name}`, hash: source.hash, sizeBytes: source.sizeBytes });
    };
    await publishText("content/a.md", "bad");
    await publishText("users/alice/content/a.md", "of another length");
    await publishText("content/gone.md", "gone");
    await publishText("content/link.md", "a.md");
    await publishText("users/nobody.md", "x");
    await place.blobs.unpublish([`${BOOK}/content/c.md`]);
    const expected = [
      "content/a.md",
      "content/c.md",
      "content/gone.md",
      "content/link.md",
      "users/alice/content/a.md",
      "users/nobody.md",
    ].map((name) => `error published ${BOOK}/${name}`);
    const { findings } = await verifyRemote(place.parts("a"));
    assert.deepEqual(rulesOf(findings).sort(), expected);
    const { published, left } = await repairRemote(place.parts("b"));
    assert.equal(published.length, 6);
    assert.deepEqual(left, []);
    await assertClean(place);
  });
});

test("verify --remote: what is yet to be published is no damage, and is said", async () => {
  await withBook(async (place) => {
    await place.save("content/a.md", "three");
    await place.save("content/new.md", "new");
    const { findings, damage } = await verifyRemote(place.parts("a"));
    assert.deepEqual(rulesOf(findings), [`warning published ${BOOK}`]);
    assert.match(findings[0]?.message ?? "", /^2 rows/);
    assert.equal(damage.names.size, 0);
    await repairRemote(place.parts("a"));
    await publish(place.parts("a"), FAR);
    await assertClean(place);
  });
});

test("repair --remote: while another machine publishes it says so", async () => {
  await withBook(async (place) => {
    await place.blobs.unpublish([`${BOOK}/content/c.md`]);
    await place.log.claim(`publish ${BOOK}`, "c".repeat(64));
    await assert.rejects(repairRemote(place.parts("a")), { code: "STORE_BUSY" });
    place.endClaims();
    assert.deepEqual((await repairRemote(place.parts("a"))).left, []);
    await assertClean(place);
  });
});

for (const [title, sql, subject] of [
  ["a changed row", "UPDATE audit_log SET agent_id = 'mallory' WHERE seq = 3", /row 3 was changed/],
  ["a row that is missing", "DELETE FROM audit_log WHERE seq = 4", /row 4 is missing/],
  ["rows cut off the end", "DELETE FROM audit_log WHERE seq > 6", /ends at row 6/],
  [
    "a journal that says something else",
    `UPDATE file_journal SET sha256 = '${hashOf("one")}' WHERE path = 'content/c.md'`,
    /say different things of content\/c\.md/,
  ],
] as const) {
  test(`verify --remote, R6: ${title} is found, and nothing is published or taken away because of it`, async () => {
    await withBook(async (place) => {
      const before = await place.published();
      place.tamper(sql);
      await place.blobs.unpublish([`${BOOK}/content/c.md`]);
      const { left } = await repairRemote(place.parts("b"));
      assert.ok(left.length > 0);
      assert.match(left.map(({ message }) => message).join("\n"), subject);
      assert.ok(
        left.every(({ rule }) => rule === "R6"),
        rulesOf(left).join(),
      );
      before.delete(`${BOOK}/content/c.md`);
      assert.deepEqual(await place.published(), before);
    });
  });
}

test("verify --remote, O1: rows that are said to be this store's and are not are found, as is a log that was longer", async () => {
  await withBook(async (place) => {
    const parts = { ...place.parts("a"), storeId: place.maker.origin };
    const { findings } = await verifyRemote(parts);
    assert.match(findings[0]?.message ?? "", /is said to be row 1 of this store/);
    const { database } = place.store.library.store;
    database.exec(
      `INSERT INTO remote (book_id, log_url, blobs_url, remote_id, pulled_seq) VALUES ('${BOOK}', 'x', 'x', 'x', 99)`,
    );
    const shorter = (await verifyRemote(place.parts("a"))).findings;
    assert.match(shorter[0]?.message ?? "", /has 9 rows, and had 99/);
  });
});

test("verify --remote: beside machines that push and publish there are no false findings", async () => {
  await SharedPlace.with(async (place) => {
    await place.save("content/a.md", "0");
    let isOver = false;
    const work = (async () => {
      for (let step = 1; step <= 40; step++) {
        await place.save(`content/${"abc"[step % 3]}.md`, step % 7 === 0 ? `x${step}` : `${step}`);
        if (step % 4 === 0) await publish(place.parts("b"), FAR);
      }
      isOver = true;
    })();
    let rounds = 0;
    for (; !isOver; rounds++) {
      const { findings } = await verifyRemote(place.parts("a"));
      const errors = findings.filter(({ severity }) => severity === "error");
      assert.deepEqual(errors, []);
    }
    await work;
    assert.ok(rounds > 0);
    await publish(place.parts("a"), FAR);
    await assertClean(place);
  });
});

test("verify --remote: that this store pulls meanwhile is no finding", async () => {
  await withBook(async (place) => {
    const { database } = place.store.library.store;
    database.exec(
      `INSERT INTO remote (book_id, log_url, blobs_url, remote_id, pulled_seq) VALUES ('${BOOK}', 'x', 'x', 'x', 9)`,
    );
    const log: MachineParts["log"] = {
      ...withFaults(place.log, sharedLogOperations, () => undefined),
      snapshot: async (bookId) => {
        const snapshot = await place.log.snapshot(bookId);
        await place.save("content/new.md", "new");
        database.exec("UPDATE remote SET pulled_seq = 10");
        await publish(place.parts("b"), FAR);
        return snapshot;
      },
    };
    assert.deepEqual((await verifyRemote(place.parts("a", { log }))).findings, []);
  });
});

test("verify --remote: a blob that nothing names is no damage", async () => {
  await withBook(async (place) => {
    await place.blobs.put(sourceOf("nobody's"));
    await assertClean(place);
    assert.equal(await place.blobs.has(hashOf("nobody's") as BlobHash), true);
  });
});
