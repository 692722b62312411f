/**
 * Finds this program's own modules at run time: source in a checkout, compiled code in the package. Must never find
 * anything of others.
 */
import { existsSync, readFileSync } from "node:fs";

/** Whether the sources run, as in a checkout. */
const RUNS_FROM_SOURCE = import.meta.url.endsWith(".ts");

/** The file of a module of this folder, for a worker or a process of its own. `name` is without its ending. */
export function moduleFile(name: string): URL {
  return new URL(`./${name}${RUNS_FROM_SOURCE ? ".ts" : ".js"}`, import.meta.url);
}

/** The directory that holds package.json. */
export function packageRoot(): URL {
  const above = new URL("../", import.meta.url);
  return existsSync(new URL("package.json", above)) ? above : new URL("../", above);
}

/** The version of this package. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("package.json", packageRoot()), "utf8"));
  return version;
}
