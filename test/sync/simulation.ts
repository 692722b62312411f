// Machines that share a book, random work on each, pushes and pulls in any order, networks and answers that are lost and
// processes that are killed in between: in the end all have the same, and nothing that was saved is lost. On a clock of its own.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import fc from "fast-check";
import { BASE } from "../../schema/ids.ts";
import { layerOf } from "../lib/book-fixture.ts";
import { assertConverged, Machine } from "./machine.ts";
import { assertSameViews, identitiesIn } from "./machine-views.ts";
import { MemoryRemote } from "./memory-remote.ts";
import { seedFileIds } from "./seeded-ids.ts";
import { shorten } from "./shorten.ts";
import { type Command, command, USERS } from "./simulated-steps.ts";
import { run } from "./simulated-work.ts";

/** Where the clock of each schedule begins, milliseconds since 1970: later than any real time that stores were made at. */
const START_MS = Date.UTC(2100, 0);

/** How long a failure's schedule is made shorter, so that it is told before the file's time is over. */
const SHORTENING_MS = 120_000;

interface Schedule {
  /** Machines. */
  readonly count: number;
  /** Which file ids come, in which order. */
  readonly idSeed: number;
  readonly commands: readonly Command[];
}

/** How large a simulation is. */
interface Size {
  /** Schedules, each on a remote of its own. */
  readonly schedules: number;
  /** At most so many; at least two. */
  readonly machines: number;
  /** At most so many in a schedule. */
  readonly steps: number;
}

/**
 * Each schedule must end with all machines and the remote the same, each row there once, and nothing lost that was saved.
 * @returns how many have
 * @throws Error what is needed of the first schedule that does not, and its seed
 */
export async function simulate({ schedules, machines: most, steps }: Size): Promise<number> {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    makeStores(top, most);
    const result = await fc.check(
      fc.asyncProperty(
        fc.integer({ min: 2, max: most }),
        fc.nat(),
        fc.array(command, { maxLength: steps, size: "max" }),
        async (count, idSeed, commands) => await runSchedule(top, { count, idSeed, commands }),
      ),
      { numRuns: schedules, endOnFailure: true },
    );
    const { counterexample, errorInstance: cause, seed, numRuns } = result;
    if (counterexample === null) return numRuns;
    const [count, idSeed, commands] = counterexample;
    throw new Error(
      `Schedule ${numRuns} fails (PFS_SEED=${seed}): ${String(cause)}\n${await told(top, { count, idSeed, commands }, cause)}`,
      { cause },
    );
  } finally {
    rmSync(top, { recursive: true });
  }
}

/** The steps that are needed for a failure of the same kind, one a line. */
async function told(top: string, schedule: Schedule, error: unknown): Promise<string> {
  const { count, commands } = schedule;
  const endMs = performance.now() + SHORTENING_MS;
  const kind = kindOf(error);
  const fails = async (some: readonly Command[]): Promise<boolean> => {
    try {
      await runSchedule(top, { ...schedule, commands: some });
      return false;
    } catch (other) {
      return kindOf(other) === kind;
    }
  };
  const needed = await shorten(commands, fails, () => performance.now() < endMs);
  const lines = needed.map((each) => JSON.stringify({ ...each, machine: each.machine % count }));
  return [`${count} machines, ${needed.length} of ${commands.length} steps:`, ...lines].join("\n");
}

/** Without what is of one schedule only: paths and numbers. */
function kindOf(error: unknown): string {
  const [first = ""] = String(error).split("\n");
  return first.replace(/\S*\/\S*|\d+/g, "…");
}

/** New stores, of which each schedule has copies: making one takes as long as ten steps. */
function makeStores(top: string, count: number): void {
  for (let index = 0; index < count; index++)
    new Machine(`agent-${index}`, new MemoryRemote(), { directory: newStore(top, index) }).close();
}

const newStore = (top: string, index: number): string => join(top, `new-${index}`);

function copyOfStore(top: string, index: number): string {
  const directory = join(top, `agent-${index}`);
  cpSync(newStore(top, index), directory, { recursive: true });
  return directory;
}

async function runSchedule(top: string, { count, idSeed, commands }: Schedule): Promise<void> {
  mock.timers.enable({ apis: ["Date"], now: START_MS });
  const restoreIds = seedFileIds(idSeed);
  const remote = new MemoryRemote();
  const machines = Array.from(
    { length: count },
    (_, index) => new Machine(`agent-${index}`, remote, { directory: copyOfStore(top, index) }),
  );
  try {
    const saved = await run(machines, commands);
    remote.forgetLate();
    for (const machine of machines) {
      machine.fault = machine.race = undefined;
      machine.isCutOff = false;
      // What an overlay had waiting when its machine was killed waits until somebody uses it again.
      for (const user of USERS) layerOf(machine, user).settle();
      machine.settle();
    }
    // What a pull puts anew is pushed, and what a push brings others is pulled.
    for (let round = 0; round < 3; round++) for (const machine of machines) await machine.pushAll();
    await assertConverged(machines);
    const [first] = machines as [Machine];
    for (const user of USERS)
      for (const machine of machines)
        assert.deepEqual(machine.files(user), remote.files(user), `the layer of ${user}`);
    for (const user of USERS) assertSameViews(machines, user);
    for (const machine of machines) {
      assert.deepEqual(identitiesIn(machine, BASE), identitiesIn(first, BASE), "I1, and modes");
      machine.assertRowsOnce();
      machine.assertNothingOverlooked();
    }
    const kept = new Set(machines.flatMap((machine) => machine.loggedHashes()));
    for (const each of saved) assert.ok(kept.has(each), "W2: what was saved is in a log");
  } finally {
    for (const machine of machines) machine.take();
    restoreIds();
    mock.timers.reset();
  }
}
