// The random operations of the model tests and what they are done to: one interface for the worktree, for a model in
// memory and for a real file system. Must never decide what is right.

import fc from "fast-check";

/** One operation as data, so that fast-check can shrink and print it. */
export type Operation =
  | { readonly do: "create"; readonly path: string; readonly mode: number; readonly slot: number }
  | { readonly do: "open"; readonly path: string; readonly slot: number }
  | { readonly do: "read" | "flush" | "close"; readonly slot: number }
  | {
      readonly do: "write";
      readonly slot: number;
      readonly offset: number;
      readonly size: number;
      readonly fill: number;
    }
  | { readonly do: "truncateHandle"; readonly slot: number; readonly size: number }
  | { readonly do: "truncate"; readonly path: string; readonly size: number }
  | { readonly do: "unlink" | "makeDirectory" | "removeDirectory"; readonly path: string }
  | {
      readonly do: "rename";
      readonly path: string;
      readonly to: string;
      readonly flag: "none" | "noReplace" | "exchange";
    }
  | { readonly do: "link"; readonly path: string; readonly to: string }
  | { readonly do: "symlink"; readonly path: string; readonly to: string }
  | { readonly do: "chmod"; readonly path: string; readonly mode: number }
  | { readonly do: "chown"; readonly path: string; readonly uid: number }
  | { readonly do: "touch"; readonly path: string; readonly seconds: number }
  | { readonly do: "setXattr"; readonly path: string; readonly value: string }
  | { readonly do: "settle" };

/** `ok`, a name of an errno, or what was read. */
export type Outcome = string;

/** What one name holds, as far as both sides can know it. */
export interface Entry {
  readonly type: "file" | "directory" | "symlink";
  /** A digest of the bytes, or the target. */
  readonly content: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly links: number;
  /** Nanoseconds, where it was set and the file not written since. */
  readonly mtime: string | undefined;
  readonly xattr: string | undefined;
}

/** Something the operations are done to. Slots are open files. */
export interface Subject {
  run(operation: Operation): Outcome;
  closeAll(): void;
  /** Every path with what is there. */
  snapshot(): Map<string, Entry>;
}

export const SLOTS = 3;

// Few, so that operations meet: most are to find what others made.
const NAMES = ["a", "b.md", "a~", "b.md.tmp"];
const DIRECTORIES = ["", "", "", "d/", "d/", "d/f/", "d~/"];
const LARGE = 140_000;

const path = fc
  .tuple(fc.constantFrom(...DIRECTORIES), fc.constantFrom(...NAMES))
  .map(([directory, name]) => directory + name);
const directoryPath = fc.constantFrom("d", "e", "d/f", "d~", "e/f", "a");
const anyPath = fc.oneof({ weight: 4, arbitrary: path }, { weight: 1, arbitrary: directoryPath });
const slot = fc.nat(SLOTS - 1);
const size = fc.oneof(fc.nat(60), fc.constantFrom(0, 1, 131_072, 131_073, LARGE));
const mode = fc.constantFrom(0o644, 0o600, 0o755, 0o444, 0o711, 0o4755);
const fill = fc.integer({ min: 1, max: 255 });

function operation(shape: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Operation> {
  return fc.record(shape) as fc.Arbitrary<unknown> as fc.Arbitrary<Operation>;
}

const is = (name: Operation["do"]) => fc.constant(name);
const both = { path: anyPath, to: anyPath };

/** What node:fs can do, too. */
const common: fc.WeightedArbitrary<Operation>[] = [
  { weight: 8, arbitrary: operation({ do: is("create"), path, mode, slot }) },
  { weight: 4, arbitrary: operation({ do: is("open"), path: anyPath, slot }) },
  { weight: 8, arbitrary: operation({ do: is("write"), slot, offset: size, size, fill }) },
  { weight: 3, arbitrary: operation({ do: fc.constantFrom("read", "flush"), slot }) },
  { weight: 4, arbitrary: operation({ do: is("close"), slot }) },
  { weight: 2, arbitrary: operation({ do: is("truncateHandle"), slot, size }) },
  { weight: 2, arbitrary: operation({ do: is("truncate"), path: anyPath, size }) },
  { weight: 4, arbitrary: operation({ do: is("unlink"), path: anyPath }) },
  { weight: 4, arbitrary: operation({ do: is("makeDirectory"), path: directoryPath }) },
  { weight: 2, arbitrary: operation({ do: is("removeDirectory"), path: anyPath }) },
  { weight: 10, arbitrary: operation({ do: is("rename"), ...both, flag: fc.constant("none") }) },
  { weight: 2, arbitrary: operation({ do: is("symlink"), ...both }) },
  { weight: 2, arbitrary: operation({ do: is("chmod"), path: anyPath, mode }) },
  {
    weight: 2,
    arbitrary: operation({ do: is("touch"), path: anyPath, seconds: fc.integer({ min: -9, max: 2 ** 31 }) }),
  },
  { weight: 2, arbitrary: operation({ do: is("settle") }) },
];

const others: fc.WeightedArbitrary<Operation>[] = [
  {
    weight: 4,
    arbitrary: operation({ do: is("rename"), ...both, flag: fc.constantFrom("noReplace", "exchange") }),
  },
  { weight: 3, arbitrary: operation({ do: is("link"), ...both }) },
  { weight: 1, arbitrary: operation({ do: is("chown"), path: anyPath, uid: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: operation({ do: is("setXattr"), path: anyPath, value: fc.string({ maxLength: 5 }) }),
  },
];

function write(path: string, size: number): Operation[] {
  return [
    { do: "create", path, mode: 0o644, slot: 0 },
    { do: "write", slot: 0, offset: 0, size, fill: 65 },
    { do: "close", slot: 0 },
  ];
}

/** What every sequence begins with. */
export const BEGINNING: readonly Operation[] = [
  ...["d", "d/f", "d~"].map((path): Operation => ({ do: "makeDirectory", path })),
  ...["a", "d/a", "d/f/b.md", "a~"].flatMap((path) => write(path, 20)),
  ...["b.md", "d/b.md.tmp"].flatMap((path) => write(path, LARGE)),
];

/** How long a sequence may be. */
export const OPERATIONS = { minLength: 1, maxLength: 60, size: "max" } as const;

export const allOperation = fc.oneof(...common, ...others);
export const commonOperations = fc.array(fc.oneof(...common), OPERATIONS);
export const allOperations = fc.array(allOperation, OPERATIONS);

/** The bytes that a `write` writes. */
export function bytesOf({ size, fill }: { size: number; fill: number }): Buffer {
  const bytes = Buffer.alloc(size, fill);
  // So that a shift by some bytes shows.
  for (let at = 0; at < size; at += 1000) bytes[at] = at / 1000;
  return bytes;
}
