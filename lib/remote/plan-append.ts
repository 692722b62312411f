/**
 * Owns what appending rows to a shared log means, whatever keeps it: which of them are there already, whether each fits the
 * shared journal (W1), and what log, journal and hidden files are afterwards. Must never read or write anything itself.
 */
import { PfsError } from "../../schema/errors.ts";
import { BASE, type BlobHash, type BookId } from "../../schema/ids.ts";
import {
  canonicalSharedJson,
  parseRowToShare,
  type RowToShare,
  type SharedRow,
} from "../../schema/shared-row.ts";
import type { SharedHead } from "./remote-log.ts";
import { chain, damaged } from "./shared-chain.ts";

/** A path in a layer. Names are those of the tables. */
export interface LayerPath {
  readonly user_id: string;
  readonly path: string;
}

export interface HiddenRow extends LayerPath {
  readonly file_id: number;
}

/** A row of the shared journal. */
export interface JournalRow extends LayerPath {
  readonly sha256: string;
  readonly size: number;
  readonly mode: number;
  /** Decimal nanoseconds. */
  readonly mtime: string;
  readonly file_id: number;
  readonly seq: number;
  readonly agent_id: string;
  readonly base_hash: string | null;
}

/** What of a book has to be known before rows can be appended. */
export interface Questions {
  readonly rows: readonly { readonly origin: string; readonly origin_seq: number }[];
  /** Which file is there? */
  readonly files: readonly LayerPath[];
  /** How many files are below? */
  readonly below: readonly LayerPath[];
  /** Which hidden files have this id, or are at this path? */
  readonly hidden: readonly (LayerPath & { readonly file_id: number | null })[];
  /** Which rows after the position that was pulled are about one of these paths, or of these files? */
  readonly touched: readonly (LayerPath & { readonly file_id: number | null })[];
}

/** The answers, as they are within the transaction that will append. */
export interface Answers {
  readonly head: SharedHead;
  readonly rows: readonly SharedRow[];
  readonly files: readonly (LayerPath & { readonly sha256: string })[];
  readonly below: readonly (LayerPath & { readonly count: number })[];
  readonly hidden: readonly HiddenRow[];
  readonly touched: readonly TouchingRow[];
}

/** Of a row that was not refused. */
interface TouchingRow extends LayerPath {
  readonly file_id: number | null;
  readonly origin: string;
  readonly origin_seq: number;
}

/** What is to be written; nothing when `rows` is empty. */
export interface AppendPlan {
  readonly type: "fits";
  readonly rows: readonly SharedRow[];
  readonly stored: readonly JournalRow[];
  readonly removed: readonly LayerPath[];
  readonly hidden: readonly HiddenRow[];
  readonly shown: readonly HiddenRow[];
  readonly head: SharedHead;
  /** Of all rows that were asked for, in their order. */
  readonly seqs: readonly number[];
}

export type Planned =
  | AppendPlan
  | { readonly type: "moved"; readonly index: number; readonly current: BlobHash | null };

/**
 * Rows as they may be sent: complete, with an agent (R7), of this book.
 * @throws PfsError STORE_DAMAGED: whoever made them has no such rows
 */
export function checkRows(bookId: BookId, rows: readonly RowToShare[]): RowToShare[] {
  return rows.map((row) => {
    const checked = parseRowToShare(row);
    const wrong = "wrong" in checked ? checked.wrong : checked.book_id === bookId ? undefined : "book_id";
    if (wrong === undefined) return checked as RowToShare;
    throw new PfsError(
      "STORE_DAMAGED",
      `Row ${row.origin_seq} of the log cannot be shared: ${wrong} is wrong in it.`,
      {
        path: row.path,
        hint: "`pfs verify` says what is wrong with the store.",
      },
    );
  });
}

/** What {@link planAppend} has to know for these rows. */
export function questionsOf(rows: readonly RowToShare[]): Questions {
  const files = new Map<string, LayerPath>();
  const below = new Map<string, LayerPath>();
  const hidden: (LayerPath & { file_id: number | null })[] = [];
  const touched: (LayerPath & { file_id: number | null })[] = [];
  for (const row of rows) {
    const { user_id, path, file_id } = row;
    files.set(keyOf(row), { user_id, path });
    if (row.status !== "ok") continue;
    touched.push({ user_id, path, file_id });
    if (changesHidden(row)) hidden.push({ user_id, path, file_id });
    if (row.prev_hash !== null || row.new_hash === null) continue;
    below.set(keyOf(row), { user_id, path });
    for (const above of pathsAbove(path))
      files.set(keyOf({ user_id, path: above }), { user_id, path: above });
  }
  return {
    rows: rows.map(({ origin, origin_seq }) => ({ origin, origin_seq })),
    files: [...files.values()],
    below: [...below.values()],
    hidden,
    touched,
  };
}

/** Decides about rows that {@link checkRows} has checked. @throws PfsError STORE_DAMAGED as RemoteLog.append */
export function planAppend(bookId: BookId, rows: readonly RowToShare[], answers: Answers): Planned {
  const draft = new JournalDraft(answers);
  const known = new Map(answers.rows.map((row) => [identityOf(row), row]));
  const unseen = unseenBy(rows, answers.touched);
  const appended: SharedRow[] = [];
  const seqs: number[] = [];
  let { head } = answers;
  for (const [index, row] of rows.entries()) {
    const present = known.get(identityOf(row));
    if (present !== undefined) {
      refuseOther(bookId, row, present);
      seqs.push(present.seq);
      continue;
    }
    const current = draft.hashAt(row);
    // The hash alone does not say that nobody was here: a version may have come back since.
    if (row.status === "ok" && (row.prev_hash !== current || isTouched(row, unseen) || draft.isInTheWay(row)))
      return { type: "moved", index, current: current as BlobHash | null };
    const next = chain(head, row.status === "ok" ? row : { ...row, prev_hash: current, new_hash: current });
    if (row.status === "ok") draft.apply(next);
    known.set(identityOf(next), next);
    appended.push(next);
    seqs.push(next.seq);
    head = { seq: next.seq, entryHash: next.entry_hash };
  }
  return { type: "fits", rows: appended, ...draft.changes(), head, seqs };
}

/** The part of a shared journal that rows are about, as it becomes with them. */
class JournalDraft {
  readonly #hashes: Map<string, string>;
  readonly #below: Map<string, number>;
  readonly #hidden: Map<string, HiddenRow>;
  readonly #files = new Map<string, JournalRow | LayerPath>();
  readonly #hiddenBefore: ReadonlyMap<string, HiddenRow>;

  constructor({ files, below, hidden }: Answers) {
    this.#hashes = new Map(files.map((file) => [keyOf(file), file.sha256]));
    this.#below = new Map(below.map((each) => [keyOf(each), each.count]));
    this.#hiddenBefore = new Map(hidden.map((each) => [hiddenKeyOf(each), each]));
    this.#hidden = new Map(this.#hiddenBefore);
  }

  hashAt(place: LayerPath): string | null {
    return this.#hashes.get(keyOf(place)) ?? null;
  }

  /** Whether a new path would be below a file or above one. */
  isInTheWay({ user_id, path, prev_hash, new_hash }: RowToShare): boolean {
    if (prev_hash !== null || new_hash === null) return false;
    if ((this.#below.get(keyOf({ user_id, path })) ?? 0) > 0) return true;
    return pathsAbove(path).some((above) => this.#hashes.has(keyOf({ user_id, path: above })));
  }

  apply(row: SharedRow): void {
    const { user_id, path, new_hash } = row;
    const key = keyOf(row);
    const change = Number(new_hash !== null) - Number(this.#hashes.has(key));
    for (const above of change === 0 ? [] : pathsAbove(path)) {
      const aboveKey = keyOf({ user_id, path: above });
      const count = this.#below.get(aboveKey);
      if (count !== undefined) this.#below.set(aboveKey, count + change);
    }
    if (new_hash === null) {
      this.#hashes.delete(key);
      this.#files.set(key, { user_id, path });
    } else {
      this.#hashes.set(key, new_hash);
      this.#files.set(key, fileOf(row, new_hash));
    }
    if (changesHidden(row)) this.#applyHidden(row);
  }

  #applyHidden({ user_id, path, file_id, operation }: SharedRow): void {
    if (operation === "hide") {
      if (file_id !== null) this.#hidden.set(hiddenKeyOf({ user_id, file_id }), { user_id, file_id, path });
      return;
    }
    for (const [key, each] of this.#hidden) {
      const isSame = each.file_id === file_id;
      if (operation === "revert") {
        // What the overlay had of its own at the name may have been another file.
        if (each.user_id === user_id && (isSame || each.path === path)) this.#hidden.delete(key);
      } else if (isSame) {
        if (operation !== "rename") this.#hidden.delete(key);
        else this.#hidden.set(key, { ...each, path });
      }
    }
  }

  changes(): Pick<AppendPlan, "stored" | "removed" | "hidden" | "shown"> {
    const files = [...this.#files.values()];
    return {
      stored: files.filter((file) => "sha256" in file),
      removed: files.filter((file) => !("sha256" in file)),
      hidden: [...this.#hidden.values()].filter((each) => this.#hiddenBefore.get(hiddenKeyOf(each)) !== each),
      shown: [...this.#hiddenBefore.values()].filter((each) => !this.#hidden.has(hiddenKeyOf(each))),
    };
  }
}

/** What others did to paths and files since whoever sends the rows has pulled; its own rows, sent once more, are not of others. */
function unseenBy(rows: readonly RowToShare[], touched: readonly TouchingRow[]): ReadonlySet<string> {
  const own = new Set(rows.map(identityOf));
  const others = touched.filter((row) => !own.has(identityOf(row)));
  return new Set(others.flatMap((row) => [keyOf(row), fileKeyOf(row)]));
}

function isTouched(row: RowToShare, unseen: ReadonlySet<string>): boolean {
  return unseen.has(keyOf(row)) || (row.file_id !== null && unseen.has(fileKeyOf(row)));
}

/** Whether a row may change which files of the base are hidden: it hides or shows one, or the base makes, moves or removes one. */
function changesHidden({ operation, user_id, new_hash }: RowToShare): boolean {
  if (user_id !== BASE) return operation === "hide" || operation === "revert";
  return operation === "create" || operation === "delete" || (operation === "rename" && new_hash !== null);
}

function fileOf(row: SharedRow, sha256: string): JournalRow {
  const { user_id, path, seq, agent_id, base_hash } = row;
  // Those of rows with a new hash are there: parseRowToShare.
  const { size, mode, mtime, file_id } = row as { [Key in "size" | "mode" | "file_id"]: number } & {
    mtime: string;
  };
  return { user_id, path, sha256, size, mode, mtime, file_id, seq, agent_id, base_hash };
}

/** @throws PfsError STORE_DAMAGED unless the row that is there is this one, with what appending has given it */
function refuseOther(bookId: BookId, row: RowToShare, present: SharedRow): void {
  const { seq, prev_hash, new_hash } = present;
  const placed = row.status === "ok" ? { ...row, seq } : { ...row, seq, prev_hash, new_hash };
  if (canonicalSharedJson(placed) === canonicalSharedJson(present)) return;
  throw damaged(
    bookId,
    `row ${seq} has the identity of row ${row.origin_seq} of this store, and is another one`,
  );
}

function identityOf({ origin, origin_seq }: { origin: string; origin_seq: number }): string {
  return `${origin} ${origin_seq}`;
}

function keyOf({ user_id, path }: LayerPath): string {
  return `${user_id}/${path}`;
}

/** No path has two slashes. */
function fileKeyOf({ user_id, file_id }: { user_id: string; file_id: number | null }): string {
  return `${user_id}//${file_id}`;
}

function hiddenKeyOf({ user_id, file_id }: Pick<HiddenRow, "user_id" | "file_id">): string {
  return `${user_id}/${file_id}`;
}

/** `a/b/c` is below `a/b` and `a`. */
function pathsAbove(path: string): string[] {
  const above: string[] = [];
  for (let slash = path.lastIndexOf("/"); slash !== -1; slash = path.lastIndexOf("/", slash - 1))
    above.push(path.slice(0, slash));
  return above;
}
