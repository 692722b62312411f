/**
 * Owns what is said to whoever tries to make a path that a book's schema does not admit. Must never decide whether it
 * does: profiles.ts does.
 */
import { PfsError } from "./errors.ts";
import { suggestPath } from "./path-suggestion.ts";
import type { Profile } from "./profiles.ts";

/** SCHEMA_VIOLATION of a path that `profile` does not admit: what is wrong, and which name would do, if one is near. */
export function refusedPath(profile: Profile, path: string): PfsError {
  const suggestion = suggestPath(profile, path);
  return new PfsError("SCHEMA_VIOLATION", `${path} has no place in the book: ${profile.explain(path)}`, {
    path,
    hint:
      suggestion === undefined
        ? `The schema of this book is ${profile.name}; choose a name that it has a place for.`
        : `The schema of this book is ${profile.name}; ${suggestion} would fit it.`,
  });
}
