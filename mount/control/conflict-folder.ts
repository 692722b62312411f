/** Owns the folder of one conflict: its versions, and info.json that says whose they are. Must never decide the conflict. */
import { type Conflict, conflictJson } from "../../lib/conflict-table.ts";
import { fromIso, type Time } from "../../lib/time.ts";
import type { ConflictVersion } from "../../lib/worktree/conflict-versions.ts";
import { type ConflictFile, conflictFiles } from "../../lib/worktree/conflicts.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { PosixError } from "../../schema/errors.ts";
import type { ControlContent, ControlDirectory, ControlFile, ControlName } from "./control-node.ts";
import { jsonText, SnapshotContent } from "./generated-file.ts";

const PERMISSIONS = 0o755;

export class ConflictFolder implements ControlDirectory {
  readonly kind = "directory";
  readonly id: number;
  readonly access;
  readonly #worktree: Worktree;

  constructor(worktree: Worktree, { id, uid, gid }: Conflict) {
    this.#worktree = worktree;
    this.id = id;
    this.access = { uid, gid, permissions: PERMISSIONS };
  }

  get isEmpty(): boolean {
    return this.#files().length === 0;
  }

  mtime(): Time {
    return this.#worktree.conflicts.changedAt;
  }

  find(name: string): ControlFile | undefined {
    const file = this.#files().find((candidate) => candidate === name);
    return file === undefined ? undefined : folderFile(this.#worktree, this.#conflict(), file);
  }

  *list(after: number): Iterable<ControlName> {
    const files = this.#files();
    for (const [index, name] of conflictFiles.entries()) {
      if (index >= after && files.includes(name)) yield { name, kind: "file", cookie: index + 1 };
    }
  }

  /** The file goes from view; its bytes go with the folder. */
  remove(name: string): void {
    this.#worktree.conflicts.hide(this.#conflict(), name as ConflictFile);
  }

  #files(): ConflictFile[] {
    return this.#worktree.conflicts.filesOf(this.#conflict());
  }

  #conflict(): Conflict {
    return findConflict(this.#worktree, this.id);
  }
}

/** A file that belongs to whose save was refused, with the lesson's mode: that is what a copy of it gets. */
function folderFile(worktree: Worktree, { id, uid, gid, mode }: Conflict, name: ConflictFile): ControlFile {
  return {
    kind: "file",
    access: { uid, gid, permissions: mode & 0o777 },
    look() {
      const conflict = findConflict(worktree, id);
      if (name === "info.json") return infoOf(conflict);
      return {
        sizeBytes: worktree.sizeInConflict(conflict, name),
        mtime: fromIso(conflict.comparedAt),
      };
    },
    open({ mayDefer }) {
      const conflict = findConflict(worktree, id);
      return name === "info.json" ? infoOf(conflict) : new VersionContent(worktree, conflict, name, mayDefer);
    },
  };
}

function infoOf(conflict: Conflict): SnapshotContent {
  return new SnapshotContent(Buffer.from(jsonText(conflictJson(conflict))), fromIso(conflict.comparedAt));
}

class VersionContent implements ControlContent {
  readonly sizeBytes: number;
  readonly mtime: Time;
  readonly version: unknown;
  readonly #content;

  constructor(worktree: Worktree, conflict: Conflict, version: ConflictVersion, mayDefer: boolean) {
    this.#content = worktree.openConflict(conflict, version, mayDefer);
    this.sizeBytes = this.#content.size;
    this.mtime = fromIso(conflict.comparedAt);
    this.version = conflict[version];
  }

  read(offset: number, target: Uint8Array): number {
    return this.#content.read(offset, target);
  }

  close(): void {
    this.#content.close();
  }
}

/** Somebody else may have ended it since its folder was looked at. @throws PosixError ENOENT */
function findConflict(worktree: Worktree, id: number): Conflict {
  const conflict = worktree.conflicts.get(id);
  if (conflict === undefined) throw new PosixError("ENOENT", `There is no open conflict ${id}.`);
  return conflict;
}
