// Machines that share a book, random work on each, pushes and pulls in any order, answers that are lost and processes that
// die in between: in the end all have the same, and nothing that was saved is lost. For few schedules and for many.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { BASE, parseUserId, type Seq } from "../../schema/ids.ts";
import { type BookFixture, EXCHANGE, layerOf, PLAIN_RENAME } from "../lib/book-fixture.ts";
import { assertConverged, Machine } from "./machine.ts";
import { Cut, type Fault, faults, MemoryRemote } from "./memory-remote.ts";
import { shorten } from "./shorten.ts";

const PATHS = ["a.md", "b.md", "d/a.md", "d/b.md", "e/a.md", "d", "e"];
const USER = parseUserId("carl");
const LINES = ["one", "", "two", "", "three", "", "four", ""];

type Step =
  | { readonly type: "edit"; readonly path: string; readonly line: number; readonly text: string }
  | { readonly type: "rename" | "exchange"; readonly path: string; readonly to: string }
  | { readonly type: "remove" | "chmod"; readonly path: string }
  /** What the user has changed there. */
  | { readonly type: "publish" | "revert"; readonly path: string }
  /** `back`: rows of the log. */
  | { readonly type: "restore"; readonly path: string; readonly back: number }
  | { readonly type: "resolve"; readonly choice: "mine" | "theirs" | "merged" | "removed" }
  | { readonly type: "pull" | "push" | "die" | "settle" }
  | { readonly type: "fault"; readonly fault: Fault }
  | { readonly type: "race"; readonly other: number; readonly path: string | undefined };

/** `isStrict`: as on a strict mount; faults and races are then of the next change or sync. */
type Command = Step & { readonly machine: number; readonly isUser: boolean; readonly isStrict: boolean };

const path = fc.constantFrom(...PATHS);
/** A file, a directory, or everything. */
const place = fc.oneof(path, fc.constant(""));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("edit" as const),
      path,
      line: fc.nat(7),
      // Few, so that a version comes back after others.
      text: fc.constantFrom("x", "y", "z"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("rename" as const), path, to: path }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("exchange" as const), path, to: path }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("remove" as const, "chmod" as const), path }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("resolve" as const),
      choice: fc.constantFrom("mine" as const, "theirs" as const, "merged" as const, "removed" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom("publish" as const, "revert" as const), path: place }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("restore" as const), path: place, back: fc.nat(20) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom(
        "pull" as const,
        "push" as const,
        "push" as const,
        "die" as const,
        "settle" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("fault" as const), fault: fc.constantFrom(...faults) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("race" as const),
      other: fc.nat(),
      path: fc.option(path, { nil: undefined }),
    }),
  },
);
const command: fc.Arbitrary<Command> = fc
  .tuple(step, fc.nat(), fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 5 }))
  .map(([each, machine, user, strict]) => ({ ...each, machine, isUser: user < 2, isStrict: strict === 0 }));

async function run(machines: readonly Machine[], commands: readonly Command[]): Promise<Set<string>> {
  const saved = new Set<string>();
  for (const each of commands) {
    const machine = machines[each.machine % machines.length] as Machine;
    try {
      await act(machines, machine, each, saved);
    } catch (error) {
      if (!(error instanceof PosixError || error instanceof PfsError || error instanceof Cut)) throw error;
      if (error instanceof PfsError && error.code === "STORE_DAMAGED") throw error;
    }
  }
  return saved;
}

function isThere(layer: BookFixture, path: string): boolean {
  try {
    return layer.find(path) !== undefined;
  } catch {
    // No such directory.
    return false;
  }
}

/** @throws PosixError where a program would get one */
function requireFile(layer: BookFixture, path: string): void {
  if (!isThere(layer, path)) throw new PosixError("ENOENT");
}

function makeParents(layer: BookFixture, path: string): void {
  const directory = path.split("/").slice(0, -1).join("/");
  if (directory !== "") layer.makeDirectories(directory);
}

async function act(
  machines: readonly Machine[],
  machine: Machine,
  each: Command,
  saved: Set<string>,
): Promise<void> {
  const layer: BookFixture = each.isUser ? layerOf(machine, USER) : machine;
  const change = async (action: () => void): Promise<void> =>
    each.isStrict ? machine.strictly(action, layer.worktree) : action();
  switch (each.type) {
    case "edit": {
      makeParents(layer, each.path);
      if (layer.find(each.path) !== undefined) machine.fetchAll();
      const lines = layer.find(each.path) === undefined ? [...LINES] : layer.text(each.path).split("\n");
      lines[each.line] = `${each.text}`;
      const text = lines.join("\n");
      const isThere = layer.find(each.path) !== undefined;
      const file = isThere ? layer.open(each.path) : layer.create(each.path, machine.actor);
      try {
        if (isThere) file.truncate(0, machine.actor);
        file.write(0, Buffer.from(text), machine.actor);
        await change(() => file.commit(machine.actor, { durable: false }));
        saved.add(hash("sha256", text));
      } finally {
        file.release(machine.actor);
      }
      return;
    }
    case "rename":
    case "exchange":
      // What others did may come in between: it is all done anew then.
      await change(() => {
        requireFile(layer, each.path);
        makeParents(layer, each.to);
        layer.rename(each.path, each.to, each.type === "rename" ? PLAIN_RENAME : EXCHANGE, {
          ...machine.actor,
          hidesBase: true,
        });
      });
      return;
    case "remove":
      await change(() => {
        requireFile(layer, each.path);
        layer.unlink(each.path, { ...machine.actor, hidesBase: each.path < "b" });
      });
      return;
    case "chmod": {
      requireFile(layer, each.path);
      const { fileId, mode } = layer.node(each.path);
      await change(() => layer.worktree.setAttributes(fileId, { mode: mode ^ 0o111 }, machine.actor));
      return;
    }
    case "resolve": {
      machine.fetchAll();
      const [id] = [...layer.worktree.conflicts.ids(0)];
      if (id === undefined) return;
      if (each.choice === "removed") layer.worktree.removeConflict(id, machine.actor);
      else layer.worktree.resolveConflict(id, each.choice, machine.actor);
      return;
    }
    case "publish":
    case "revert":
      machine.fetchAll();
      layerOf(machine, USER).worktree[each.type]([each.path], { ...machine.actor, hidesBase: true });
      return;
    case "restore": {
      machine.fetchAll();
      const seq = Math.max(0, machine.library.log.seq - each.back) as Seq;
      layer.worktree.restore(seq, [each.path], machine.actor);
      return;
    }
    case "settle":
      layer.settle();
      return;
    case "die":
      machine.reopen();
      return;
    case "pull":
      await machine.pullAll();
      return;
    case "push":
      await machine.pushAll();
      return;
    case "fault":
      machine.fault = each.fault;
      if (!each.isStrict) await machine.pushAll();
      return;
    case "race": {
      const other = machines[each.other % machines.length] as Machine;
      if (other !== machine) machine.race = () => race(other, each.path);
      if (each.path !== undefined && isThere(machine, each.path)) {
        machine.fetchAll();
        machine.write(each.path, `${machine.text(each.path)}?`, machine.actor);
      }
      if (!each.isStrict) await machine.pushAll();
    }
  }
}

/** Pushes; and with a path leaves there what was there before, which nobody could tell from its bytes. */
async function race(machine: Machine, path: string | undefined): Promise<void> {
  await machine.pushAll();
  if (path === undefined || !isThere(machine, path)) return;
  machine.fetchAll();
  const text = machine.text(path);
  for (const next of [`${text}!`, text]) machine.write(path, next, machine.actor);
  await machine.pushAll();
}

/** How long a failure's schedule is made shorter, so that it is told before the file's time is over. */
const SHORTENING_MS = 120_000;

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
 * @throws Error what is needed of the first schedule that does not, and its seed
 */
export async function simulate({ schedules, machines: most, steps }: Size): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    makeStores(top, most);
    const result = await fc.check(
      fc.asyncProperty(
        fc.integer({ min: 2, max: most }),
        fc.array(command, { maxLength: steps, size: "max" }),
        async (count, commands) => await runSchedule(top, count, commands),
      ),
      { numRuns: schedules, endOnFailure: true },
    );
    const { counterexample, errorInstance: cause, seed, numRuns } = result;
    if (counterexample === null) {
      assert.equal(numRuns, schedules);
      return;
    }
    const [count, commands] = counterexample;
    throw new Error(
      `Schedule ${numRuns} fails (PFS_SEED=${seed}): ${String(cause)}\n${await told(top, count, commands, cause)}`,
      { cause },
    );
  } finally {
    rmSync(top, { recursive: true });
  }
}

/** The steps that are needed for a failure of the same kind, one a line. */
async function told(
  top: string,
  count: number,
  commands: readonly Command[],
  error: unknown,
): Promise<string> {
  const endMs = performance.now() + SHORTENING_MS;
  const kind = kindOf(error);
  const fails = async (some: readonly Command[]): Promise<boolean> => {
    try {
      await runSchedule(top, count, some);
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

async function runSchedule(top: string, count: number, commands: readonly Command[]): Promise<void> {
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
      for (const each of machine.library.openWorktrees()) each.settle(0);
    }
    // What a pull puts anew is pushed, and what a push brings others is pulled.
    for (let round = 0; round < 3; round++) for (const machine of machines) await machine.pushAll();
    await assertConverged(machines);
    for (const machine of machines) {
      assert.deepEqual(machine.files(USER), remote.files(USER), "the user's layer");
      assert.deepEqual(machine.identities(BASE), machines[0]?.identities(BASE), "I1, and modes");
      machine.assertRowsOnce();
      machine.assertNothingOverlooked();
    }
    const kept = new Set(machines.flatMap((machine) => machine.loggedHashes()));
    for (const each of saved) assert.ok(kept.has(each), "W2: what was saved is in a log");
  } finally {
    for (const machine of machines) machine.take();
  }
}
