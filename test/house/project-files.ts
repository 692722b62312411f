// The files that make up the project, for the tests of its house rules. Must never list what git ignores.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The project's root directory. */
export const PROJECT_ROOT = join(import.meta.dirname, "../..");

/** Paths, relative to the root, of all files that are committed or about to be. */
export function listProjectFiles(): string[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  return execFileSync("git", args, { cwd: PROJECT_ROOT, encoding: "utf8", maxBuffer: 64 << 20 })
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(PROJECT_ROOT, path)));
}

/** Those of them that are the project's own code. */
export function listSourceFiles(): string[] {
  return listProjectFiles().filter((path) => /\.[cm]?[jt]s$/.test(path) && !path.startsWith("test/sites/"));
}

/** A file's text. */
export function readProjectFile(path: string): string {
  return readFileSync(join(PROJECT_ROOT, path), "utf8");
}
