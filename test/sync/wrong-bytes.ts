// Syncs of two machines while bytes of their connections to PostgreSQL are changed, for as many of them as one wishes.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { PfsError } from "../../schema/errors.ts";
import { CORRUPTIONS, type Corruption, corrupt } from "../remote/corrupt-bytes.ts";
import { seededRandom, takeSeed } from "../remote/random.ts";
import type { Side } from "../remote/tcp-proxy.ts";
import { type Production, workOn } from "./production.ts";
import type { SharedMachine } from "./shared-machine.ts";

/** What came of it: how many times bytes were changed, and how many syncs failed, by what they said. */
export interface Damaged {
  readonly changed: number;
  readonly failed: ReadonlyMap<string, number>;
}

/**
 * Each sync meets one change, at some place. It may fail, as a refusal and in no other way; in the end both machines and the
 * remote must be as if nothing had been. PFS_SEED repeats which; the test tells the seed, and what was said.
 */
export async function syncThroughDamage(
  production: Production,
  t: TestContext,
  syncs: number,
): Promise<Damaged> {
  const seed = takeSeed();
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const { proxy } = production;
  const failed = new Map<string, number>();
  /** How many things each side said in a sync that nothing was changed in before. */
  const said = { client: 12, server: 12 };
  let changed = 0;
  await production.withPair(async (a, b) => {
    for (let round = 1; round <= syncs; round++) {
      const machine = round % 2 === 0 ? a : b;
      workOn(machine, round);
      const side: Side = random() < 0.6 ? "server" : "client";
      const how = CORRUPTIONS[Math.floor(random() * CORRUPTIONS.length)] as Corruption;
      const at = Math.floor(random() * said[side]);
      // Half of them begin with new connections.
      if (random() < 0.5) await reconnect(production, [a, b]);
      const heard = { client: 0, server: 0 };
      let isDone = false;
      proxy.change = (bytes, from) => {
        if (isDone || heard[from]++ !== at || from !== side) return undefined;
        isDone = true;
        changed++;
        return corrupt(bytes, how, random);
      };
      const [outcome] = await Promise.allSettled([machine.sync()]);
      proxy.change = undefined;
      if (!isDone) said[side] = heard[side];
      if (outcome.status === "fulfilled") continue;
      const error: unknown = outcome.reason;
      assert.ok(error instanceof PfsError, `${how} of the ${side}: ${(error as Error)?.stack}`);
      const message = `${how} of the ${side}: ${error.code} ${error.message}`;
      failed.set(message, (failed.get(message) ?? 0) + 1);
      // What is silent would hold its locks for as long as the server waits for it.
      await reconnect(production, [a, b]);
    }
    await reconnect(production, [a, b]);
  });
  for (const [message, count] of failed) t.diagnostic(`${count} × ${message}`);
  return { changed, failed };
}

/** Ends all connections, and returns when both machines have noticed. */
async function reconnect({ proxy }: Production, machines: readonly SharedMachine[]): Promise<void> {
  proxy.cut();
  for (const { remoteLog } of machines)
    for (let isThere = false; !isThere; )
      isThere = await remoteLog.listBooks().then(
        () => true,
        (error: unknown) => {
          assert.equal((error as PfsError).code, "UNAVAILABLE", String(error));
          return false;
        },
      );
}
