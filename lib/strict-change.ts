/**
 * Owns a change that a strict mount makes (`sync=strict`): each transaction of it is undone the first time, its rows are given
 * to the shared log, and once that has taken them the same is done again and stays. Must never let rows stay that the shared
 * log does not have, and never share anything itself.
 */
import { linkSync, rmSync } from "node:fs";
import { PfsError } from "../schema/errors.ts";
import { type BlobHash, type BookId, type FileId, newFileId, quote } from "../schema/ids.ts";
import { type LogOperation, type LogRow, type LogRowBody, localOperations } from "../schema/log-row.ts";
import type { Blobs } from "./blobs.ts";
import { newDraftPath } from "./draft-path.ts";
import { Deferred, type ShareOutcome } from "./errands.ts";
import type { Log } from "./log.ts";
import { booksThatShare, SharedRows } from "./shared-rows.ts";
import type { StagedBytes } from "./staging.ts";
import type { Store } from "./store.ts";

/** What the shared log is asked to take, all or nothing. */
export interface ChangeToShare {
  readonly bookId: BookId;
  readonly rows: readonly Omit<LogRowBody, "seq">[];
  /** How much of the shared log was here when they were made: what has come since may have put other files at their paths. */
  readonly pulledSeq: number;
  /** Bytes that rows name, which the remote is not known to have; to be read only as long as somebody waits for the answer. */
  readonly blobs: readonly StagedBytes[];
}

export interface StrictParts {
  readonly store: Store;
  readonly log: Log;
  readonly blobs: Blobs;
  readonly bookId: BookId;
}

/** A version that the shared log has taken and that is not here yet. */
export interface TakenVersion {
  readonly hash: BlobHash;
  /** Bytes. */
  readonly size: number;
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Undefined for many: they are on the remote, and may not be here. */
  readonly bytes: Uint8Array | undefined;
}

/** A change of a strict mount that was not made, as the shared log does not have it, or has another one. */
export class StrictRefusal extends PfsError {
  readonly operation: LogOperation;

  constructor(
    code: "CONFLICT" | "UNAVAILABLE",
    message: string,
    { operation, path, prev_hash }: LogRow,
    hint?: string,
  ) {
    const hashes = code === "CONFLICT" ? { seen: prev_hash, current: null } : undefined;
    super(code, message, { path, hint, hashes });
    this.operation = operation;
  }
}

/** How often one request asks. More only where others change the same file again and again, and change it back. */
const MAX_QUESTIONS = 5;

interface Question {
  readonly rows: readonly LogRow[];
  readonly blobs: readonly StagedBytes[];
  /** Undefined: nobody could say. */
  outcome: ShareOutcome | undefined;
}

/** What one request of a strict mount does, however often it is handled anew. */
export class StrictChange {
  readonly #parts: StrictParts;
  readonly #shared: SharedRows;
  readonly #fileIds = new Map<string, FileId>();
  #question: Question | undefined;
  #questions = 0;

  constructor(parts: StrictParts) {
    this.#parts = parts;
    this.#shared = new SharedRows(parts.store.database, parts.bookId);
  }

  /**
   * Lets a transaction be committed of which the shared log has the rows, or of which it needs none: what only sets times and
   * modes, or is refused, goes there later.
   * @throws Deferred; StrictRefusal
   */
  beforeCommit(): void {
    const { log } = this.#parts;
    const { seqBefore } = log;
    if (log.seq === seqBefore) return;
    const rows = log.rowsAfter(seqBefore).filter(isShared);
    const first = rows.find(({ operation }) => operation !== "attributes");
    if (first === undefined) return;
    const question = this.#question;
    if (question === undefined) throw this.#ask(rows);
    const { outcome } = question;
    if (outcome === undefined || outcome.type === "failed") throw notTaken(first, outcome);
    if (!isSame(question.rows, rows)) throw movedOn(first, outcome.type === "shared");
    // Somebody was there, and has put back what there was.
    if (outcome.type === "moved") throw this.#ask(rows);
    const pairs = rows.map(({ seq }, index) => ({ seq, sharedSeq: outcome.seqs[index] as number }));
    const hashes = rows.flatMap(({ new_hash }) => (new_hash === null ? [] : [new_hash as BlobHash]));
    this.#shared.notePushed(pairs, hashes, outcome.until);
    this.#question = undefined;
  }

  /** What the shared log has taken for a path, and is yet to be done here; undefined: nothing. */
  taken(path: string): TakenVersion | undefined {
    const question = this.#question;
    if (question?.outcome?.type !== "shared") return undefined;
    const row = question.rows.find((each) => each.path === path && each.new_hash !== null);
    if (row === undefined) return undefined;
    const { new_hash: hash, size, mode, mtime } = row;
    const content = question.blobs.find((blob) => blob.hash === hash)?.content;
    return {
      hash: hash as BlobHash,
      size: size as number,
      mode: mode as number,
      mtime: BigInt(mtime as string),
      bytes: content !== undefined && "bytes" in content ? content.bytes : undefined,
    };
  }

  /** The id of a file that is new at a path, the same each time. */
  fileIdOf(path: string): FileId {
    const known = this.#fileIds.get(path) ?? newFileId();
    this.#fileIds.set(path, known);
    return known;
  }

  /** What to throw: to come back with the answer, or that it was asked too often. */
  #ask(rows: readonly LogRow[]): Deferred | StrictRefusal {
    if (++this.#questions > MAX_QUESTIONS) return movedOn(rows[0] as LogRow, false);
    const blobs = this.#carry(rows);
    const question: Question = { rows, blobs, outcome: undefined };
    this.#question = question;
    const { bookId } = this.#parts;
    const bodies = rows.map(({ seq: _, entry_hash: __, ...body }) => body);
    const pulledSeq = this.#shared.position()?.pulledSeq ?? 0;
    return Deferred.of(
      { type: "share", change: { bookId, rows: bodies, pulledSeq, blobs } },
      (outcome) => {
        question.outcome = outcome;
      },
      () => dropStaged(blobs),
    );
  }

  /** The bytes that rows name: with the transaction they will be gone. */
  #carry(rows: readonly LogRow[]): StagedBytes[] {
    const { store, blobs, bookId } = this.#parts;
    const hashes = new Set(rows.flatMap(({ new_hash }) => (new_hash === null ? [] : [new_hash as BlobHash])));
    return [...hashes].flatMap((hash): StagedBytes[] => {
      if (booksThatShare(store.database, hash).includes(bookId)) return [];
      const sizeBytes = blobs.sizeOf(hash);
      if (sizeBytes === undefined) return [];
      const bytes = blobs.readInline(hash, hash);
      if (bytes !== undefined) return [{ hash, sizeBytes, content: { bytes } }];
      const stagedPath = newDraftPath(store.directory);
      linkSync(blobs.objectPath(hash), stagedPath);
      return [{ hash, sizeBytes, content: { stagedPath } }];
    });
  }
}

function isShared({ status, operation }: LogRow): boolean {
  return status === "ok" && !localOperations.includes(operation);
}

function dropStaged(blobs: readonly StagedBytes[]): void {
  for (const { content } of blobs) if ("stagedPath" in content) rmSync(content.stagedPath, { force: true });
}

const COMPARED = [
  "operation",
  "path",
  "user_id",
  "prev_hash",
  "new_hash",
  "file_id",
  "prev_path",
  "size",
  "mode",
  "mtime",
  "base_hash",
] as const;

function isSame(asked: readonly LogRow[], rows: readonly LogRow[]): boolean {
  return (
    asked.length === rows.length &&
    asked.every((row, index) => COMPARED.every((field) => row[field] === rows[index]?.[field]))
  );
}

function notTaken(row: LogRow, outcome: (ShareOutcome & { type: "failed" }) | undefined): StrictRefusal {
  const why = outcome?.failure.message ?? "It could not be asked.";
  return new StrictRefusal(
    "UNAVAILABLE",
    `${quote(row.path)} was not saved, as this mount is strict and the remote did not take it: ${why}`,
    row,
    outcome?.failure.hint ?? "Save again once `pfs status` shows no error, or mount without sync=strict.",
  );
}

function movedOn(row: LogRow, isTaken: boolean): StrictRefusal {
  const what = isTaken
    ? "was changed here, by somebody else, while the remote took this change, which is put together with that."
    : "was changed by somebody else just now.";
  return new StrictRefusal("CONFLICT", `${quote(row.path)} ${what}`, row, "Read it again.");
}
