/**
 * Owns the pattern of one path segment: its grammar and its matcher. A profile's patterns come from users, so the
 * matcher keeps a set of reachable positions instead of backtracking: its work is bounded by the pattern's length
 * times the name's, whatever both hold. Must never know about whole paths.
 */
import { PfsError } from "./errors.ts";
import { quote } from "./ids.ts";
import { NAME_MAX_BYTES } from "./paths.ts";

type Part =
  | { readonly kind: "literal"; readonly text: string }
  /** `*`: any characters, possibly none. */
  | { readonly kind: "run" }
  /** `(a|b)` and, when optional, `(a|b)?`. */
  | { readonly kind: "choice"; readonly texts: readonly string[]; readonly optional: boolean }
  /** Two ASCII digits. */
  | { readonly kind: "number" }
  /** `[A-Za-z0-9][A-Za-z0-9-]*` */
  | { readonly kind: "name" };

const RUNS_MAX = 4;
const numbered: readonly Part[] = [{ kind: "number" }, { kind: "literal", text: "-" }, { kind: "name" }];
const placeholders: Readonly<Record<string, readonly Part[]>> = {
  "NN-Name": numbered,
  "NN-name": numbered,
  name: [{ kind: "name" }],
  any: [{ kind: "run" }],
};

/** One compiled segment of a pattern. */
export class SegmentPattern {
  /** As written. */
  readonly text: string;
  /** True when it begins with a literal dot, and so asks for hidden names by itself. */
  readonly namesHidden: boolean;
  readonly #parts: readonly Part[];
  // Patterns of one profile share segments, so that the same question comes several times in a row.
  #lastName: string | undefined;
  #lastAnswer = false;

  /** @throws PfsError USAGE, saying what is wrong with the segment */
  constructor(text: string) {
    this.text = text;
    this.#parts = parseSegment(text);
    const first = this.#parts[0];
    this.namesHidden = first?.kind === "literal" && first.text.startsWith(".");
  }

  /** Whether the whole of `name` fits. */
  matches(name: string): boolean {
    if (name !== this.#lastName) {
      this.#lastName = name;
      this.#lastAnswer = matchParts(this.#parts, name);
    }
    return this.#lastAnswer;
  }
}

function parseSegment(text: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    if (char === "*") {
      if (text[at + 1] === "*") throw malformed(text, "** must be a whole segment");
      parts.push({ kind: "run" });
      at += 1;
    } else if (char === "(") {
      at = parseChoice(text, at, parts);
    } else if (char === "{") {
      at = parsePlaceholder(text, at, parts);
    } else if (isSpecial(char)) {
      throw malformed(text, `${quote(char)} has no meaning at this place`);
    } else {
      const start = at;
      while (at < text.length && !isSpecial(text[at]!)) at += 1;
      parts.push({ kind: "literal", text: text.slice(start, at) });
    }
  }
  if (parts.filter((part) => part.kind === "run").length > RUNS_MAX) {
    throw malformed(text, `a segment takes at most ${RUNS_MAX} *`);
  }
  return parts;
}

function parseChoice(text: string, open: number, parts: Part[]): number {
  const close = text.indexOf(")", open);
  if (close === -1) throw malformed(text, "( is not closed in its segment");
  const texts = text.slice(open + 1, close).split("|");
  for (const one of texts) {
    if (one === "") throw malformed(text, "an alternative is empty; an optional group is written (a|b)?");
    if ([...one].some(isSpecial)) throw malformed(text, "alternatives are plain text");
  }
  const optional = text[close + 1] === "?";
  parts.push({ kind: "choice", texts: [...new Set(texts)], optional });
  return close + (optional ? 2 : 1);
}

function parsePlaceholder(text: string, open: number, parts: Part[]): number {
  const close = text.indexOf("}", open);
  if (close === -1) throw malformed(text, "{ is not closed in its segment");
  const name = text.slice(open + 1, close);
  if (!Object.hasOwn(placeholders, name)) {
    throw malformed(text, `{${name}} is unknown; there are {NN-Name}, {NN-name}, {name} and {any}`);
  }
  if (name === "any" && text !== "{any}") throw malformed(text, "{any} must be a whole segment");
  parts.push(...placeholders[name]!);
  return close + 1;
}

function isSpecial(char: string): boolean {
  return "*?()|{}\\".includes(char);
}

function malformed(text: string, reason: string): PfsError {
  return new PfsError("USAGE", `The pattern segment ${quote(text)} is malformed: ${reason}.`);
}

// Which positions of the name the parts so far can end at. The code below is synchronous and does not recurse, so
// that two shared buffers do.
let reached = new Uint8Array(NAME_MAX_BYTES + 1);
let reaching = new Uint8Array(NAME_MAX_BYTES + 1);

function matchParts(parts: readonly Part[], name: string): boolean {
  const end = name.length;
  if (end > NAME_MAX_BYTES) return false;
  reached.fill(0, 0, end + 1);
  reached[0] = 1;
  let lowest = 0;
  for (const part of parts) {
    reaching.fill(0, 0, end + 1);
    advance(part, name, lowest);
    lowest = reaching.indexOf(1, lowest);
    if (lowest === -1 || lowest > end) return false;
    [reached, reaching] = [reaching, reached];
  }
  return reached[end] === 1;
}

function advance(part: Part, name: string, lowest: number): void {
  const end = name.length;
  if (part.kind === "run") {
    reaching.fill(1, lowest, end + 1);
    return;
  }
  for (let at = lowest; at <= end; at++) {
    if (reached[at] !== 1) continue;
    switch (part.kind) {
      case "literal":
        if (name.startsWith(part.text, at)) reaching[at + part.text.length] = 1;
        break;
      case "number":
        if (isDigit(name.charCodeAt(at)) && isDigit(name.charCodeAt(at + 1))) reaching[at + 2] = 1;
        break;
      case "choice":
        if (part.optional) reaching[at] = 1;
        for (const text of part.texts) if (name.startsWith(text, at)) reaching[at + text.length] = 1;
        break;
      case "name":
        if (isAlphanumeric(name.charCodeAt(at))) advanceName(name, at + 1);
        break;
    }
  }
}

function advanceName(name: string, from: number): void {
  for (let at = from; at <= name.length; at++) {
    // Whoever set this position has set the rest of the run too.
    if (reaching[at] === 1) return;
    reaching[at] = 1;
    const unit = name.charCodeAt(at);
    if (unit !== 0x2d && !isAlphanumeric(unit)) return;
  }
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function isAlphanumeric(unit: number): boolean {
  return isDigit(unit) || (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a);
}
