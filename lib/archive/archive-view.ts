/**
 * Owns which files an archive holds: one layer's view of a book at a position, in the order of the archive. Reads as it is
 * asked, from the log, so that nothing that happens meanwhile shows. Must never show one user's files to another.
 */
import { createHash } from "node:crypto";
import { type ArchiveScope, isInScope } from "../../schema/archive-scope.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, BookId, Seq, UserId } from "../../schema/ids.ts";
import type { ResumePoint } from "../../schema/resume-token.ts";
import { overlayChanges } from "../overlays.ts";
import type { PathChange } from "../past/changes.ts";
import { type PastView, rangeBelow } from "../past/past-view.ts";
import { pastViewOf } from "../past/past-view-of.ts";
import { timeOf } from "../past/position.ts";
import type { BookFile, StoreReader } from "../reader.ts";

export interface ViewQuery {
  readonly bookId: BookId;
  /** What this user sees; undefined: the base. */
  readonly userId?: UserId | undefined;
  /** As it was at a position; undefined: as it is now. */
  readonly seq?: Seq | undefined;
  readonly scope: ArchiveScope;
}

/** How much there is. */
export interface Survey {
  readonly files: number;
  readonly sizeBytes: number;
  /** Of the whole view, whatever the scope. */
  readonly manifestHash: BlobHash;
}

/** Where the log ends, and what a user sees otherwise than the base has it there. */
interface Present {
  readonly seq: Seq;
  readonly changes: readonly PathChange[];
}

/** A position, and the changes over the base there; {@link PAST}: the log has them, too. */
interface ViewState {
  readonly seq: Seq;
  readonly changes: readonly PathChange[] | typeof PAST;
}

/** Instead of a digest: what a user saw at a position never changes. */
const PAST = "0";
const PAGE_FILES = 500;
const DIGEST_DIGITS = 16;

export class ArchiveView {
  readonly bookId: BookId;
  readonly userId: UserId | undefined;
  readonly scope: ArchiveScope;
  readonly seq: Seq;
  /** What tells the user's view from others of the same position; "" for the base. */
  readonly changes: string;
  /** When the position was reached, ISO 8601. */
  readonly time: string;
  readonly #base: PastView;
  readonly #own: readonly BookFile[];
  readonly #hidden: ReadonlySet<string>;

  /** @throws PfsError NOT_FOUND: no such book */
  static open(reader: StoreReader, { bookId, userId, seq, scope }: ViewQuery): ArchiveView {
    reader.book(bookId);
    if (userId !== undefined && seq !== undefined)
      return new ArchiveView(reader, { bookId, userId, scope, seq, changes: PAST });
    const present = presentOf(reader, bookId, userId);
    return new ArchiveView(reader, { bookId, userId, scope, ...present, seq: seq ?? present.seq });
  }

  /** The view that an earlier part was made of. @throws PfsError CONFLICT: it is no more; NOT_FOUND */
  static resume(reader: StoreReader, { bookId, userId, scope, seq, changes }: ResumePoint): ArchiveView {
    reader.book(bookId);
    const present = presentOf(reader, bookId, userId);
    if (seq > present.seq)
      throw new PfsError("NOT_FOUND", `The store has no position ${seq}, of which the token speaks.`, {
        hint: "Go on with the store that the first part was made of.",
      });
    const isPast = userId !== undefined && changes === PAST;
    const view = new ArchiveView(reader, {
      bookId,
      userId,
      scope,
      seq,
      changes: isPast ? PAST : present.changes,
    });
    if (view.changes === changes) return view;
    throw new PfsError("CONFLICT", `What ${userId} sees of ${bookId} has changed since the first part.`, {
      hint: "Archive it anew.",
    });
  }

  private constructor(
    reader: StoreReader,
    { bookId, userId, scope, seq, changes }: Omit<ViewQuery, "seq"> & ViewState,
  ) {
    this.bookId = bookId;
    this.userId = userId;
    this.scope = scope;
    this.seq = seq;
    this.time = timeOf(reader.database, seq) ?? reader.book(bookId).createdAt;
    this.#base = pastViewOf(reader.database, bookId, changes === PAST ? userId : undefined);
    const present = changes === PAST ? [] : changes;
    this.#own = present.flatMap(({ after }) => (after === undefined ? [] : [after]));
    this.#hidden = new Set(present.flatMap(({ path, after }) => (after === undefined ? [path] : [])));
    this.changes = userId === undefined ? "" : changes === PAST ? PAST : digestOf(changes);
  }

  /** Its files behind a path, bytewise sorted; "" is before all. */
  *files(after = ""): Generator<BookFile, void> {
    for (const file of this.#all(after)) if (isInScope(file.path, this.scope)) yield file;
  }

  /** Whether there is a file at a path, whatever the scope. */
  has(path: string): boolean {
    if (this.#own.some((file) => file.path === path)) return true;
    return !this.#hidden.has(path) && this.#base.file(path, this.seq) !== undefined;
  }

  /** Reads all of it once; counts what is behind a path. */
  survey(after = ""): Survey {
    const digest = createHash("sha256");
    let [files, sizeBytes] = [0, 0];
    for (const file of this.#all("")) {
      digest.update(`${file.path}:${file.sha256}\n`);
      if (!isInScope(file.path, this.scope) || (after !== "" && !isBefore(after, file.path))) continue;
      files++;
      sizeBytes += file.sizeBytes;
    }
    return { files, sizeBytes, manifestHash: digest.digest("hex") as BlobHash };
  }

  *#all(after: string): Generator<BookFile, void> {
    const own = this.#own.filter(({ path }) => isBefore(after, path));
    let next = 0;
    for (const file of this.#basePages(after)) {
      for (let mine = own[next]; mine !== undefined && isBefore(mine.path, file.path); mine = own[++next])
        yield mine;
      const mine = own[next];
      if (mine?.path === file.path) {
        next++;
        yield mine;
      } else if (!this.#hidden.has(file.path)) yield file;
    }
    yield* own.slice(next);
  }

  /** No read transaction is held between two pages: they would keep the write-ahead log from starting over. */
  *#basePages(after: string): Generator<BookFile, void> {
    const { end } = rangeBelow("");
    // No path has a NUL in it: the first that may come after this one.
    for (let from = after === "" ? "" : `${after}\0`; ; ) {
      const page: BookFile[] = [];
      for (const file of this.#base.filesIn({ from, end }, this.seq)) {
        page.push(file);
        if (page.length === PAGE_FILES) break;
      }
      yield* page;
      if (page.length < PAGE_FILES) return;
      from = `${(page.at(-1) as BookFile).path}\0`;
    }
  }
}

function presentOf(reader: StoreReader, bookId: BookId, userId: UserId | undefined): Present {
  if (userId === undefined) return { seq: reader.head().seq as Seq, changes: [] };
  const snapshot = reader.openSnapshot();
  try {
    return { seq: snapshot.head().seq as Seq, changes: overlayChanges(snapshot, bookId, userId) };
  } finally {
    snapshot.close();
  }
}

/** As SQLite sorts. */
function isBefore(path: string, other: string): boolean {
  return Buffer.compare(Buffer.from(path), Buffer.from(other)) < 0;
}

function digestOf(changes: readonly PathChange[]): string {
  const digest = createHash("sha256");
  for (const { path, after } of changes) {
    const time = after === undefined ? null : [after.mtime.seconds, after.mtime.nanoseconds];
    digest.update(`${JSON.stringify([path, after?.sha256, after?.mode, time])}\n`);
  }
  return digest.digest("hex").slice(0, DIGEST_DIGITS);
}
