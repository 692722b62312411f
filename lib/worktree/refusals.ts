/**
 * Owns what was refused: a log row where the path could be one of the book's (R6: it carries the current hash on both
 * sides), and the recent refusals for people, in memory and bounded. Must never decide what is refused.
 */
import type { ErrorCode, PfsError } from "../../schema/errors.ts";
import type { LogOperation } from "../../schema/log-row.ts";
import type { Actor } from "../node.ts";

/** One refusal as `.pfs/errors.jsonl` shows it. */
export interface Refusal {
  /** ISO 8601. */
  readonly time: string;
  readonly code: ErrorCode;
  readonly path: string;
  readonly agent: string;
  readonly uid: number;
  readonly pid: number;
  readonly command: string;
  readonly message: string;
  readonly hint: string | null;
}

/** What a refusal is about. */
export interface RefusedOperation {
  readonly operation: LogOperation;
  readonly path: string;
  readonly startedMs: number;
}

const MAX_KEPT = 500;

/** The recent refusals of one book. */
export class Refusals {
  readonly #kept: Refusal[] = [];
  readonly #listeners: ((refusal: Refusal) => void)[] = [];

  record(error: PfsError, path: string, actor: Actor): void {
    const refusal: Refusal = {
      time: new Date().toISOString(),
      code: error.code,
      path,
      agent: actor.agent,
      uid: actor.uid,
      pid: actor.pid,
      command: actor.command(),
      message: error.message,
      hint: error.hint ?? null,
    };
    if (this.#kept.length >= MAX_KEPT) this.#kept.shift();
    this.#kept.push(refusal);
    for (const listener of this.#listeners) listener(refusal);
  }

  /** Oldest first. */
  list(): readonly Refusal[] {
    return this.#kept;
  }

  onRefusal(listener: (refusal: Refusal) => void): void {
    this.#listeners.push(listener);
  }
}
