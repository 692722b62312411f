// Claims, as every implementation of RemoteLog must keep them. Must never know which one it is.

import assert from "node:assert/strict";
import type { ClaimName, RemoteClaims } from "../../lib/remote/remote-claims.ts";
import { type SuiteLog, testOn } from "./log-fixture.ts";
import { BOOK } from "./shared-rows.ts";

const NAME: ClaimName = `publish ${BOOK}`;

export function testClaims(title: string, makeRemote: () => Promise<SuiteLog>): void {
  const it = testOn(title, makeRemote);

  it("a claim is held by one until it gives it up, and goes on where it was left", async (log, _, open) => {
    const other = open();
    assert.deepEqual(await other.readClaim(NAME), { position: 0, isHeld: false });
    assert.equal(await log.claim(NAME, "a"), 0);
    assert.deepEqual(await other.readClaim(NAME), { position: 0, isHeld: true });
    assert.equal(await other.claim(NAME, "b"), undefined);
    assert.equal(await other.claim("collect", "b"), 0, "another claim");
    assert.equal(await log.claim(NAME, "a"), 0, "asked again");
    assert.equal(await log.advanceClaim(NAME, { holder: "a", from: 0, to: 5, isLast: false }), true);
    assert.equal(await other.advanceClaim(NAME, { holder: "b", from: 5, to: 9, isLast: true }), false);
    assert.equal(await log.advanceClaim(NAME, { holder: "a", from: 5, to: 7, isLast: true }), true);
    assert.deepEqual(await other.readClaim(NAME), { position: 7, isHeld: false });
    assert.equal(await other.claim(NAME, "b"), 7);
    assert.equal(await log.advanceClaim(NAME, { holder: "a", from: 7, to: 8, isLast: false }), false);
  });

  it("a claim whose holder is gone ends by itself", async (log, remote, open) => {
    const other = open();
    await log.claim(NAME, "a");
    assert.equal(await other.claim(NAME, "b"), undefined);
    await remote.run("UPDATE {}claim SET held_until = 0");
    assert.deepEqual(await log.readClaim(NAME), { position: 0, isHeld: false });
    assert.equal(await log.advanceClaim(NAME, { holder: "a", from: 0, to: 1, isLast: true }), false);
    assert.equal(await other.claim(NAME, "b"), 0);
    assert.equal(await log.claim(NAME, "a"), undefined);
  });

  it("what is to be done again is done again, whoever holds the claim", async (log, _, open) => {
    const other = open();
    await other.retractClaim(NAME, 3);
    assert.equal(await log.claim(NAME, "a"), 0);
    await log.advanceClaim(NAME, { holder: "a", from: 0, to: 9, isLast: false });
    await other.retractClaim(NAME, 4);
    await other.retractClaim(NAME, 6);
    assert.equal(await log.advanceClaim(NAME, { holder: "a", from: 9, to: 12, isLast: true }), false);
    assert.equal(await log.claim(NAME, "a"), 4);
  });

  it("of many who claim at once, one gets it", async (log, _, open) => {
    const logs: RemoteClaims[] = [log, ...Array.from({ length: 7 }, open)];
    for (const name of [NAME, "collect"] as const) {
      const outcomes = await Promise.all(logs.map((each, index) => each.claim(name, `store ${index}`)));
      assert.equal(outcomes.filter((position) => position === 0).length, 1, JSON.stringify(outcomes));
    }
  });
}
