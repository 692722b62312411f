/** Owns which part of a book an archive may hold. Must never read a book. */

/** `assets` is what is below static/, `content` all else, so that the two together are the book. */
export const archiveScopes = ["all", "content", "assets"] as const;
export type ArchiveScope = (typeof archiveScopes)[number];

const ASSETS = "static/";

/** Whether an archive of that scope holds the file at a path. */
export function isInScope(path: string, scope: ArchiveScope): boolean {
  return scope === "all" || path.startsWith(ASSETS) === (scope === "assets");
}
