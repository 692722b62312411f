/**
 * Owns how the difference of two versions of a file is written: git's form of the unified diff, which `patch` and
 * `git apply` take. Text is handled as bytes (one character each), so that no encoding is altered. Must never read a store.
 */
import { styleText } from "node:util";
import { structuredPatch } from "diff";
import { printable } from "./text.ts";

/** One side of the comparison. */
export interface Version {
  readonly path: string;
  /** As in git: 100644, 100755, 120000 (octal). */
  readonly mode: number;
  readonly sha256: string;
  /** Undefined for a file over {@link MAX_COMPARED_BYTES}, which is named only. */
  readonly bytes: Buffer | undefined;
}

export interface DiffStyle {
  readonly color: boolean;
  /** A person looks: nothing may steer the terminal. */
  readonly terminal: boolean;
}

/** Lines around a change. */
const CONTEXT_LINES = 3;
/** Larger files are named only: comparing them line by line would take minutes. */
export const MAX_COMPARED_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 5_000;
/** Where git looks for a NUL to tell binary files. Source: git, xdiff-interface.c, FIRST_FEW_BYTES */
const SNIFFED_BYTES = 8000;
const NO_FILE = "/dev/null";

/** The diff of one file, each line with its newline; undefined sides are absent files. */
export function unifiedDiff(
  before: Version | undefined,
  after: Version | undefined,
  style: DiffStyle,
): Buffer {
  const lines = [...headerOf(before, after), ...bodyOf(before, after)];
  return Buffer.concat((style.terminal ? withoutReturns(lines) : lines).map((line) => paint(line, style)));
}

type Kind = "header" | "hunk" | "added" | "removed" | "same";

interface Line {
  readonly kind: Kind;
  /** One character for each byte. */
  readonly text: string;
}

/** For people: a carriage return at a line's end shows only where it is what was changed. */
function withoutReturns(lines: readonly Line[]): Line[] {
  const textsOf = (wanted: Kind): Set<string> =>
    new Set(lines.filter(({ kind }) => kind === wanted).map(({ text }) => text.slice(1)));
  const [added, removed] = [textsOf("added"), textsOf("removed")];
  return lines.map((line) => {
    if (!line.text.endsWith("\r")) return line;
    const text = line.text.slice(0, -1);
    const others = line.kind === "added" ? removed : added;
    const isTheChange = line.kind !== "same" && others.has(text.slice(1));
    return isTheChange ? line : { ...line, text };
  });
}

function headerOf(before: Version | undefined, after: Version | undefined): Line[] {
  const [from, to] = [before ?? after, after ?? before] as [Version, Version];
  const texts = [`diff --git ${quoted(`a/${from.path}`)} ${quoted(`b/${to.path}`)}`];
  if (before === undefined) texts.push(`new file mode ${to.mode.toString(8)}`);
  else if (after === undefined) texts.push(`deleted file mode ${from.mode.toString(8)}`);
  else if (before.mode !== after.mode)
    texts.push(`old mode ${before.mode.toString(8)}`, `new mode ${after.mode.toString(8)}`);
  if (from.path !== to.path) texts.push(`rename from ${quoted(from.path)}`, `rename to ${quoted(to.path)}`);
  return texts.map((text) => ({ kind: "header", text: asBytes(text) }));
}

function bodyOf(before: Version | undefined, after: Version | undefined): Line[] {
  if (before?.sha256 === after?.sha256) return [];
  const [from, to] = [nameOf("a", before), nameOf("b", after)];
  const [old, current] = [bytesOf(before), bytesOf(after)];
  if (old === undefined || current === undefined) return [header(`Files ${from} and ${to} differ`)];
  if (isBinary(old) || isBinary(current)) return [header(`Binary files ${from} and ${to} differ`)];
  const patch = structuredPatch("", "", old.toString("latin1"), current.toString("latin1"), "", "", {
    context: CONTEXT_LINES,
    timeout: TIMEOUT_MS,
  });
  if (patch === undefined) return [header(`Files ${from} and ${to} differ`)];
  // An empty file that is new or gone.
  if (patch.hunks.length === 0) return [];
  const lines = [header(`--- ${withTab(from)}`), header(`+++ ${withTab(to)}`)];
  for (const { oldStart, oldLines, newStart, newLines, lines: changed } of patch.hunks) {
    lines.push({ kind: "hunk", text: `@@ -${range(oldStart, oldLines)} +${range(newStart, newLines)} @@` });
    for (const text of changed) lines.push({ kind: kindOf(text), text });
  }
  return lines;
}

function bytesOf(version: Version | undefined): Buffer | undefined {
  return version === undefined ? Buffer.alloc(0) : version.bytes;
}

function header(text: string): Line {
  return { kind: "header", text: asBytes(text) };
}

function kindOf(text: string): Kind {
  if (text.startsWith("+")) return "added";
  return text.startsWith("-") ? "removed" : "same";
}

/** A range without lines stands behind the line before it. */
function range(start: number, count: number): string {
  if (count === 0) return `${start - 1},0`;
  return count === 1 ? `${start}` : `${start},${count}`;
}

function nameOf(side: "a" | "b", version: Version | undefined): string {
  return version === undefined ? NO_FILE : quoted(`${side}/${version.path}`);
}

/** So that `patch` takes a name with blanks whole. */
function withTab(name: string): string {
  return name.includes(" ") ? `${name}\t` : name;
}

function quoted(name: string): string {
  return /["\\]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name;
}

function isBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, SNIFFED_BYTES).includes(0);
}

function asBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

const colors = { header: "bold", hunk: "cyan", added: "green", removed: "red" } as const;

function paint({ kind, text }: Line, { color, terminal }: DiffStyle): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const shown = terminal ? Buffer.from(bytes.toString("utf8").split("\t").map(printable).join("\t")) : bytes;
  if (!color || kind === "same") return Buffer.concat([shown, NEWLINE]);
  // The style's own characters around the untouched bytes.
  const [start = "", end = ""] = styleText(colors[kind], "|", { validateStream: false }).split("|");
  return Buffer.concat([Buffer.from(start), shown, Buffer.from(end), NEWLINE]);
}

const NEWLINE = Buffer.from("\n");
