/**
 * Owns making a layer's tree what a plan says: journal, directories, open files, and what kernels are told. Only within a
 * transaction, whose log rows are written already. Must never touch a draft.
 */
import { BASE, type FileId } from "../../schema/ids.ts";
import {
  baseNameOf,
  type DirectoryPath,
  joinPath,
  parentOf,
  ROOT,
  type TreePath,
} from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import { type Actor, isDirectory, type Node } from "../node.ts";
import { fromNanoseconds, now, type Time, toNanoseconds } from "../time.ts";
import { insertDirectory, type Place } from "./create.ts";
import { followFile } from "./follow-base.ts";
import type { FileState, LayerPlan } from "./layer-plan.ts";
import type { LayerPlans } from "./layer-plans.ts";
import { asideName } from "./name-class.ts";
import { JournalMode } from "./node-rows.ts";
import { adjustMode } from "./record-files.ts";
import { findDirectory, isEmpty, makeOrphan, removeDirectory } from "./remove.ts";
import { placeOpenFile } from "./rename.ts";
import { journalModeOf, storageOf } from "./save.ts";
import type { Tree } from "./tree.ts";

/** One layer under way. */
export class Placing {
  readonly #plan: LayerPlan;
  readonly #plans: LayerPlans;
  readonly #tree: Tree;
  readonly #actor: Actor;
  readonly #startedMs: number;
  readonly #time: Time = now();
  /** Rows that left their path, by file. */
  readonly #lifted = new Map<FileId, JournalRow>();
  readonly #liftedNodes = new Map<FileId, Node>();
  /** Of the base: names that overlays hide in their stead. */
  readonly #liftedHidden = new Map<FileId, Place>();
  readonly #touched = new Set<FileId>();
  readonly #directories = new Map<DirectoryPath, FileId>();

  /** `plans`: of all layers; `actor`: for whom directories are made; of no mount. */
  constructor(plan: LayerPlan, plans: LayerPlans, actor: Actor, startedMs: number) {
    this.#plan = plan;
    this.#plans = plans;
    this.#tree = plan.tree;
    this.#actor = actor;
    this.#startedMs = startedMs;
  }

  /** Takes the files out of the journal that go, or go elsewhere. First in all layers. */
  lift(): void {
    for (const path of this.#plan.changed()) {
      const row = this.#plan.before(path);
      if (row === undefined || row.fileId === this.#plan.at(path)?.fileId) continue;
      const open = this.#tree.openFiles.get(row.fileId);
      if (open !== undefined) this.#liftedNodes.set(row.fileId, open.node());
      this.#lifted.set(row.fileId, row);
      this.#tree.journal.remove(path);
      if (row.parent === null) this.#tree.vacancies.remove(path);
      else {
        const isGone = this.#plan.pathOf(row.fileId) === undefined;
        const place = { parent: row.parent, name: baseNameOf(path) };
        const hidden = isGone ? undefined : this.#tree.above?.liftHidden(place);
        if (hidden !== undefined) this.#liftedHidden.set(row.fileId, hidden);
        this.#touch(place, isGone ? row.fileId : undefined);
      }
    }
  }

  /** Puts files where they are to be. The base first. */
  place(): void {
    const placed = this.#plan.changed().flatMap((path) => {
      const file = this.#plan.at(path);
      return file === undefined ? [] : [{ path, file, place: this.#makePlace(path) }];
    });
    // Hidden was what goes; what comes to its name by a move is hidden if it was before.
    for (const { fileId, path, parent } of this.#lifted.values())
      if (this.#plan.pathOf(fileId) === undefined && parent !== null)
        this.#tree.above?.forgetHidden(parent, baseNameOf(path as TreePath));
    this.#letOverlaysFollow(placed);
    for (const { path, file, place } of placed) {
      const row = this.#plan.before(path);
      if (row?.fileId === file.fileId) this.#update(row, file);
      else this.#insert(path, file, place);
    }
    for (const row of this.#lifted.values())
      if (this.#plan.pathOf(row.fileId) === undefined) this.#forget(row);
    for (const [fileId, isHidden] of this.#plan.hidden) this.#hide(fileId, isHidden);
    for (const directory of this.#touched) {
      // One may have made room for a file.
      if (this.#tree.paths.find(directory) !== undefined)
        this.#tree.touchDirectory(directory, this.#time, undefined);
    }
  }

  /** Takes away directories of which a file went and which have nothing in them any more. When all layers are placed. */
  removeEmptied(): void {
    const paths = new Set([...this.#lifted.values()].map((row) => parentOf(row.path as TreePath)));
    const deepestFirst = [...paths].sort((a, b) => b.length - a.length);
    for (const path of deepestFirst)
      for (let at = path; at !== ROOT && this.#removeIfEmpty(at); at = parentOf(at));
  }

  #removeIfEmpty(path: TreePath): boolean {
    const tree = this.#tree;
    const directory = findDirectory(tree, path);
    const parent = findDirectory(tree, parentOf(path));
    if (directory === undefined || parent === undefined) return false;
    const isOwn = tree.entries.find(parent, baseNameOf(path)) !== undefined;
    if (!isOwn || !isEmpty(tree, directory) || this.#hasDraftIn(directory)) return false;
    this.#keepHidden(directory, path);
    removeDirectory(tree, { parent, name: baseNameOf(path) }, this.#actor);
    return true;
  }

  /** What is hidden in an overlay's own directory, which goes, is in the base's that shows again in its place. */
  #keepHidden(directory: FileId, path: TreePath): void {
    const { base, entries } = this.#tree;
    if (base === undefined) return;
    const shown = findDirectory(base, path);
    for (const { parent, name } of entries.hidden()) {
      if (parent !== directory) continue;
      entries.unhide(directory, name);
      const there = shown === undefined ? undefined : this.#tree.beneath({ parent: shown, name });
      const isHidden = there === "directory" || (there && this.#plan.hidden.get(there.fileId) !== false);
      if (shown !== undefined && isHidden) entries.hide(shown, name);
    }
  }

  /** A file that others have removed, which somebody is writing, is still to say where it was. */
  #hasDraftIn(directory: FileId): boolean {
    for (const { openFiles } of [this.#tree, ...this.#tree.overlays])
      for (const file of openFiles.values())
        if (file.parent === directory && file.dirty && file.state === "tracked") return true;
    return false;
  }

  /** Overlays keep their versions of what the base moves. */
  #letOverlaysFollow(placed: readonly { path: TreePath; file: FileState; place: Place }[]): void {
    const { above } = this.#tree;
    if (above === undefined) return;
    const moves = placed.flatMap(({ path, file, place }) => {
      const row = this.#lifted.get(file.fileId);
      const from = this.#liftedHidden.get(file.fileId);
      if (row === undefined || from === undefined) return [];
      return [
        {
          fileId: file.fileId,
          isDirectory: false,
          from,
          to: place,
          oldPath: row.path as TreePath,
          newPath: path,
          occupiers: this.#plans.occupiersOf(path, file.fileId),
          placers: this.#plans.placersOf(file.fileId),
        },
      ];
    });
    if (moves.length > 0) above.follow(moves, this.#actor, this.#startedMs);
  }

  #update(row: JournalRow, file: FileState): void {
    const { hash, mode, mtime } = file;
    if (row.sha256 === hash && row.mode === mode && row.mtime === mtime) return;
    this.#tree.journal.update({ ...row, ...this.#columns(file), base: file.base }, row.sha256);
    adjustMode(this.#tree, row.fileId, mode);
    this.#tellContent(file, row.sha256 === hash);
  }

  #insert(path: TreePath, file: FileState, place: Place): void {
    const { journal, entries, xattrs, base } = this.#tree;
    const { fileId } = file;
    const lifted = this.#lifted.get(fileId);
    const covered = lifted === undefined ? base?.journal.find(fileId) : undefined;
    journal.insert({
      ...{ path, fileId, parent: place.parent, base: file.base },
      ...this.#columns(file),
    });
    if (covered !== undefined) {
      entries.copyUp(fileId);
      xattrs.copyUp(fileId);
    }
    this.#touch(place);
    if (lifted !== undefined) adjustMode(this.#tree, fileId, file.mode);
    placeOpenFile(this.#tree, fileId, place, this.#time);
    this.#tellContent(file, lifted?.sha256 === file.hash);
  }

  #columns({ hash, size, mode, mtime }: FileState) {
    const storage = this.#tree.blobs.has(hash) ? storageOf(size) : "remote";
    return { sha256: hash, size, mode, mtime, storage, writtenAt: toNanoseconds(this.#time) } as const;
  }

  /** Whoever has it open and has written nothing sees the new version from now on. */
  #tellContent(file: FileState, isSameBytes: boolean): void {
    const tree = this.#tree;
    const { fileId, hash, size, mode, mtime } = file;
    const open = tree.openFiles.get(fileId);
    if (open !== undefined && open.state === "tracked" && !open.dirty && open.refused === undefined) {
      tree.store.afterCommit(() => {
        const bits = open.attributes.mode;
        const isExecutable = mode === JournalMode.executable;
        const isAsBefore = (journalModeOf(bits) === JournalMode.executable) === isExecutable;
        const attributes = {
          ...open.attributes,
          mode: isAsBefore ? bits : isExecutable ? bits | ((bits & 0o444) >> 2) : bits & ~0o111,
          mtime: fromNanoseconds(mtime),
          ctime: this.#time,
        };
        if (open.hash === hash) open.attributes = attributes;
        else open.reload(hash, size, attributes);
      });
    }
    tree.notify({ type: isSameBytes ? "attributes" : "content", fileId }, undefined);
  }

  /** A file that is in the layer no more. A draft of it stays, for its save to be kept as a conflict. */
  #forget({ fileId }: JournalRow): void {
    const tree = this.#tree;
    tree.entries.forgetNode(fileId);
    tree.above?.forgetNode(fileId);
    const open = tree.openFiles.get(fileId);
    const node = this.#liftedNodes.get(fileId);
    if (open === undefined || node === undefined || open.dirty || open.refused !== undefined) return;
    tree.store.afterCommit(() => {
      // In an overlay the base's may show again.
      if (tree.shared?.fileById(fileId) === undefined) makeOrphan(tree, node, this.#actor);
      else followFile(tree, fileId);
    });
  }

  /** The base is placed before: what it has no more nobody needs to hide. */
  #hide(fileId: FileId, isHidden: boolean): void {
    const tree = this.#tree;
    const path = this.#plans.of(BASE).pathOf(fileId);
    if (path === undefined) return;
    // Where the base has it: the overlay may have a directory of its own of that name.
    const parent = tree.base?.journal.get(path)?.parent ?? undefined;
    if (parent === undefined || tree.base === undefined) return;
    const name = baseNameOf(path);
    if (isHidden) tree.entries.hide(parent, name);
    else tree.entries.unhide(parent, name);
    this.#touch({ parent, name });
  }

  #touch({ parent, name }: Place, gone?: FileId): void {
    this.#touched.add(parent);
    this.#tree.notify({ type: "entry", parent, name, gone }, undefined);
  }

  /** Makes the directories that lead to a path, and room at it. */
  #makePlace(path: TreePath): Place {
    const place = { parent: this.#makeDirectory(parentOf(path)), name: baseNameOf(path) };
    const local = this.#tree.entries.find(place.parent, place.name);
    if (local !== undefined) this.#makeRoom(place, path);
    return place;
  }

  #makeDirectory(path: DirectoryPath): FileId {
    if (path === ROOT) return this.#tree.book.rootId;
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const place = { parent: this.#makeDirectory(parentOf(path)), name: baseNameOf(path) };
    let node = this.#tree.lookup(place.parent, place.name);
    if (node !== undefined && !isDirectory(node.mode)) {
      // A fifo or the like; a file of the base is covered.
      this.#makeRoom(place, path);
      node = undefined;
    }
    const { fileId } = node ?? insertDirectory(this.#tree, place, 0o755, this.#actor);
    this.#directories.set(path, fileId);
    return fileId;
  }

  /** What is only this machine's makes room: an empty directory goes, anything else gets a scratch name. */
  #makeRoom(place: Place, path: TreePath): void {
    const tree = this.#tree;
    const node = tree.lookup(place.parent, place.name);
    if (node !== undefined && isDirectory(node.mode) && this.#removeIfEmpty(path)) return;
    const row = tree.entries.find(place.parent, place.name);
    if (row === undefined) return;
    if (isDirectory(row.mode ?? 0)) this.#keepForOverlays(row.fileId, path);
    const aside = asideName(place.name, (each) => tree.entries.find(place.parent, each) !== undefined);
    tree.entries.move(row, place.parent, aside);
    tree.forgetPaths();
    this.#touch({ parent: place.parent, name: aside });
  }

  /** What overlays have in a directory of the base that becomes scratch, and in those below it, is their own. */
  #keepForOverlays(directory: FileId, path: TreePath): void {
    const { above, entries } = this.#tree;
    if (above === undefined) return;
    for (const child of entries.list(directory, 0, Number.MAX_SAFE_INTEGER))
      if (isDirectory(child.mode ?? 0)) this.#keepForOverlays(child.fileId, joinPath(path, child.name));
    above.keepDirectory(directory, path);
  }
}
