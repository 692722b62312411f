/**
 * Owns what a pull does to a book: what others did is done here, as git rebase would, with own changes that it meets taken back
 * first and done again on top. A page of the shared log is one transaction. Must never lose what was saved here (W2), nor
 * enter a path that the schema does not admit (R1).
 */
import { PfsError } from "../../schema/errors.ts";
import { BASE, type BlobHash, type FileId, type UserId } from "../../schema/ids.ts";
import type { LogRow } from "../../schema/log-row.ts";
import type { TreePath } from "../../schema/paths.ts";
import { FIRST_STRICT_SEQ, type SharedRow } from "../../schema/shared-row.ts";
import { Hiders } from "../hiders.ts";
import { mergeText } from "../merge.ts";
import type { Actor } from "../node.ts";
import type { SharedPosition, SharedRows } from "../shared-rows.ts";
import { admitShared, type PulledChange } from "./admit-shared.ts";
import { applyShared } from "./apply-shared.ts";
import { endTakenConflict } from "./end-conflict.ts";
import type { RowCause } from "./layer-plan.ts";
import { LayerPlans } from "./layer-plans.ts";
import { LayerRebase, type Placed } from "./layer-rebase.ts";
import { InTheWay, makeWay, refuseNewborns } from "./make-way.ts";
import { type Merge, redoChanges } from "./redo-changes.ts";
import { hideAgain, hideMadeAgain, redoViews, showMade } from "./redo-views.ts";
import { settle, settleAround, settleVacancies } from "./remove.ts";
import type { Tree } from "./tree.ts";
import { writePlans } from "./write-plans.ts";

/** Rows of a book's shared log. */
export interface SharedPage {
  /** In order, without a gap. */
  readonly rows: readonly SharedRow[];
  /** Bytes that cannot be had: what would have to be merged with them becomes a conflict. */
  readonly lost?: readonly BlobHash[] | undefined;
}

/** What came of a page. */
export type FollowOutcome =
  | { readonly type: "applied"; readonly counts: FollowCounts }
  /** Nothing was done: these bytes must be here first, to be merged, or for whoever has the file open. */
  | { readonly type: "needs"; readonly hashes: readonly BlobHash[] }
  /** Nothing was done: the page must go on up to this position, as rows of this store there build on what is in it. */
  | { readonly type: "incomplete"; readonly until: number };

export interface FollowCounts {
  /** Rows of others that were done. */
  readonly applied: number;
  /** Rows of others that no store should have made, or that have no place in this book. */
  readonly refused: number;
  /** Rows of others that began with another version than this store knew of. */
  readonly desyncs: number;
  /** Own changes that could not be put upon what others did. */
  readonly conflicts: number;
}

/** What a pull works on. */
export interface FollowParts {
  readonly base: Tree;
  /** Known by its key: store_id. */
  readonly storeId: string;
  readonly shared: SharedRows;
  overlay(userId: UserId): Tree;
}

/** Undoes the transaction: nothing is to be done yet. */
class NotYet {
  readonly outcome: FollowOutcome;

  constructor(outcome: FollowOutcome) {
    this.outcome = outcome;
  }
}

/**
 * Does what a page of the shared log says. Rows that were pulled before are left out, so that the same page twice does no
 * harm. Those of this store are only noted.
 * @throws PfsError USAGE: the book is not shared, or rows are missing before the page; FULL
 */
export function followRemote(parts: FollowParts, page: SharedPage): FollowOutcome {
  const { base, shared } = parts;
  const position = shared.position();
  if (position === undefined) throw new PfsError("USAGE", `The book ${base.book.bookId} is not shared.`);
  const rows = page.rows.filter(({ seq }) => seq > position.pulledSeq);
  if (rows.some(({ seq }, index) => seq !== position.pulledSeq + 1 + index))
    throw new PfsError(
      "USAGE",
      `Rows of the shared log of ${base.book.bookId} are missing after row ${position.pulledSeq}.`,
    );
  base.store.checkSpace(0);
  for (;;) {
    try {
      return base.store.transaction(() => new Pull(parts, position, rows, new Set(page.lost)).run());
    } catch (error) {
      if (error instanceof NotYet) return error.outcome;
      if (!(error instanceof InTheWay)) throw error;
      for (const newborn of error.newborns) makeWay(newborn);
    }
  }
}

class Pull {
  readonly #parts: FollowParts;
  readonly #position: SharedPosition;
  readonly #rows: readonly SharedRow[];
  readonly #lost: ReadonlySet<BlobHash>;
  readonly #changes: PulledChange[] = [];
  readonly #own = new Map<number, PulledChange>();
  /** Of this store, which came to know only here that the shared log has taken them (`sync=strict`). */
  readonly #comeBack = new Set<PulledChange>();
  readonly #refusals: { error: PfsError; layer: UserId; actor: Actor }[] = [];
  readonly #hiders: Hiders;
  #plans: LayerPlans;
  readonly #rebases = new Map<UserId, LayerRebase>();
  readonly #made = new Map<BlobHash, Uint8Array>();
  readonly #needed = new Set<BlobHash>();
  readonly #startedMs = performance.now();
  #desyncs = 0;

  constructor(
    parts: FollowParts,
    position: SharedPosition,
    rows: readonly SharedRow[],
    lost: ReadonlySet<BlobHash>,
  ) {
    this.#parts = parts;
    this.#position = position;
    this.#rows = rows;
    this.#lost = lost;
    this.#hiders = new Hiders(parts.base.store.database, parts.base.book.bookId);
    this.#plans = this.#newPlans();
    for (const row of rows) this.#read(row);
  }

  run(): FollowOutcome {
    const { shared } = this.#parts;
    for (const [seq, { sharedSeq, file }] of this.#own) {
      shared.note(seq, sharedSeq);
      // What a refused row names is what the path has there, of which nobody here knows the bytes to be there.
      if (file !== undefined && !this.#isRefused(sharedSeq)) shared.noteBlob(file.hash);
    }
    if (this.#changes.length > 0) this.#apply();
    this.#endTaken();
    const last = this.#rows.at(-1);
    if (last !== undefined) shared.advancePulled({ seq: last.seq, entryHash: last.entry_hash });
    shared.advancePushed();
    for (const refusal of this.#refusals) this.#tell(refusal);
    const conflicts = this.#plans.rows.filter(({ conflict }) => conflict !== undefined).length;
    const { length: applied } = this.#changes;
    const { length: refused } = this.#refusals;
    return { type: "applied", counts: { applied, refused, desyncs: this.#desyncs, conflicts } };
  }

  /** Own rows are told from those of others, and from those that a store made which had this one's key before. */
  #read(row: SharedRow): void {
    const { storeId, shared, base } = this.#parts;
    const own = row.origin === storeId ? ownRow(shared, row) : undefined;
    const isOwn =
      own !== undefined && own.path === row.path && own.user_id === row.user_id && saysOwn(shared, own, row);
    if (!isOwn && row.status === "refused") return;
    const change = admitShared(base.book, row);
    if (isOwn) {
      if (change instanceof PfsError) return;
      this.#own.set(own.seq, change);
      // Taken back here while nobody knew that it was done there: it is done again, as what others did.
      if (row.status === "ok" && shared.isSuperseded(own)) this.#changes.push(change);
    } else if (change instanceof PfsError) {
      const layer = BASE;
      this.#refusals.push({ error: change, layer, actor: this.#actor(undefined) });
    } else {
      this.#changes.push(change);
      if (row.origin === storeId && row.origin_seq >= FIRST_STRICT_SEQ) this.#comeBack.add(change);
    }
  }

  /** What was refused on a strict mount here was saved after all. */
  #endTaken(): void {
    for (const { layer, path, file, prevHash } of this.#comeBack) {
      if (file === undefined) continue;
      const { hash: mine, mtime } = file;
      endTakenConflict(this.#treeOf(layer), {
        path,
        mine,
        base: prevHash as BlobHash | null,
        mtime: `${mtime}`,
      });
    }
  }

  #apply(): void {
    const { shared } = this.#parts;
    for (const [layer, changes] of this.#byLayer()) this.#settle(this.#treeOf(layer), changes);
    this.#settleOverlays();
    const first = this.#changes[0] as PulledChange;
    const cause: RowCause = { maker: first.maker, sharedSeq: first.sharedSeq };
    this.#find();
    const waiting = this.#met().filter(({ vacancies }) => vacancies.count > 0);
    if (waiting.length > 0) {
      for (const tree of waiting) settleVacancies(tree, 0);
      this.#plans = this.#newPlans();
      this.#find();
    }
    const isMet = this.#met().length > 0;
    const end = this.#rows.at(-1)?.seq ?? 0;
    if (isMet && shared.lastNoted() > end)
      throw new NotYet({ type: "incomplete", until: shared.lastNoted() });
    for (const [layer, changes] of this.#byLayer()) {
      const touched = new Set(changes.map(({ path }) => path));
      this.#rebases.get(layer)?.undo(touched, cause);
    }
    hideAgain(this.#plans, this.#rebases, this.#hiders);
    const ancestors = this.#applyInOrder();
    for (const rebase of this.#rebases.values()) rebase.mark(cause);
    for (const [layer, rebase] of this.#rebases) {
      const merge = (sides: Merge, path: TreePath) => this.#merge(sides, path);
      const own = ancestors.get(layer) ?? new Map<FileId, Placed>();
      redoChanges({ plan: this.#plans.of(layer), merge, made: this.#made, ancestors: own }, rebase.met());
    }
    for (const [layer, rebase] of this.#rebases)
      redoViews(this.#plans.of(layer), this.#plans, rebase.metViews(), shared, this.#position);
    hideMadeAgain(this.#plans, this.#rebases, this.#hiders);
    refuseNewborns(this.#plans);
    this.#needWhatIsOpen();
    if (this.#needed.size > 0) throw new NotYet({ type: "needs", hashes: [...this.#needed] });
    for (const [hash, bytes] of this.#made) this.#parts.base.blobs.putInline(hash, bytes);
    for (const { file } of this.#changes) if (file !== undefined) shared.noteBlob(file.hash);
    writePlans(this.#plans, shared, this.#actor(first), this.#startedMs);
  }

  /** Whoever has a file open reads its new version from then on, and nobody can wait in a read for its bytes. */
  #needWhatIsOpen(): void {
    const { base } = this.#parts;
    for (const { layer, file } of this.#changes) {
      if (file === undefined || this.#lost.has(file.hash) || base.blobs.has(file.hash)) continue;
      const trees = layer === BASE ? [base, ...base.overlays] : [this.#treeOf(layer)];
      if (trees.some(({ openFiles }) => openFiles.has(file.fileId))) this.#needed.add(file.hash);
    }
  }

  /** Where something of this store's own is met; where that is the base, what is over it may have to go elsewhere. */
  #met(): Tree[] {
    const layers = [...this.#rebases].filter(([, { isMet }]) => isMet).map(([layer]) => layer);
    const trees = new Set(layers.map((layer) => this.#treeOf(layer)));
    if (layers.includes(BASE)) for (const overlay of this.#parts.base.overlays) trees.add(overlay);
    return [...trees];
  }

  /** Finds what of this store's own is met, in each layer. */
  #find(): void {
    for (const [layer, changes] of this.#byLayer()) {
      const rebase = new LayerRebase(this.#plans.of(layer), this.#parts.shared, this.#position);
      this.#rebases.set(layer, rebase);
      rebase.find(changes);
    }
  }

  /** Own rows too where they were taken back. Answers, by layer, what files had after those: both sides began with that. */
  #applyInOrder(): Map<UserId, Map<FileId, Placed>> {
    const ancestors = new Map<UserId, Map<FileId, Placed>>();
    const others = new Set(this.#changes);
    const own = new Set([...this.#own.values()].filter((change) => !others.has(change)));
    const all = [...this.#changes, ...own].sort((a, b) => a.sharedSeq - b.sharedSeq);
    for (const change of all) {
      if (!own.has(change)) {
        this.#applyOne(change);
        continue;
      }
      const { layer, path, fileId, sharedSeq } = change;
      if (this.#rebases.get(layer)?.hasMet(path, fileId) !== true || this.#isRefused(sharedSeq)) continue;
      this.#applyOne(change);
      const file = this.#plans.of(layer).at(path);
      if (file === undefined) continue;
      const known = ancestors.get(layer) ?? new Map<FileId, Placed>();
      ancestors.set(layer, known.set(file.fileId, { path, file }));
    }
    return ancestors;
  }

  #isRefused(sharedSeq: number): boolean {
    const first = this.#rows[0]?.seq ?? 0;
    return this.#rows[sharedSeq - first]?.status === "refused";
  }

  #merge({ base, mine, theirs }: Merge, path: TreePath): Uint8Array | undefined {
    const { blobs } = this.#parts.base;
    const hashes = [base, mine, theirs];
    const absent = hashes.filter((hash) => !this.#made.has(hash) && !blobs.has(hash));
    for (const hash of absent) if (!this.#lost.has(hash)) this.#needed.add(hash);
    if (absent.length > 0) return undefined;
    const read = (hash: BlobHash): Buffer | undefined => {
      try {
        const made = this.#made.get(hash);
        return made === undefined ? blobs.readInline(hash, path) : Buffer.from(made);
      } catch (error) {
        if (error instanceof PfsError) return undefined;
        throw error;
      }
    };
    const [baseBytes, mineBytes, theirBytes] = hashes.map(read);
    if (baseBytes === undefined || mineBytes === undefined || theirBytes === undefined) return undefined;
    return mergeText({ base: baseBytes, mine: mineBytes, theirs: theirBytes });
  }

  #applyOne(change: PulledChange): void {
    const outcome = applyShared(this.#plans, change, (...made) => this.#hiders.isMadeAfter(...made));
    const { layer, operation, fileId } = change;
    if (layer === BASE && operation === "create" && fileId !== undefined)
      showMade(this.#plans, fileId, change, this.#hiders);
    if (outcome === "desync") this.#desyncs++;
    else if (outcome !== "done") {
      this.#comeBack.delete(change);
      this.#refusals.push({ error: outcome, layer: change.layer, actor: this.#actor(change) });
    }
  }

  #tell({ error, layer, actor }: { error: PfsError; layer: UserId; actor: Actor }): void {
    const { store, refusals } = this.#treeOf(layer);
    store.afterCommit(() => refusals.record(error, error.path ?? "", actor));
  }

  /** What users have removed of the base a moment ago is decided before the base changes: they had seen it as it was. */
  #settleOverlays(): void {
    const { base } = this.#parts;
    if (!this.#changes.some(({ layer }) => layer === BASE)) return;
    for (const overlay of base.overlays) settleVacancies(overlay, 0);
  }

  /** What was removed a moment ago at the paths of changes, above or below them, is not there. */
  #settle(tree: Tree, changes: readonly PulledChange[]): void {
    if (tree.vacancies.count === 0) return;
    const paths = new Set(changes.map(({ path }) => path));
    for (const { fileId } of changes) {
      const row = fileId === undefined ? undefined : tree.journal.find(fileId);
      if (row !== undefined) paths.add(row.path as TreePath);
    }
    for (const path of paths) {
      if (tree.vacancies.has(path)) settle(tree, path, this.#startedMs);
      settleAround(tree, path, this.#startedMs);
    }
  }

  #byLayer(): Map<UserId, PulledChange[]> {
    const layers = new Map<UserId, PulledChange[]>();
    for (const change of this.#changes) {
      const known = layers.get(change.layer);
      if (known === undefined) layers.set(change.layer, [change]);
      else known.push(change);
    }
    return layers;
  }

  #newPlans(): LayerPlans {
    return new LayerPlans((layer) => this.#treeOf(layer));
  }

  #treeOf(layer: UserId): Tree {
    return layer === BASE ? this.#parts.base : this.#parts.overlay(layer);
  }

  /** Whoever did it there, as the one for whom directories are made here: of no mount, and the store's owner. */
  #actor(change: PulledChange | undefined): Actor {
    const { ownerUid: uid, ownerGid: gid } = this.#parts.base.store;
    const agent = change?.maker.agent ?? ("sync" as Actor["agent"]);
    const command = change?.maker.command() ?? "";
    return {
      agent,
      uid,
      gid,
      pid: change?.maker.pid ?? 0,
      command: () => command,
      origin: undefined,
    };
  }
}

/**
 * Whether a shared row says what this store sent of its own row: what it did, or that it was refused, if it was so here or
 * was taken back for what others did. Any other refusal is somebody's word, and the row is yet to be sent.
 */
function saysOwn(shared: SharedRows, own: LogRow, { status, new_hash }: SharedRow): boolean {
  if (status === "refused") return own.status === "refused" || shared.isSuperseded(own);
  return own.status === "ok" && own.new_hash === new_hash;
}

/** What was shared first is known by what was noted of it, if this store came to do it then. */
function ownRow(shared: SharedRows, { seq, origin_seq }: SharedRow): LogRow | undefined {
  return origin_seq < FIRST_STRICT_SEQ ? shared.ownRow(origin_seq) : shared.rowNotedAs(seq);
}
