/**
 * Owns the pattern language of profiles: which whole paths a list of patterns admits, as files and as directories.
 *
 * A pattern is a path whose segments may hold `*` (any characters but `/`, at most four a segment), `(a|b)` and
 * `(a|b)?`, `{NN-Name}` and `{NN-name}` (two digits, a hyphen, a name), `{name}` (ASCII letters, digits and hyphens,
 * beginning with no hyphen), `{any}` (a whole segment); a segment `**` stands for any number of segments, none included.
 *
 * All patterns become one tree of segments that is walked with a set of nodes: no backtracking, so that the work for
 * a path is bounded by the size of the tree times the path's segments. Must never know the names of profiles.
 */
import { PfsError } from "./errors.ts";
import { quote } from "./ids.ts";
import { checkName } from "./paths.ts";
import { SegmentPattern } from "./segment-pattern.ts";

const PATTERNS_MAX = 500;
const PATTERN_MAX_CHARS = 1000;
/** Bounds the tree, and with it the time for the most hostile path. */
const TOTAL_MAX_CHARS = 65_536;
const EXPECTED_SHOWN = 6;

interface Node {
  readonly children: Map<string, Child>;
  /** Entered through `**`: any further segment stays here. */
  readonly loops: boolean;
  accepts: boolean;
  /** The step of the walk that reached this node last. */
  step: number;
}

interface Child {
  /** undefined: `**`. */
  readonly segment: SegmentPattern | undefined;
  readonly node: Node;
}

export interface PatternOptions {
  /** When false, names that begin with a dot fit only segments that begin with a dot themselves. */
  readonly hidden: boolean;
}

/** What a list of patterns admits. Paths are taken as valid; check them with parseTreePath before. */
export interface PatternSet {
  readonly patterns: readonly string[];
  readonly hidden: boolean;
  /** Whether the whole path fits a pattern. */
  matchesFile(path: string): boolean;
  /** Whether something below `path` could fit a pattern. */
  admitsDirectory(path: string): boolean;
  /** One sentence: the first part of `path` that fits nowhere, and what would. */
  explain(path: string): string;
}

/** @throws PfsError USAGE: no, too many or too long patterns, or a malformed one, which is named */
export function compilePatterns(
  patterns: readonly string[],
  options: PatternOptions = { hidden: true },
): PatternSet {
  if (patterns.length === 0) throw new PfsError("USAGE", "A list of patterns is empty.");
  if (patterns.length > PATTERNS_MAX) {
    throw new PfsError(
      "USAGE",
      `There are ${patterns.length} patterns; at most ${PATTERNS_MAX} are possible.`,
    );
  }
  const totalChars = patterns.reduce((sum, pattern) => sum + pattern.length, 0);
  if (totalChars > TOTAL_MAX_CHARS) {
    throw new PfsError("USAGE", `All patterns together are longer than ${TOTAL_MAX_CHARS} characters.`);
  }
  const root = makeNode(false);
  const segments = new Map<string, SegmentPattern>();
  for (const pattern of patterns) addPattern(root, pattern, segments);
  return new PatternTree(root, patterns, options.hidden);
}

function makeNode(loops: boolean): Node {
  return { children: new Map(), loops, accepts: false, step: -1 };
}

function addPattern(root: Node, pattern: string, segments: Map<string, SegmentPattern>): void {
  if (pattern.length > PATTERN_MAX_CHARS) {
    throw new PfsError(
      "USAGE",
      `The pattern ${quote(pattern)} is longer than ${PATTERN_MAX_CHARS} characters.`,
    );
  }
  let node = root;
  for (const text of pattern.split("/")) {
    if (text === "") {
      throw new PfsError(
        "USAGE",
        `The pattern ${quote(pattern)} has a segment without text: a slash too many, or nothing at all.`,
      );
    }
    // `**` twice in a row says no more than once.
    if (text === "**" && node.loops) continue;
    node = childOf(node, text, segments, pattern);
  }
  node.accepts = true;
}

function childOf(node: Node, text: string, segments: Map<string, SegmentPattern>, pattern: string): Node {
  let child = node.children.get(text);
  if (child === undefined) {
    child = {
      segment: text === "**" ? undefined : segmentOf(text, segments, pattern),
      node: makeNode(text === "**"),
    };
    node.children.set(text, child);
  }
  return child.node;
}

function segmentOf(text: string, segments: Map<string, SegmentPattern>, pattern: string): SegmentPattern {
  let segment = segments.get(text);
  if (segment === undefined) {
    try {
      checkName(text);
      segment = new SegmentPattern(text);
    } catch (cause) {
      // A segment of alternatives may be longer than any name.
      if (cause instanceof PfsError) {
        throw new PfsError("USAGE", `The pattern ${quote(pattern)} is malformed: ${cause.message}`, {
          cause,
        });
      }
      segment = new SegmentPattern(text);
    }
    segments.set(text, segment);
  }
  return segment;
}

class PatternTree implements PatternSet {
  readonly patterns: readonly string[];
  readonly hidden: boolean;
  readonly #root: Node;
  #step = 0;

  constructor(root: Node, patterns: readonly string[], hidden: boolean) {
    this.#root = root;
    this.patterns = [...patterns];
    this.hidden = hidden;
  }

  matchesFile(path: string): boolean {
    const nodes = this.#walk(path.split("/"));
    return nodes.some((node) => node.accepts);
  }

  admitsDirectory(path: string): boolean {
    if (path === "") return true;
    const nodes = this.#walk(path.split("/"));
    return nodes.some((node) => node.loops || node.children.size > 0);
  }

  explain(path: string): string {
    let nodes = this.#start();
    const names = path.split("/");
    for (const [index, name] of names.entries()) {
      const next = this.#next(nodes, name);
      if (next.length === 0) return describeMisfit(names, index, nodes, this.hidden);
      nodes = next;
    }
    if (nodes.some((node) => node.accepts)) return `${quote(path)} fits the schema.`;
    return `${quote(path)} can only be a directory, holding ${describeExpected(nodes)}.`;
  }

  #walk(names: readonly string[]): Node[] {
    let nodes = this.#start();
    for (const name of names) {
      nodes = this.#next(nodes, name);
      if (nodes.length === 0) break;
    }
    return nodes;
  }

  #start(): Node[] {
    this.#step += 1;
    const nodes: Node[] = [];
    this.#enter(this.#root, nodes);
    return nodes;
  }

  #next(nodes: readonly Node[], name: string): Node[] {
    this.#step += 1;
    const next: Node[] = [];
    const restricted = !this.hidden && name.startsWith(".");
    for (const node of nodes) {
      if (node.loops && !restricted) this.#enter(node, next);
      for (const { segment, node: below } of node.children.values()) {
        if (segment === undefined || below.step === this.#step) continue;
        if (restricted && !segment.namesHidden) continue;
        if (segment.matches(name)) this.#enter(below, next);
      }
    }
    return next;
  }

  /** Adds a node, and the `**` below it, which may stand for nothing. */
  #enter(node: Node, into: Node[]): void {
    if (node.step === this.#step) return;
    node.step = this.#step;
    into.push(node);
    const anyDepth = node.children.get("**");
    if (anyDepth !== undefined) this.#enter(anyDepth.node, into);
  }
}

function describeMisfit(
  names: readonly string[],
  index: number,
  nodes: readonly Node[],
  hidden: boolean,
): string {
  const name = names[index]!;
  const place = index === 0 ? "at the book's root" : `below ${quote(names.slice(0, index).join("/"))}`;
  if (!nodes.some((node) => node.loops || node.children.size > 0)) {
    return `Nothing can be ${place}: the schema has no such folder.`;
  }
  if (!hidden && name.startsWith("."))
    return `${quote(name)} ${place} is hidden: its name begins with a dot.`;
  return `${quote(name)} has no place ${place}: expected ${describeExpected(nodes)}.`;
}

function describeExpected(nodes: readonly Node[]): string {
  const texts = new Set<string>();
  for (const node of nodes) {
    for (const { segment } of node.children.values()) if (segment !== undefined) texts.add(segment.text);
  }
  const shown = [...texts]
    .slice(0, EXPECTED_SHOWN)
    .map((text) => (text.length > 60 ? `${text.slice(0, 60)}…` : text));
  if (shown.length === 0) return "any name";
  return texts.size > shown.length
    ? `${shown.join(", ")} and ${texts.size - shown.length} more`
    : shown.join(" or ");
}
