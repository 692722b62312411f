// What may happen in a simulation of sync, and how often: arbitrary steps of arbitrary machines. Does nothing itself.

import fc from "fast-check";
import { parseUserId } from "../../schema/ids.ts";
import { type Fault, faults } from "./memory-remote.ts";

const PATHS = ["a.md", "b.md", "d/a.md", "d/b.md", "d/e/a.md", "e/a.md", "d", "e"];
/** Who may do something: the base's writers more often. */
export const LAYERS = [undefined, undefined, undefined, "carl", "carl", "dora"].map((name) =>
  name === undefined ? undefined : parseUserId(name),
);
export const USERS = [...new Set(LAYERS)].filter((user) => user !== undefined);

type Step =
  | { readonly type: "edit"; readonly path: string; readonly line: number; readonly text: string }
  | { readonly type: "rename" | "exchange"; readonly path: string; readonly to: string }
  | { readonly type: "remove" | "chmod" | "mkdir" | "rmdir" | "symlink"; readonly path: string }
  /** A program opens a file and writes, and saves that later, if at all. */
  | { readonly type: "draft"; readonly path: string; readonly text: string }
  /** What the user has changed there. */
  | { readonly type: "publish" | "revert"; readonly path: string }
  /** `back`: rows of the log. */
  | { readonly type: "restore"; readonly path: string; readonly back: number }
  | {
      readonly type: "resolve";
      readonly which: number;
      readonly choice: "mine" | "theirs" | "merged" | "removed";
    }
  /** `die`: by kill -9; `cut` and `join`: off the network, and back. */
  | { readonly type: "pull" | "push" | "die" | "restart" | "settle" | "save" | "cut" | "join" }
  | { readonly type: "fault"; readonly fault: Fault }
  | { readonly type: "race"; readonly other: number; readonly path: string | undefined };

/**
 * `layer`: of {@link LAYERS}; `isStrict`: as on a strict mount; faults and races are then of the next change or sync; `passedMs`:
 * what the clock has gone on before.
 */
export type Command = Step & {
  readonly machine: number;
  readonly layer: number;
  readonly isStrict: boolean;
  /** As on a mount with `delete=hide`. */
  readonly hidesBase: boolean;
  readonly passedMs: number;
  /** How much the machine pulls and pushes at once from now on. */
  readonly pageRows: number;
};

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
      type: fc.constantFrom("mkdir" as const, "rmdir" as const, "symlink" as const),
      path,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("draft" as const), path, text: fc.constantFrom("x", "y", "z") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("resolve" as const),
      which: fc.nat(3),
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
      type: fc.constantFrom("pull" as const, "push" as const, "push" as const, "settle" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom(
        "save" as const,
        "die" as const,
        "restart" as const,
        "cut" as const,
        "join" as const,
        "join" as const,
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
export const command: fc.Arbitrary<Command> = fc
  .tuple(
    step,
    fc.record({
      machine: fc.nat(11),
      layer: fc.nat(LAYERS.length - 1),
      isStrict: fc.nat(5).map((strict) => strict === 0),
      hidesBase: fc.boolean(),
      passedMs: fc.nat(3000),
      pageRows: fc.integer({ min: 1, max: 6 }),
    }),
  )
  .map(([what, how]) => ({ ...what, ...how }));
