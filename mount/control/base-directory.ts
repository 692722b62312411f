/** Owns `.pfs/base/`, on mounts of a user: the book as it is for everybody else. */
import type { ControlModule } from "./control-module.ts";
import { TreeDirectory } from "./tree-directory.ts";

export const baseDirectory: ControlModule = {
  name: "base",
  description: "the book without this user's changes",
  make: ({ base }) => (base === undefined ? undefined : new TreeDirectory(base, base.rootId)),
};
