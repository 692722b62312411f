/**
 * Owns merging three versions of a text by lines. Must never give out a merge that anybody would have to look at: where
 * both sides changed the same or touching lines there is none.
 */
import { isUtf8 } from "node:buffer";
import { diff3Merge } from "node-diff3";

/** Three versions of something: what both sides began with, and the sides. */
export interface Sides<Version> {
  readonly base: Version;
  readonly mine: Version;
  readonly theirs: Version;
}

/** Lines as numbers: the same line is the same number. */
type Lines = readonly number[];

/**
 * The most work that is put into a merge, as an upper bound of the steps of node-diff3's search for common lines: some
 * 50 ms, as nobody else is served meanwhile.
 */
const MAX_STEPS = 200_000_000;

/**
 * Both sides' changes of `base`, byte for byte: line endings and a missing final newline stay as each side has them.
 * @returns undefined when the changes touch each other, one of the three is no text (UTF-8 without NUL), or it would take
 *   too long
 */
export function mergeText({ base, mine, theirs }: Sides<Buffer>): Buffer | undefined {
  if (![base, mine, theirs].every(isText)) return undefined;
  const numbers = new Map<string, number>();
  const texts: string[] = [];
  const linesOf = (bytes: Buffer): number[] =>
    // One character for each byte, so that nothing is decoded and written anew.
    (bytes.toString("latin1").match(/[^\n]*\n|[^\n]+$/g) ?? []).map((line) => {
      const number = numbers.get(line) ?? texts.push(line) - 1;
      numbers.set(line, number);
      return number;
    });
  const parts = cutAtAnchors({ base: linesOf(base), mine: linesOf(mine), theirs: linesOf(theirs) });
  if (parts.reduce((sum, part) => sum + stepsOf(part), 0) > MAX_STEPS) return undefined;
  const merged: string[] = [];
  for (const part of parts) {
    if (isSame(part.mine, part.base) && isSame(part.theirs, part.base)) {
      for (const line of part.base) merged.push(texts[line] as string);
      continue;
    }
    for (const { ok } of diff3Merge([...part.mine], [...part.base], [...part.theirs])) {
      if (ok === undefined) return undefined;
      for (const line of ok) merged.push(texts[line] as string);
    }
  }
  return Buffer.from(merged.join(""), "latin1");
}

function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

function isSame(a: Lines, b: Lines): boolean {
  return a.length === b.length && a.every((line, at) => line === b[at]);
}

/**
 * Cuts all three after each line that is in each of them exactly once and in the same order: what is changed before it
 * and after it cannot touch. The parts are small, and so is the work for each.
 */
function cutAtAnchors(sides: Sides<Lines>): Sides<Lines>[] {
  const [base, mine, theirs] = [sides.base, sides.mine, sides.theirs].map(uniquePositions) as [
    Positions,
    Positions,
    Positions,
  ];
  const common = [...base].filter(([line]) => mine.has(line) && theirs.has(line));
  const anchors = [mine, theirs].reduce(
    (lines, positions) => longestAscending(lines, (line) => positions.get(line) as number),
    common.map(([line]) => line),
  );
  const parts: Sides<Lines>[] = [];
  let from = { base: 0, mine: 0, theirs: 0 };
  const cut = (to: Sides<number>): void => {
    parts.push({
      base: sides.base.slice(from.base, to.base),
      mine: sides.mine.slice(from.mine, to.mine),
      theirs: sides.theirs.slice(from.theirs, to.theirs),
    });
    from = to;
  };
  for (const line of anchors) {
    const after = (positions: Positions): number => (positions.get(line) as number) + 1;
    cut({ base: after(base), mine: after(mine), theirs: after(theirs) });
  }
  cut({ base: sides.base.length, mine: sides.mine.length, theirs: sides.theirs.length });
  return parts;
}

type Positions = ReadonlyMap<number, number>;

/** Where the lines are that are there once, in their order. */
function uniquePositions(lines: Lines): Positions {
  const counts = new Map<number, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return new Map(
    [...lines.entries()].filter(([, line]) => counts.get(line) === 1).map(([at, line]) => [line, at]),
  );
}

/** The most of `items` whose ranks ascend, in their order (patience sorting). */
function longestAscending(items: Lines, rankOf: (item: number) => number): number[] {
  interface Link {
    readonly item: number;
    readonly before: Link | undefined;
  }
  /** The last of an ascending row of each length, with the lowest rank that there is for that. */
  const ends: Link[] = [];
  for (const item of items) {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (rankOf((ends[middle] as Link).item) < rankOf(item)) low = middle + 1;
      else high = middle;
    }
    ends[low] = { item, before: ends[low - 1] };
  }
  const found: number[] = [];
  for (let link = ends.at(-1); link !== undefined; link = link.before) found.push(link.item);
  return found.reverse();
}

/** For each pair of equal lines of a side and the base, the search may look at all pairs that it keeps. */
function stepsOf({ base, mine, theirs }: Sides<Lines>): number {
  const counts = new Map<number, number>();
  for (const line of base) counts.set(line, (counts.get(line) ?? 0) + 1);
  const pairsWith = (side: Lines): number => side.reduce((sum, line) => sum + (counts.get(line) ?? 0), 0);
  return [mine, theirs].reduce(
    (sum, side) => sum + (pairsWith(side) + side.length) * Math.min(side.length, base.length),
    0,
  );
}
