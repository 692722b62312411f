/**
 * Owns the schema of a book: which paths may exist in it (R1). The built-in profiles are `strict`, `docusaurus` and
 * `any`; a book may bring its own patterns. Scratch is asked before any profile, and elsewhere (scratch.ts).
 * Must never look at bytes or at a store.
 */
import type { z } from "zod";
import {
  archiveEndings,
  docusaurusPatterns,
  fileEndings,
  foreignEndings,
  foreignFiles,
  foreignFolders,
  plainNames,
} from "./docusaurus-patterns.ts";
import { PfsError, PosixError } from "./errors.ts";
import { quote } from "./ids.ts";
import { parseTreePath } from "./paths.ts";
import { compilePatterns, type PatternSet } from "./patterns.ts";
import { lazily } from "./zod.ts";

/** Which paths may exist in a book. Every answer takes any text: what is no valid path is not admitted. */
export interface Profile {
  readonly name: string;
  /** Whether tracked paths may be symbolic links. */
  readonly symlinks: boolean;
  /** Whether a file may have this path. */
  matchesFile(path: string): boolean;
  /** Whether a directory may have this path; true for the root, "". */
  admitsDirectory(path: string): boolean;
  /** One sentence: which part of the path has no place, and what would. */
  explain(path: string): string;
}

export type BuiltInProfileName = "strict" | "docusaurus" | "any";

/** FR-007 and FR-008. */
const strictPatterns = [
  "content/{NN-Name}/{NN-Name}/{NN-name}(.summary)?.md",
  "static/(img|slides|videos|audio)/**/{any}",
];

interface ProfileRules {
  readonly name: string;
  readonly symlinks: boolean;
  readonly patterns: PatternSet;
  /** What the patterns admit and the profile still refuses: a sentence, or undefined. */
  readonly refuse?: (path: string, kind: "file" | "directory") => string | undefined;
}

class PatternProfile implements Profile {
  readonly name: string;
  readonly symlinks: boolean;
  readonly patterns: PatternSet;
  readonly #refuse: NonNullable<ProfileRules["refuse"]>;

  constructor(rules: ProfileRules) {
    this.name = rules.name;
    this.symlinks = rules.symlinks;
    this.patterns = rules.patterns;
    this.#refuse = rules.refuse ?? (() => undefined);
  }

  matchesFile(path: string): boolean {
    return (
      invalidity(path) === undefined &&
      this.patterns.matchesFile(path) &&
      this.#refuse(path, "file") === undefined
    );
  }

  admitsDirectory(path: string): boolean {
    if (path === "") return true;
    return (
      invalidity(path) === undefined &&
      this.patterns.admitsDirectory(path) &&
      this.#refuse(path, "directory") === undefined
    );
  }

  explain(path: string): string {
    return invalidity(path) ?? this.#refuse(path, "file") ?? this.patterns.explain(path);
  }
}

/** Why `path` is no path at all, or undefined. */
function invalidity(path: string): string | undefined {
  try {
    parseTreePath(path);
    return undefined;
  } catch (error) {
    if (error instanceof PfsError || error instanceof PosixError) return error.message;
    throw error;
  }
}

/** Why a path that docusaurusPatterns admit is foreign to a Docusaurus book all the same, or undefined. */
function refuseForeign(path: string, kind: "file" | "directory"): string | undefined {
  const names = path.split("/");
  const file = kind === "file" ? names.pop()! : undefined;
  for (const name of names) {
    if (foreignFolders.has(name)) return `${quote(name)} is a folder that tools make; it belongs to no book.`;
    if (isBackup(name)) return `${quote(name)} looks like a backup.`;
  }
  return file === undefined ? undefined : refuseForeignFile(file, names[0] === "static");
}

function refuseForeignFile(name: string, isStatic: boolean): string | undefined {
  const ending = endingOf(name);
  if (isBackup(name)) return `${quote(name)} looks like a backup or a temporary file.`;
  if (foreignFiles.has(name.toLowerCase())) return `${quote(name)} is what a desktop leaves behind.`;
  if (foreignEndings.executable.has(ending)) return `${quote(name)} is an executable or a disk image.`;
  if (isStatic || name.startsWith(".") || plainNames.has(name) || fileEndings.has(ending)) return undefined;
  if (archiveEndings.has(ending)) return `${quote(name)} is an archive; downloads go below static/.`;
  return ending === ""
    ? `${quote(name)} has no ending such as .md or .png.`
    : `${quote(name)} ends in .${ending}, which is no ending of a book's files outside of static/.`;
}

function isBackup(name: string): boolean {
  return foreignEndings.backup.has(endingOf(name)) || name.endsWith("~") || name.startsWith("~$");
}

/** What follows the last dot, in lower case; empty without one. */
function endingOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? "" : name.slice(dot + 1).toLowerCase();
}

const strict = new PatternProfile({
  name: "strict",
  symlinks: false,
  patterns: compilePatterns(strictPatterns, { hidden: false }),
});

/** Everything strict admits, and what is not foreign to a book. */
const docusaurus = new PatternProfile({
  name: "docusaurus",
  symlinks: false,
  patterns: compilePatterns([...strictPatterns, ...docusaurusPatterns], { hidden: false }),
  refuse: (path, kind) => (isStrictPath(path, kind) ? undefined : refuseForeign(path, kind)),
});

function isStrictPath(path: string, kind: "file" | "directory"): boolean {
  return kind === "file" ? strict.matchesFile(path) : strict.admitsDirectory(path);
}

const any: Profile = {
  name: "any",
  symlinks: true,
  matchesFile: (path) => invalidity(path) === undefined,
  admitsDirectory: (path) => path === "" || invalidity(path) === undefined,
  explain: (path) => invalidity(path) ?? `${quote(path)} fits the schema.`,
};

const builtIn: Readonly<Record<BuiltInProfileName, Profile>> = { strict, docusaurus, any };

/** @throws PfsError USAGE when there is no built-in profile of that name */
export function builtInProfile(name: string): Profile {
  if (Object.hasOwn(builtIn, name)) return builtIn[name as BuiltInProfileName];
  throw new PfsError("USAGE", `There is no built-in schema named ${quote(name)}.`, {
    hint: `The built-in ones are ${Object.keys(builtIn).join(", ")}; for one of your own name a JSON file.`,
  });
}

const customProfile = lazily((z) =>
  z.strictObject({
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$/, "1 to 50 letters, digits, _ and -"),
    patterns: z.array(z.string()).min(1),
    symlinks: z.boolean().default(false),
    hidden: z.boolean().default(true),
  }),
);

/**
 * A profile from JSON: the name of a built-in one (as text or as `{name}`), or
 * `{name, patterns, symlinks?, hidden?}`. `hidden: false` closes the book to names that begin with a dot, except where a
 * pattern's segment begins with one.
 * @throws PfsError USAGE saying which field or pattern is wrong
 */
export function parseProfile(json: unknown): Profile {
  const bareName = bareNameOf(json);
  if (bareName !== undefined) return builtInProfile(bareName);
  const parsed = customProfile().safeParse(json);
  if (!parsed.success) {
    throw new PfsError("USAGE", `The schema is not understood: ${firstIssue(parsed.error)}.`, {
      hint: 'A schema is {"name": "my-book", "patterns": ["content/{NN-Name}/*.md"], "symlinks": false}.',
    });
  }
  const { name, patterns, symlinks, hidden } = parsed.data;
  if (Object.hasOwn(builtIn, name)) {
    throw new PfsError(
      "USAGE",
      `The name ${quote(name)} belongs to a built-in schema; choose another for your own.`,
    );
  }
  return new PatternProfile({ name, symlinks, patterns: compilePatterns(patterns, { hidden }) });
}

function bareNameOf(json: unknown): string | undefined {
  if (typeof json === "string") return json;
  if (typeof json !== "object" || json === null || Object.keys(json).length !== 1) return undefined;
  const { name } = json as { name?: unknown };
  return typeof name === "string" ? name : undefined;
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]!;
  const field = issue.path.join(".");
  return field === "" ? issue.message : `${field}: ${issue.message}`;
}

/** What parseProfile makes the same profile from. */
export function profileToJson(profile: Profile): unknown {
  if (Object.hasOwn(builtIn, profile.name) || !(profile instanceof PatternProfile))
    return { name: profile.name };
  const { name, symlinks, patterns } = profile;
  return { name, patterns: patterns.patterns, symlinks, hidden: patterns.hidden };
}

/**
 * The strictest built-in profile that admits every one of these files, and a sentence that says why.
 * Texts that are no valid path are passed over: no profile admits them.
 */
export function strictestProfile(paths: readonly string[]): { profile: Profile; reason: string } {
  const obstacles: string[] = [];
  for (const profile of [strict, docusaurus]) {
    const obstacle = paths.find((path) => !profile.matchesFile(path) && any.matchesFile(path));
    if (obstacle === undefined) return { profile, reason: reasonFor(profile, obstacles, paths.length) };
    obstacles.push(
      `${profile.name} has no place for ${obstacle} (${profile.explain(obstacle).replace(/\.$/, "")})`,
    );
  }
  return { profile: any, reason: reasonFor(any, obstacles, paths.length) };
}

function reasonFor(profile: Profile, obstacles: readonly string[], files: number): string {
  if (obstacles.length === 0) {
    return files === 0 ? `${profile.name}: there are no files yet.` : `${profile.name}: every file fits it.`;
  }
  return `${profile.name}, because ${obstacles.join(" and ")}.`;
}
