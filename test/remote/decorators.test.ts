// What is put around remotes of every kind: trying again, giving up, counting, and the faults that tests plan.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock, test } from "node:test";
import { DirectoryBlobs } from "../../lib/remote/directory-blobs.ts";
import type { Operations } from "../../lib/remote/operations.ts";
import { blobOperations, type RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { RemoteCounters, withMetrics } from "../../lib/remote/with-metrics.ts";
import { type RetryOptions, withRetry } from "../../lib/remote/with-retry.ts";
import { withTimeouts } from "../../lib/remote/with-timeouts.ts";
import { takeSeed } from "./random.ts";
import { bytesOf, collect, sourceOf } from "./sources.ts";
import { listedPlan, seededPlan, withFaults } from "./with-faults.ts";

/** A remote that answers as it is told, to see what decorators ask of it. */
interface Counter {
  ask(signal?: AbortSignal): Promise<string>;
  count(from: number, signal?: AbortSignal): AsyncIterable<number>;
  watch(): string;
  close(): Promise<void>;
}

const counterOperations: Operations<Counter> = {
  ask: { type: "answer", signalAt: 0 },
  count: { type: "stream", signalAt: 1, resume: ([, signal], last) => [last + 1, signal] },
  watch: { type: "own" },
  close: { type: "own" },
};

function lost(retryAfterMs?: number): RemoteError {
  return new RemoteError("UNAVAILABLE", "The remote is gone.", { isRetryable: true, retryAfterMs });
}

/** `ask` fails with these one after the other, then answers; `count` counts to ten and fails before each of `failAt`, once. */
function counterThat({ failures = [], failAt = [] }: { failures?: unknown[]; failAt?: number[] }): Counter {
  const failing = new Set(failAt);
  return {
    ask: async () => {
      if (failures.length > 0) throw failures.shift();
      return "answer";
    },
    async *count(from) {
      for (let at = from; at < 10; at++) {
        if (failing.delete(at)) throw lost();
        yield at;
      }
    },
    watch: () => "watched",
    close: async () => undefined,
  };
}

/** Time that passes when somebody waits, and dice that always show the most. */
function fakeTime(): RetryOptions & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    waits,
    now: () => waits.reduce((sum, ms) => sum + ms, 0),
    sleep: async (ms) => {
      waits.push(ms);
    },
    random: () => 1,
  };
}

test("retry: what is lost is tried again after waits that double, up to a bound, then fails as the last one did", async () => {
  const time = fakeTime();
  const policy = { attempts: 6, firstDelayMs: 100, longestDelayMs: 500 };
  const told: string[] = [];
  const onRetry = (operation: string, { code }: RemoteError) => told.push(`${operation} ${code}`);
  const failures = [lost(), lost(), lost(), lost(), lost()];
  const counter = withRetry(counterThat({ failures }), counterOperations, { ...time, policy, onRetry });
  assert.equal(await counter.ask(), "answer");
  assert.deepEqual(time.waits, [100, 200, 400, 500, 500]);
  assert.deepEqual(told, Array(5).fill("ask UNAVAILABLE"));
  const last = lost();
  const more = counterThat({ failures: [...Array.from({ length: 5 }, () => lost()), last] });
  await assert.rejects(withRetry(more, counterOperations, { ...fakeTime(), policy }).ask(), last);
});

test("retry: waits are anywhere between nothing and their bound", async () => {
  const dice = [0, 0.25, 0.999];
  const time = { ...fakeTime(), random: () => dice.shift() ?? 0 };
  const failures = [lost(), lost(), lost()];
  await withRetry(counterThat({ failures }), counterOperations, time).ask();
  assert.deepEqual(time.waits, [0, 50, 399.6]);
});

test("retry: what the remote asks for is waited for, unless that is too long", async () => {
  const time = fakeTime();
  await withRetry(counterThat({ failures: [lost(7_000)] }), counterOperations, time).ask();
  assert.deepEqual(time.waits, [7_000]);
  const long = fakeTime();
  const asksForMuch = lost(61_000);
  await assert.rejects(
    withRetry(counterThat({ failures: [asksForMuch] }), counterOperations, long).ask(),
    asksForMuch,
  );
  assert.deepEqual(long.waits, []);
});

test("retry: what is slow goes on after an hour, too", async () => {
  let nowMs = 0;
  const time = { ...fakeTime(), now: () => nowMs };
  const slow = {
    put: async () => {
      nowMs += 3_600_000;
      if (nowMs < 10_000_000) throw lost();
      return "stored" as const;
    },
  };
  const operations = { put: blobOperations.put };
  const blobs = withRetry<Pick<RemoteBlobs, "put">>(slow, operations, time);
  assert.equal(await blobs.put(sourceOf("long")), "stored");
});

test("retry: what is slow waits for a minute where the remote asks for that, and no longer", async () => {
  const operations = { put: blobOperations.put };
  for (const [askedMs, waits] of [
    [60_000, [60_000]],
    [60_001, []],
    [2_000_000_000, []],
  ] as const) {
    const time = fakeTime();
    const busy = lost(askedMs);
    const failures = [busy];
    const slow = {
      put: async () => {
        for (const failure of failures.splice(0)) throw failure;
        return "stored" as const;
      },
    };
    const blobs = withRetry<Pick<RemoteBlobs, "put">>(slow, operations, time);
    const [outcome] = await Promise.allSettled([blobs.put(sourceOf("long"))]);
    assert.equal(
      outcome.status === "rejected" ? outcome.reason : outcome.value,
      waits.length > 0 ? "stored" : busy,
    );
    assert.deepEqual(time.waits, waits);
  }
});

test("retry: what can only fail again is not tried again", async () => {
  const refused = new RemoteError("UNAVAILABLE", "The remote refuses.", { isRetryable: false });
  for (const failure of [refused, new TypeError("a mistake of ours")]) {
    const time = fakeTime();
    const counter = withRetry(counterThat({ failures: [failure] }), counterOperations, time);
    await assert.rejects(counter.ask(), failure);
    assert.deepEqual(time.waits, []);
  }
});

test("retry: an aborted signal ends the wait with its reason", async () => {
  const abort = new AbortController();
  const reason = new Error("the daemon ends");
  const failures = Array.from({ length: 5 }, () => lost(50_000));
  const counter = withRetry(counterThat({ failures }), counterOperations, {
    onRetry: () => abort.abort(reason),
  });
  await assert.rejects(counter.ask(abort.signal), reason);
  assert.equal(failures.length, 4);
});

test("retry: a stream goes on behind what it gave, each item once; each success gives new patience", async () => {
  const time = fakeTime();
  const policy = { attempts: 2 };
  const failAt = [0, 1, 2, 5, 9];
  const counter = withRetry(counterThat({ failAt }), counterOperations, { ...time, policy });
  assert.deepEqual(await Array.fromAsync(counter.count(0)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(time.waits.length, 5);
});

test("retry: what the reader of a stream throws is nobody else's", async () => {
  const time = fakeTime();
  const counter = withRetry(counterThat({}), counterOperations, time);
  const reading = async () => {
    for await (const at of counter.count(0)) if (at === 3) throw lost();
  };
  await assert.rejects(reading());
  assert.deepEqual(time.waits, []);
});

test("decorators leave alone what is not theirs", () => {
  assert.equal(withRetry(counterThat({}), counterOperations).watch(), "watched");
});

/** Lets everything happen that only waits for promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("time-outs: an answer that does not come is given up, and what was asked is aborted", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
    const silent: Counter = {
      ...counterThat({}),
      ask: (signal) => {
        signal?.addEventListener("abort", () => resolve(signal.reason));
        return new Promise(() => undefined);
      },
    };
    const asked = withTimeouts(silent, counterOperations, { remoteName: "The remote X" }).ask();
    const rejected = assert.rejects(asked, (error) => {
      assert.ok(error instanceof RemoteError && error.isRetryable && error.code === "UNAVAILABLE");
      assert.equal(error.message, "The remote X has not answered for 30 s.");
      return true;
    });
    mock.timers.tick(30_000);
    await rejected;
    assert.ok((await aborted) instanceof RemoteError);
  } finally {
    mock.timers.reset();
  }
});

test("time-outs: a stream may take as long as it moves, and is given up when it stands still", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const ticks = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    const slow: Counter = {
      ...counterThat({}),
      async *count() {
        for (const [at, { promise }] of ticks.entries()) {
          await promise;
          yield at;
        }
      },
    };
    const got: number[] = [];
    const reading = (async () => {
      const counter = withTimeouts(slow, counterOperations, { remoteName: "X", quickMs: 1000 });
      for await (const at of counter.count(0)) got.push(at);
    })();
    const rejected = assert.rejects(reading, /X has not answered for 1 s\./);
    for (const tick of ticks.slice(0, 2)) {
      await settle();
      mock.timers.tick(999);
      tick.resolve();
    }
    await settle();
    mock.timers.tick(1000);
    await rejected;
    assert.deepEqual(got, [0, 1]);
  } finally {
    mock.timers.reset();
  }
});

test("time-outs: a put may take as long as its bytes are read", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const slow = {
      ...({} as RemoteBlobs),
      put: async (source: { read(): AsyncIterable<Uint8Array> }) => {
        for await (const _ of source.read()) {
          mock.timers.tick(900);
          await settle();
        }
        return "stored" as const;
      },
    };
    const operations = { put: blobOperations.put };
    const blobs = withTimeouts<Pick<RemoteBlobs, "put">>(slow, operations, { remoteName: "X", slowMs: 1000 });
    assert.equal(await blobs.put(sourceOf("five", 1)), "stored");
  } finally {
    mock.timers.reset();
  }
});

test("metrics: each attempt counts, by operation and outcome, and so does each time it is tried again", async () => {
  const counters = new RemoteCounters();
  const refused = new RemoteError("FULL", "The remote is full.", { isRetryable: false });
  const counted = withMetrics(counterThat({ failures: [lost(), refused], failAt: [4] }), counterOperations, {
    counters,
    of: "log",
  });
  const onRetry = (operation: string) => counters.retried("log", operation);
  const counter = withRetry(counted, counterOperations, { ...fakeTime(), onRetry });
  await assert.rejects(counter.ask(), refused);
  await counter.ask();
  await Array.fromAsync(counter.count(0));
  const [durations, retries] = counters.families();
  assert.deepEqual(
    durations?.values
      .filter(({ metricName }) => metricName?.endsWith("_count"))
      .map(({ labels, value }) => `${labels.interface} ${labels.operation} ${labels.outcome} ${value}`),
    ["log ask UNAVAILABLE 1", "log ask FULL 1", "log ask ok 1", "log count UNAVAILABLE 1", "log count ok 1"],
  );
  assert.deepEqual(
    retries?.values.map(({ labels, value }) => `${labels.operation} ${value}`),
    ["ask 1", "count 1"],
  );
});

async function withDirectory(work: (blobs: DirectoryBlobs) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    await work(new DirectoryBlobs(directory, { isNew: true }));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("faults: a put whose answer is lost was done, and is found done when it is tried again", async () => {
  await withDirectory(async (directory) => {
    const source = sourceOf("the lesson");
    const faulty = withFaults(directory, blobOperations, listedPlan("put", ["before", "after"]));
    await assert.rejects(faulty.put(source), /as planned \(before\)/);
    assert.equal(await directory.has(source.hash), false);
    await assert.rejects(faulty.put(source), /as planned \(after\)/);
    assert.equal(await directory.has(source.hash), true);
    assert.equal(await faulty.put(source), "present");
  });
});

test("faults: a stream is cut behind its first item, or begins with a wrong byte", async () => {
  await withDirectory(async (directory) => {
    const bytes = bytesOf(300_000);
    const source = sourceOf(bytes);
    await directory.put(source);
    const faulty = withFaults(directory, blobOperations, listedPlan("get", ["after", "wrong-bytes"]));
    await assert.rejects(collect(faulty.get(source.hash)), /as planned \(after\)/);
    const wrong = await collect(faulty.get(source.hash));
    assert.equal(wrong.byteLength, bytes.byteLength);
    assert.notDeepEqual(wrong, bytes);
    assert.ok(wrong.subarray(1).equals(bytes.subarray(1)));
  });
});

test("SC-010: with a third of all calls failing in some way, everything succeeds in the end", async () => {
  const seed = takeSeed();
  await withDirectory(async (directory) => {
    const faulty = withFaults(
      directory,
      blobOperations,
      seededPlan(seed, 1 / 3, ["before", "after", "slow"]),
    );
    const blobs = withRetry(faulty, blobOperations, { policy: { attempts: 30, firstDelayMs: 1 } });
    for (let count = 0; count < 40; count++) {
      const bytes = bytesOf(count * 10_000, count);
      const source = sourceOf(bytes);
      await blobs.put(source);
      await blobs.publish({ name: `my-book/${count}`, hash: source.hash, sizeBytes: source.sizeBytes });
      assert.ok((await collect(blobs.get(source.hash))).equals(bytes), `seed ${seed}`);
    }
    assert.equal((await Array.fromAsync(blobs.list())).flat().length, 40, `seed ${seed}`);
    const names = (await Array.fromAsync(blobs.listPublished("my-book/"))).flat().map(({ name }) => name);
    await blobs.unpublish(names);
    assert.deepEqual(await Array.fromAsync(blobs.listPublished("")), [], `seed ${seed}`);
  });
});
