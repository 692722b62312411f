// Turns: how many are under way at once, in which order, and that nobody's turn is lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Turns } from "../../lib/turns.ts";

/** Work that lasts until it is told to end. */
class Work {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<void>>();

  of(name: string): () => Promise<string> {
    const end = Promise.withResolvers<void>();
    this.#ends.set(name, end);
    return async () => {
      this.begun.push(name);
      await end.promise;
      return name;
    };
  }

  end(name: string, error?: Error): void {
    const end = this.#ends.get(name);
    if (error === undefined) end?.resolve();
    else end?.reject(error);
  }
}

const { signal: never } = new AbortController();

test("turns: so many at once and no more, the others in their order, also behind one that failed", async () => {
  const work = new Work();
  const turns = new Turns(2);
  const done = ["a", "b", "c", "d"].map((name) => turns.run(work.of(name), never));
  const outcomes = Promise.allSettled(done);
  await setImmediate();
  assert.deepEqual(work.begun, ["a", "b"]);
  work.end("b", new Error("as planned"));
  await setImmediate();
  assert.deepEqual(work.begun, ["a", "b", "c"]);
  for (const name of ["a", "c", "d"]) work.end(name);
  assert.deepEqual(
    (await outcomes).map((each) => (each.status === "fulfilled" ? each.value : each.reason.message)),
    ["a", "as planned", "c", "d"],
  );
  assert.deepEqual(work.begun, ["a", "b", "c", "d"]);
});

test("turns: whoever does not wait any more has no turn, and takes none from those behind", async () => {
  const work = new Work();
  const turns = new Turns(1);
  const abort = new AbortController();
  const first = turns.run(work.of("first"), abort.signal);
  const second = turns.run(work.of("second"), abort.signal);
  const third = turns.run(work.of("third"), never);
  const refused = assert.rejects(second, /no more/);
  abort.abort(new Error("no more"));
  await refused;
  work.end("first");
  assert.equal(await first, "first");
  await setImmediate();
  assert.deepEqual(work.begun, ["first", "third"]);
  work.end("third");
  await third;
  await assert.rejects(turns.run(work.of("late"), abort.signal), /no more/);
  assert.deepEqual(work.begun, ["first", "third"]);
});
