/**
 * Owns which of a layer's own changes a pull meets, and taking them back until what others did is done: as git rebase does
 * with commits, by file. Must never decide what becomes of them; redo-changes.ts does.
 */
import type { FileId } from "../../schema/ids.ts";
import { baseSaidBy } from "../../schema/log-row.ts";
import { parentOf, ROOT, type TreePath } from "../../schema/paths.ts";
import type { LoggedFile, SharedPosition, SharedRows, UnsettledRow } from "../shared-rows.ts";
import type { PulledChange } from "./admit-shared.ts";
import { type FileState, isSame, type LayerPlan, type RowCause } from "./layer-plan.ts";

/** A version at a path. */
export interface Placed {
  readonly path: TreePath;
  readonly file: FileState;
}

/** A file that was changed here and is touched by what others did. */
export interface Met {
  readonly fileId: FileId;
  /** What both sides began with: as it is shared. */
  readonly synced: Placed | undefined;
  /** Where both sides began; in an overlay that may be where the base has it. */
  readonly begunAt: TreePath | undefined;
  /** As it was here. */
  readonly mine: Placed | undefined;
  /** The last row of the log about it: who is answerable for what was done here. */
  readonly row: UnsettledRow | undefined;
}

/** A file of the base that was hidden here, or shown again, by rows that do not count any more. */
export interface MetView {
  readonly fileId: FileId;
  readonly first: UnsettledRow;
  readonly last: UnsettledRow;
  /** Whether there was a version of it here. */
  readonly hadVersion: boolean;
}

export class LayerRebase {
  readonly #plan: LayerPlan;
  readonly #shared: SharedRows;
  readonly #position: SharedPosition;
  readonly #from: number;
  /** Own rows that are not in the shared log as far as it was pulled. */
  readonly #byPath = new Map<TreePath, UnsettledRow[]>();
  readonly #byFile = new Map<FileId, Set<TreePath>>();
  readonly #below = new Map<string, TreePath[]>();
  readonly #lastRows = new Map<FileId, UnsettledRow>();
  readonly #seen = new Map<TreePath, { synced: FileState | undefined; mine: FileState | undefined }>();
  readonly #places = new Map<FileId, Placed>();
  readonly #mine = new Map<FileId, Placed | undefined>();
  readonly #views = new Map<FileId, UnsettledRow[]>();
  readonly #queue: TreePath[] = [];

  constructor(plan: LayerPlan, shared: SharedRows, position: SharedPosition) {
    this.#plan = plan;
    this.#shared = shared;
    this.#position = position;
    this.#from = shared.firstUnsettled(position);
  }

  /** Whether anything here is touched, be it that all is as it is shared. */
  get isMet(): boolean {
    return this.#seen.size > 0;
  }

  hasMet(path: TreePath, fileId: FileId | undefined): boolean {
    return this.#seen.has(path) || (fileId !== undefined && this.#mine.has(fileId));
  }

  /** Looks for own changes at, above or below the paths of `changes`, and of the same files; and for all that is in their way. */
  find(changes: readonly PulledChange[]): void {
    if (!changes.some((change) => this.#mayMeet(change))) return;
    this.#load();
    for (const { path, fileId } of changes) {
      this.#lookAround(path);
      const places = fileId === undefined ? [] : [...(this.#byFile.get(fileId) ?? [])];
      if (fileId !== undefined && this.#isOfOthers(fileId, places)) this.#lookAround(...places);
    }
    for (let path = this.#queue.pop(); path !== undefined; path = this.#queue.pop()) this.#look(path);
  }

  /** A file that was only ever here is no business of others, whatever they call theirs. One that the base has, or had, is. */
  #isOfOthers(fileId: FileId, places: readonly TreePath[]): boolean {
    if (this.#pathInBase(fileId) !== undefined) return true;
    const { base, journal } = this.#plan.tree;
    if (base !== undefined && journal.find(fileId)?.base != null) return true;
    return places.some((each) => this.#syncedAt(each)?.fileId === fileId);
  }

  #pathInBase(fileId: FileId): TreePath | undefined {
    return this.#plan.tree.base?.journal.find(fileId)?.path as TreePath | undefined;
  }

  /** Takes back what was met. `touched`: paths of which the next row says the rest. */
  undo(touched: ReadonlySet<TreePath>, cause: RowCause): void {
    const differing = [...this.#seen].filter(([, { synced, mine }]) => !isSame(synced, mine));
    for (const [path, { synced, mine }] of differing) {
      if (mine === undefined || mine.fileId === synced?.fileId) continue;
      this.#plan.remove(path, this.#places.has(mine.fileId) ? "rename" : "delete", cause);
    }
    for (const [path, { synced, mine }] of differing) {
      if (synced === undefined) continue;
      if (mine?.fileId !== synced.fileId)
        this.#plan.put(path, synced, cause, { prevPath: this.#mine.get(synced.fileId)?.path });
      else if (touched.has(path)) this.#plan.set(path, synced);
      else this.#plan.put(path, synced, cause);
    }
  }

  /**
   * Sees to it that every path that was looked at has a row that came of a shared one: what was done there before is not to be
   * done on the remote any more, be it that nothing has come of it here.
   */
  mark(cause: RowCause): void {
    for (const path of this.#seen.keys()) {
      const file = this.#plan.at(path);
      if (file !== undefined && !isSame(file, this.#plan.logged(path))) this.#plan.put(path, file, cause);
      if (!this.#plan.isNoted(path))
        this.#plan.refuse(path, "update", "What was done here before was put upon what others did.", cause);
    }
  }

  met(): Met[] {
    return [...this.#mine].map(([fileId, mine]) => ({
      fileId,
      mine,
      synced: this.#places.get(fileId),
      begunAt: this.#places.get(fileId)?.path ?? this.#pathInBase(fileId),
      row: this.#lastRows.get(fileId) ?? this.#lastRowAt(this.#places.get(fileId)?.path),
    }));
  }

  metViews(): MetView[] {
    return [...this.#views].map(([fileId, rows]) => {
      const [first, ...others] = rows.sort((a, b) => a.seq - b.seq) as [UnsettledRow, ...UnsettledRow[]];
      const mine = this.#mine.has(fileId) ? this.#mine.get(fileId) : this.#plan.pathOf(fileId);
      return { fileId, first, last: others.at(-1) ?? first, hadVersion: mine !== undefined };
    });
  }

  /** A file that another was moved over is gone by a row about that one. */
  #lastRowAt(path: TreePath | undefined): UnsettledRow | undefined {
    const rows = path === undefined ? undefined : this.#byPath.get(path);
    return rows?.findLast(({ status }) => status === "ok");
  }

  /** By the index of paths: most of what is pulled meets nothing. */
  #mayMeet({ path, fileId }: PulledChange): boolean {
    const { layer } = this.#plan.tree;
    const isPending = (at: TreePath): boolean =>
      this.#shared.hasUnsettled({ path: at, end: `${at}\0` }, layer, this.#from, this.#position.pulledSeq);
    if (isPending(path)) return true;
    for (let above = parentOf(path); above !== ROOT; above = parentOf(above))
      if (isPending(above)) return true;
    const at = fileId === undefined ? undefined : this.#plan.pathOf(fileId);
    if (at !== undefined && isPending(at)) return true;
    const below = { path: `${path}/`, end: `${path}0` };
    return this.#shared.hasUnsettled(below, layer, this.#from, this.#position.pulledSeq);
  }

  #load(): void {
    for (const row of this.#shared.unsettled(this.#from, this.#position.pulledSeq)) {
      if (row.user_id !== this.#plan.tree.layer) continue;
      const { path, file_id } = row;
      const rows = this.#byPath.get(path);
      if (rows !== undefined) rows.push(row);
      else {
        this.#byPath.set(path, [row]);
        for (let above = parentOf(path); above !== ROOT; above = parentOf(above)) {
          const below = this.#below.get(above);
          if (below === undefined) this.#below.set(above, [path]);
          else below.push(path);
        }
      }
      if (file_id === null || row.status !== "ok") continue;
      this.#byFile.set(file_id, (this.#byFile.get(file_id) ?? new Set()).add(path));
      this.#lastRows.set(file_id, row);
    }
  }

  #lookAround(...paths: readonly TreePath[]): void {
    for (const path of paths) {
      this.#queue.push(path, ...(this.#below.get(path) ?? []));
      for (let above = parentOf(path); above !== ROOT; above = parentOf(above)) this.#queue.push(above);
    }
  }

  #look(path: TreePath): void {
    if (this.#seen.has(path) || !this.#byPath.has(path)) return;
    const mine = this.#plan.at(path);
    const synced = toState(this.#syncedAt(path));
    this.#seen.set(path, { synced, mine });
    for (const row of this.#byPath.get(path) ?? []) {
      this.#noteView(row);
      // None of its rows counts any more: those that went with them do not, either, be it that all is as it was.
      if (row.file_id !== null && this.#lastRows.has(row.file_id)) this.#meet(row.file_id);
    }
    this.#lookAround(path);
    if (synced !== undefined) this.#places.set(synced.fileId, { path, file: synced });
    if (isSame(synced, mine)) return;
    for (const file of [synced, mine]) if (file !== undefined) this.#meet(file.fileId);
  }

  #noteView(row: UnsettledRow): void {
    const { operation, status, file_id } = row;
    if (status !== "ok" || file_id === null || (operation !== "hide" && operation !== "revert")) return;
    const known = this.#views.get(file_id);
    if (known === undefined) this.#views.set(file_id, [row]);
    else known.push(row);
  }

  #syncedAt(path: TreePath): LoggedFile | undefined {
    return this.#shared.syncedAt(path, this.#plan.tree.layer, this.#position.pulledSeq);
  }

  #meet(fileId: FileId): void {
    if (this.#mine.has(fileId)) return;
    const path = this.#plan.pathOf(fileId);
    const file = path === undefined ? undefined : this.#plan.at(path);
    this.#mine.set(fileId, path === undefined || file === undefined ? undefined : { path, file });
    // It may come back to any of its places, as an own row in the page says: what is above or below gives way.
    this.#lookAround(...(this.#byFile.get(fileId) ?? []));
  }
}

function toState(logged: LoggedFile | undefined): FileState | undefined {
  if (logged === undefined) return undefined;
  const { fileId, hash, size, mode, mtime, baseHash } = logged;
  const base = baseSaidBy({ base_hash: baseHash }) ?? null;
  return { fileId, hash, size, mode, mtime: BigInt(mtime), base };
}
