/**
 * Owns `.pfs/conflicts/`: a folder for each refused save that nobody has decided about. Removing an empty folder gives up
 * what was refused.
 */
import type { Actor } from "../../lib/node.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { PosixError } from "../../schema/errors.ts";
import { ConflictFolder } from "./conflict-folder.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlDirectory, ControlName } from "./control-node.ts";

export const conflictsDirectory: ControlModule = {
  name: "conflicts",
  description:
    "a folder for each save that was refused: base, mine, theirs, merged (if it merges by itself), info.json.\n" +
    "`pfs resolve ID` ends one; or save by hand what is to stay, and remove the folder",
  make: ({ worktree }) => new ConflictsDirectory(worktree),
};

/** As those of /tmp: whoever's save was refused may remove its folder, and nobody else's. */
const PERMISSIONS = 0o1777;
const idPattern = /^[1-9][0-9]{0,14}$/;

class ConflictsDirectory implements ControlDirectory {
  readonly kind = "directory";
  readonly access = { permissions: PERMISSIONS };
  readonly #worktree: Worktree;

  constructor(worktree: Worktree) {
    this.#worktree = worktree;
  }

  mtime() {
    return this.#worktree.conflicts.changedAt;
  }

  find(name: string): ConflictFolder | undefined {
    const conflict = idPattern.test(name) ? this.#worktree.conflicts.get(Number(name)) : undefined;
    return conflict === undefined ? undefined : new ConflictFolder(this.#worktree, conflict);
  }

  *list(after: number): Iterable<ControlName> {
    for (const id of this.#worktree.conflicts.ids(after)) {
      yield { name: `${id}`, kind: "directory", cookie: id };
    }
  }

  remove(name: string, actor: Actor): void {
    const folder = this.find(name);
    if (folder === undefined) throw new PosixError("ENOENT");
    if (!folder.isEmpty) throw new PosixError("ENOTEMPTY");
    this.#worktree.removeConflict(folder.id, actor);
  }
}
