/**
 * Owns `.pfs/at/`: the book as it was, below each name that means a past state of it. None is listed, as there is one for
 * every row of the log.
 */
import { REFERENCE_FORMS } from "../../schema/reference.ts";
import { answer } from "./answer.ts";
import { AskedDirectory } from "./asked-directory.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlDirectory } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { TreeDirectory } from "./tree-directory.ts";

export const pastStates: ControlModule = {
  name: "at",
  description: `at/REF/ is the book as it was, read-only. REF is\n${REFERENCE_FORMS}`,
  make: (source) => new AskedDirectory((name) => findState(source, name)),
};

function findState(source: ControlSource, name: string): ControlDirectory | undefined {
  // What programs look for everywhere is no question.
  if (name.startsWith(".")) return undefined;
  const tree = answer(() => source.past(name));
  return new TreeDirectory(tree, tree.rootId);
}
