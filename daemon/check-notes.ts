/**
 * Owns what a store remembers of its checks in the background, `checks.json`: what each has found, when, and how far the one is
 * that was cut off. Must never be more than a memory: without it everything is checked once more.
 */
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Difference, type DifferenceKind, REMOTE_KINDS, STORE_KINDS } from "../lib/desync/difference.ts";
import type { StorePosition } from "../lib/desync/store-round.ts";
import { keepOwner } from "../lib/head-signer.ts";
import { type BlobHash, type BookId, isBlobHash } from "../schema/ids.ts";
import { lazily } from "../schema/zod.ts";

/** How many things of one kind of one book differ. */
export interface CountedDifference {
  readonly book: BookId | undefined;
  readonly kind: DifferenceKind;
  count: number;
  /** Of the one that was found first, a whole sentence. */
  readonly first: string;
}

/** A check that is not over. */
export interface CutOffRound {
  readonly position: StorePosition;
  readonly differences: readonly CountedDifference[];
}

/** What is known of one part: the store, or what a remote has of a book. */
export interface PartNotes {
  /** When the last check ended, milliseconds since 1970; undefined: there was none, or something was mended since. */
  readonly checkedMs?: number | undefined;
  /** What it has found. */
  readonly differences: readonly CountedDifference[];
  /** Of the store. */
  readonly round?: CutOffRound | undefined;
  /** Of a remote: the hash behind which bytes are read next, and those that were wrong. */
  readonly rehashAfter?: string | undefined;
  readonly suspects?: readonly BlobHash[] | undefined;
}

/** The store, or the book whose remote it is. */
export type Part = "store" | BookId;

export const UNCHECKED: PartNotes = { differences: [] };

/** Parts by name; a book cannot be called `store:`. */
const STORE_KEY = "store:";
/** The last that a Date can tell. */
const LAST_TIME_MS = 8.64e15;

const shape = lazily((z) => {
  const layerPath = z.strictObject({ book_id: z.string(), path: z.string(), user_id: z.string() });
  const position = z.union([
    z.strictObject({ step: z.literal("log"), seq: z.number().int().nonnegative(), entryHash: z.string() }),
    z.strictObject({ step: z.enum(["paths", "journal"]), after: layerPath }),
    z.strictObject({ step: z.literal("bytes"), after: z.string() }),
  ]);
  const differences = z.array(
    z.strictObject({
      book: z.string().optional(),
      kind: z.enum([...STORE_KINDS, ...REMOTE_KINDS]),
      count: z.number().int().positive(),
      first: z.string(),
    }),
  );
  return z.record(
    z.string(),
    z.strictObject({
      checkedMs: z.number().int().nonnegative().max(LAST_TIME_MS).optional(),
      differences,
      round: z.strictObject({ position, differences }).optional(),
      rehashAfter: z.string().optional(),
      suspects: z.array(z.string().refine(isBlobHash)).optional(),
    }),
  );
});

export class CheckNotes {
  readonly #storeDirectory: string;
  readonly #parts: Map<string, PartNotes>;

  /** What is remembered; nothing where the file is missing, or is not what was written. */
  constructor(storeDirectory: string) {
    this.#storeDirectory = storeDirectory;
    this.#parts = new Map(Object.entries(read(fileOf(storeDirectory))));
  }

  of(part: Part): PartNotes {
    return this.#parts.get(keyOf(part)) ?? UNCHECKED;
  }

  /** Kept by the next {@link save}. */
  set(part: Part, notes: PartNotes): void {
    this.#parts.set(keyOf(part), notes);
  }

  /** Something was mended, or was changed behind pfs' back: what is known counts until it was checked again, soon. */
  setDue(part: Part): void {
    const { differences, rehashAfter, suspects } = this.of(part);
    this.set(part, { differences, rehashAfter, suspects });
  }

  /** Forgets all parts but these. */
  keepOnly(parts: readonly Part[]): void {
    const kept = new Set(parts.map(keyOf));
    for (const key of this.#parts.keys()) if (!kept.has(key)) this.#parts.delete(key);
  }

  /** @throws NodeJS.ErrnoException */
  save(): void {
    const path = fileOf(this.#storeDirectory);
    const temporary = `${path}.tmp`;
    const fd = openSync(temporary, "w", 0o600);
    try {
      writeSync(fd, `${JSON.stringify(Object.fromEntries(this.#parts))}\n`);
      keepOwner(fd, this.#storeDirectory);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  }
}

/** Adds one to what is counted. */
export function countDifference(counted: CountedDifference[], { book, kind, message }: Difference): void {
  const known = counted.find((each) => each.book === book && each.kind === kind);
  if (known === undefined) counted.push({ book, kind, count: 1, first: message });
  else known.count++;
}

/** Of what two checks have found the more of each. */
export function mostOf(
  one: readonly CountedDifference[],
  other: readonly CountedDifference[],
): CountedDifference[] {
  const most = one.map((each) => {
    const also = other.find(({ book, kind }) => book === each.book && kind === each.kind);
    return also !== undefined && also.count > each.count ? also : each;
  });
  const more = other.filter(
    (each) => !one.some(({ book, kind }) => book === each.book && kind === each.kind),
  );
  return [...most, ...more];
}

function fileOf(storeDirectory: string): string {
  return join(storeDirectory, "checks.json");
}

function keyOf(part: Part): string {
  return part === "store" ? STORE_KEY : part;
}

function read(path: string): Record<string, PartNotes> {
  try {
    return shape().parse(JSON.parse(readFileSync(path, "utf8"))) as Record<string, PartNotes>;
  } catch {
    return {};
  }
}
