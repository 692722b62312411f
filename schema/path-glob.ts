/**
 * Owns the patterns that paths are asked for with: `*` (any characters of one name), `**` (any number of names), `?` (one
 * character), `[a-z]`, `[!a-z]` (one of them, none of them), and `\` before what is meant as it is. Must never be slow: no
 * pattern makes it look at a name more often than the name is long.
 */
import { PfsError } from "./errors.ts";
import { quote } from "./ids.ts";

type Part = { readonly kind: "run" } | { readonly kind: "one"; readonly admits: (char: string) => boolean };

const MAX_CHARS = 4096;

export class PathGlob {
  /** As written. */
  readonly text: string;
  /** What every path that fits begins with. */
  readonly prefix: string;
  /** The only path that fits, where nothing else can. */
  readonly path: string | undefined;
  /** Of each name; undefined: `**`. */
  readonly #names: readonly (readonly Part[] | undefined)[];

  /** @throws PfsError USAGE saying what is wrong with it */
  constructor(text: string) {
    if (text === "") throw malformed(text, "it is empty");
    if (text.length > MAX_CHARS) throw malformed(text, `it is longer than ${MAX_CHARS} characters`);
    this.text = text;
    this.prefix = literalBeginning(text);
    this.path = /[*?[]/.test(text.replaceAll(/\\./gs, "")) ? undefined : this.prefix;
    const names = text.split("/");
    // At its end it is what is below, not the directory itself.
    if (names.at(-1) === "**") names.push("*");
    this.#names = names.map((name) => (name === "**" ? undefined : parseName(text, name)));
  }

  /** Whether the whole path fits. */
  matches(path: string): boolean {
    if (!path.startsWith(this.prefix)) return false;
    if (this.path !== undefined) return path === this.path;
    return fits(this.#names, path.split("/"), {
      isRun: (part) => part === undefined,
      admits: (part, name) => fits(part ?? [], [...name], nameParts),
    });
  }
}

const nameParts = {
  isRun: (part: Part) => part.kind === "run",
  admits: (part: Part, char: string) => part.kind === "one" && part.admits(char),
};

/** Whether the items are what the parts say. A run takes as few as it may; only the last one is ever made longer. */
function fits<One, Item>(
  parts: readonly One[],
  items: readonly Item[],
  { isRun, admits }: { isRun(part: One): boolean; admits(part: One, item: Item): boolean },
): boolean {
  let [part, item] = [0, 0];
  let run: { part: number; item: number } | undefined;
  while (item < items.length) {
    if (part < parts.length && isRun(parts[part]!)) {
      run = { part, item };
      part++;
    } else if (part < parts.length && admits(parts[part]!, items[item]!)) {
      part++;
      item++;
    } else if (run !== undefined) {
      run = { part: run.part, item: run.item + 1 };
      [part, item] = [run.part + 1, run.item];
    } else return false;
  }
  while (part < parts.length && isRun(parts[part]!)) part++;
  return part === parts.length;
}

function literalBeginning(text: string): string {
  const [beginning = ""] = /^(?:[^*?[\\]|\\.)*/s.exec(text) ?? [];
  return beginning.replaceAll(/\\(.)/gs, "$1");
}

function parseName(glob: string, name: string): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < name.length; ) {
    const char = String.fromCodePoint(name.codePointAt(at)!);
    if (char === "[") {
      const [whole = "", not = "", set = ""] = /^\[(!?)(\]?[^\]]*)\]/.exec(name.slice(at)) ?? [];
      if (set === "") throw malformed(glob, "[ is not closed in its name");
      const admits = oneOf(set);
      parts.push({ kind: "one", admits: not === "" ? admits : (each) => !admits(each) });
      at += whole.length;
      continue;
    }
    at += char.length;
    if (char === "*") {
      if (parts.at(-1)?.kind !== "run") parts.push({ kind: "run" });
    } else if (char === "?") parts.push({ kind: "one", admits: () => true });
    else if (char === "\\") {
      if (at === name.length) throw malformed(glob, "nothing comes after its last \\");
      const meant = String.fromCodePoint(name.codePointAt(at)!);
      at += meant.length;
      parts.push({ kind: "one", admits: (each) => each === meant });
    } else parts.push({ kind: "one", admits: (each) => each === char });
  }
  return parts;
}

/** `abc`, `a-z` and both together; a hyphen at either end is one. */
function oneOf(set: string): (char: string) => boolean {
  const chars = [...set];
  const ranges: [first: string, last: string][] = [];
  for (let at = 0; at < chars.length; at++) {
    const isRange = chars[at + 1] === "-" && at + 2 < chars.length;
    ranges.push([chars[at]!, isRange ? chars[at + 2]! : chars[at]!]);
    if (isRange) at += 2;
  }
  return (char) => ranges.some(([first, last]) => first <= char && char <= last);
}

function malformed(text: string, reason: string): PfsError {
  return new PfsError("USAGE", `${quote(text)} is no pattern of paths: ${reason}.`, {
    hint: "Such as content/01-*/**/*.md: * is any part of a name, ** any number of names.",
  });
}
