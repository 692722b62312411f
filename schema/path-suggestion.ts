/**
 * Owns the guess at what an invalid path was meant to be (FR-010). A suggestion is shown, never applied by itself.
 * Must never guess what nobody can know: a missing number, a missing folder.
 */
import type { Profile } from "./profiles.ts";

/** Bounds the work for a path that differs in every segment. */
const SEGMENTS_MAX = 32;

/**
 * A path near `path` that the profile admits, or undefined when there is none or more than one way is as good.
 * Keeps each name as it is where it fits, and else tidies it: `1-intro.md` → `01-intro.md`, blanks and underscores to
 * hyphens, accents and odd characters away, endings in lower case.
 */
export function suggestPath(profile: Profile, path: string): string | undefined {
  if (path === "" || profile.matchesFile(path)) return undefined;
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  // Which folder ".." was meant to reach depends on where the path came from.
  if (names.length === 0 || names.length > SEGMENTS_MAX || names.includes("..")) return undefined;
  let done = "";
  for (const [index, name] of names.entries()) {
    const isLast = index === names.length - 1;
    const fits = variantsOf(name).find((variant) => {
      const candidate = done === "" ? variant : `${done}/${variant}`;
      return isLast ? profile.matchesFile(candidate) : profile.admitsDirectory(candidate);
    });
    if (fits === undefined) return undefined;
    done = done === "" ? fits : `${done}/${fits}`;
  }
  return done;
}

/** The name itself and tidier ones, the least changed first. */
function variantsOf(name: string): string[] {
  const tidy = tidyName(name);
  const padded = padNumber(tidy);
  const variants = [
    name,
    name.trim(),
    name.toLowerCase(),
    tidy,
    padded,
    lowerEnding(tidy),
    lowerEnding(padded),
  ];
  return [...new Set(variants)].filter((variant) => variant !== "");
}

/** ASCII letters, digits, hyphens and dots only. */
function tidyName(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .replaceAll("ß", "ss")
    .replace(/[\s_–—]+/gu, "-")
    .replace(/[^A-Za-z0-9.-]/g, "")
    .replace(/-*\.-*/g, ".")
    .replace(/-{2,}/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "");
}

/** `1-x`, `001-x`, `1.x` and `1x` to `01-x`; numbers over 99 stay. */
function padNumber(name: string): string {
  const match = /^0*([0-9]{1,2})[-.]?([A-Za-z].*)$/.exec(name);
  if (match === null) return name;
  const [, number, rest] = match;
  // In 3.md the digits are the whole name, and md is no title.
  if (name.charAt(name.length - rest!.length - 1) === "." && !rest!.includes(".")) return name;
  return `${number!.padStart(2, "0")}-${rest}`;
}

function lowerEnding(name: string): string {
  return name.replace(/\.(?:md|markdown)$/i, ".md");
}
