/**
 * Owns what is to be built: by which files the base at one position of the log differs from what somebody has built last,
 * which is named by its manifest hash. Costs what was written in between. Must never compare bytes.
 */
import type { Database } from "better-sqlite3";
import { BASE, type BlobHash, type BookId, type Seq } from "../schema/ids.ts";
import { type ManifestPosition, positionsOfManifests } from "./manifest.ts";
import { writtenPaths } from "./past/changes.ts";
import { PastFiles } from "./past/past-files.ts";
import type { BookFile } from "./reader.ts";
import { MovedRows } from "./retention/moved-rows.ts";

/** A file that is not as it was built, as the plan shows it. */
export interface PlannedFile {
  readonly path: string;
  /** What was done to it since. */
  readonly change: "added" | "modified" | "deleted";
  /** Null when it was deleted. */
  readonly current_hash: BlobHash | null;
  /** Null when it was added. */
  readonly target_hash: BlobHash | null;
}

/** A plan but for its files, which {@link planPages} makes. */
export interface Plan {
  readonly status: "unchanged" | "changed";
  /** Of the state that is planned for. */
  readonly manifest_hash: BlobHash;
  /** Why all files are listed, when the target is not known. */
  readonly warning?: string;
}

/** What was built last: a manifest hash, or nothing yet. */
export type PlanTarget = BlobHash | "all";

export interface PlanQuery {
  readonly bookId: BookId;
  /** The position that was built; undefined: nothing, so that every file is added. */
  readonly from: Seq | undefined;
  readonly to: Seq;
}

/** Looked at in a page, changed or not: a millisecond or two. */
const PAGE_PATHS = 200;
interface Between {
  readonly bookId: BookId;
  readonly from: Seq;
  readonly to: Seq;
}

/** Up to so many rows of the log, nobody waits long: some 10 ms. */
const FEW_ROWS = 10_000;
/** To find a path and what it was at two positions costs as much as going through so many rows. */
const ROWS_PER_PATH = 10;

/** The position of a manifest that was told; undefined if none is known by that hash, or rows since are in segments only. */
export function positionOfManifest(database: Database, bookId: BookId, hash: BlobHash): Seq | undefined {
  const seq = positionsOfManifests(database, bookId, hash)[0]?.seq;
  const horizon = MovedRows.of(database).horizonOf(bookId);
  return seq === undefined || (seq < horizon && seq !== 0) ? undefined : seq;
}

/** A plan against a target, and what its files are found by. */
export function makePlan(
  database: Database,
  bookId: BookId,
  target: PlanTarget,
  current: ManifestPosition,
): { readonly plan: Plan; readonly query: PlanQuery } {
  const { manifestHash, seq: to } = current;
  const changed = { status: "changed", manifest_hash: manifestHash } as const;
  if (target === "all") return { plan: changed, query: { bookId, from: undefined, to } };
  if (target === manifestHash) {
    return { plan: { status: "unchanged", manifest_hash: manifestHash }, query: { bookId, from: to, to } };
  }
  const from = positionOfManifest(database, bookId, target);
  const plan = from === undefined ? { ...changed, warning: unknownManifest(bookId, target) } : changed;
  return { plan, query: { bookId, from, to } };
}

function unknownManifest(bookId: BookId, target: BlobHash): string {
  return `The manifest ${target} of ${bookId} is not known here: every file is listed, and what was deleted since is not.`;
}

/**
 * The files of a plan, bytewise sorted by path, in pages, which may be empty. Reads the database only while a page is made.
 * @param goThrough how they are found: by the rows between the two positions, or by all paths that the book ever had
 */
export function* planPages(
  database: Database,
  { bookId, from, to }: PlanQuery,
  goThrough: "rows" | "paths" = from === undefined ? "paths" : cheaper(database, { bookId, from, to }),
): Generator<PlannedFile[], void> {
  const files = new PastFiles(database, bookId, BASE);
  if (from === undefined) {
    for (const page of files.pages(to)) yield page.map((file) => planned(undefined, file) as PlannedFile);
    return;
  }
  const pathPages =
    goThrough === "paths" ? files.pathPages(PAGE_PATHS) : writtenPages(database, { bookId, from, to });
  for (const paths of pathPages) {
    const page: PlannedFile[] = [];
    for (const path of paths) {
      const file = planned(files.file(path, from), files.file(path, to));
      if (file !== undefined) page.push(file);
    }
    yield page;
  }
}

/** Rows between the two may be many more than the book has files: they are of overlays and other books, too. */
function cheaper(database: Database, { bookId, from, to }: Between): "rows" | "paths" {
  const rows = Math.abs(to - from);
  if (rows <= FEW_ROWS) return "rows";
  const limit = Math.floor(rows / ROWS_PER_PATH);
  const files = database
    .prepare<unknown[], number>(
      "SELECT count(*) FROM (SELECT 1 FROM file_journal WHERE book_id = ? AND user_id = ? LIMIT ?)",
    )
    .pluck()
    .get(bookId, BASE, limit) as number;
  return files < limit ? "paths" : "rows";
}

function* writtenPages(database: Database, { bookId, from, to }: Between): Generator<string[], void> {
  const paths = from === to ? [] : writtenPaths(database, { bookId, layer: BASE, from, to });
  for (let at = 0; at < paths.length; at += PAGE_PATHS) yield paths.slice(at, at + PAGE_PATHS);
}

/** Undefined when the bytes are the same, whatever else is not. */
function planned(target: BookFile | undefined, current: BookFile | undefined): PlannedFile | undefined {
  const file = current ?? target;
  if (file === undefined || target?.sha256 === current?.sha256) return undefined;
  return {
    path: file.path,
    change: target === undefined ? "added" : current === undefined ? "deleted" : "modified",
    current_hash: current?.sha256 ?? null,
    target_hash: target?.sha256 ?? null,
  };
}

/**
 * A plan as one JSON object, in pieces: one for each page of its files, each file a piece of text with its separator.
 * @param lineEnd what comes between files; "" leaves all on one line
 */
export function* planText(
  plan: Plan,
  pages: Iterable<readonly PlannedFile[]>,
  lineEnd: "\n" | "",
): Generator<string[], void> {
  yield [`${JSON.stringify(plan).slice(0, -1)},"files":[`];
  let separator: string = lineEnd;
  let isEmpty = true;
  for (const files of pages) {
    yield files.map((file) => {
      const text = `${separator}${JSON.stringify(file)}`;
      separator = `,${lineEnd}`;
      return text;
    });
    isEmpty &&= files.length === 0;
  }
  yield [isEmpty ? "]}\n" : `${lineEnd}]}\n`];
}
