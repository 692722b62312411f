/**
 * Owns the recent refusals for people, in memory and bounded: the same one again within a short time is counted, not told
 * anew, so that a program in a loop drowns nothing. Must never decide what is refused, nor write the log.
 */
import type { ErrorCode, PfsError } from "../../schema/errors.ts";
import type { AgentName } from "../../schema/ids.ts";
import type { LogOperation } from "../../schema/log-row.ts";
import type { Counters } from "../counters.ts";
import type { Actor } from "../node.ts";

/** One refusal as `.pfs/errors.jsonl` shows it. */
export interface Refusal {
  /** ISO 8601; of the last time, if it was refused more than once. */
  time: string;
  readonly code: ErrorCode;
  readonly path: string;
  readonly agent: AgentName;
  readonly uid: number;
  /** Of the last one. */
  pid: number;
  readonly command: string;
  readonly message: string;
  readonly hint: string | null;
  /** Hash of the version that the program knew, and of the one that there was, of a conflict; of the last one. */
  seen_hash: string | null;
  current_hash: string | null;
  /** How often, from `first_time` to `time`. */
  count: number;
  readonly first_time: string;
}

/** What a refusal is about. */
export interface RefusedOperation {
  readonly operation: LogOperation;
  readonly path: string;
  readonly startedMs: number;
}

/** A refusal of which the log does not know yet how often it came. */
export interface RepeatedRefusal {
  readonly refusal: Readonly<Refusal>;
  readonly operation: LogOperation;
  readonly actor: Actor;
  /** Times that the log does not have. */
  readonly more: number;
}

interface Kept {
  readonly key: string;
  readonly refusal: Refusal;
  readonly firstMs: number;
  readonly operation: LogOperation | undefined;
  /** How many of the times the log has. */
  logged: number;
}

const MAX_KEPT = 500;
/** How long the same refusal is counted instead of told and logged anew, in milliseconds. */
export const REPEAT_MS = 10_000;

/** The recent refusals of one book. */
export class Refusals {
  readonly #kept: Kept[] = [];
  /** Those of which another one the like is counted. */
  readonly #current = new Map<string, Kept>();
  /** Those with times that the log does not have, and that nobody counts any more. */
  readonly #ended: Kept[] = [];
  readonly #listeners: ((refusal: Refusal) => void)[] = [];
  #repeats = 0;
  readonly #counters: Counters;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /**
   * @param operation what the log would say was refused; undefined for what it has no row of
   * @returns whether it is a new one, of which the log should have a row, rather than one more of a kind
   */
  record(error: PfsError, path: string, actor: Actor, operation?: LogOperation): boolean {
    this.#counters.refused(error.code);
    const nowMs = performance.now();
    const time = new Date().toISOString();
    const command = actor.command();
    const key = [error.code, operation, path, actor.agent, actor.uid, command].join("\0");
    const like = this.#current.get(key);
    if (like !== undefined && nowMs - like.firstMs < REPEAT_MS) {
      like.refusal.time = time;
      like.refusal.pid = actor.pid;
      like.refusal.seen_hash = error.hashes?.seen ?? null;
      like.refusal.current_hash = error.hashes?.current ?? null;
      if (like.refusal.count === like.logged) this.#repeats++;
      like.refusal.count++;
      // The last line is the last refusal.
      this.#kept.push(...this.#kept.splice(this.#kept.indexOf(like), 1));
      return false;
    }
    if (like !== undefined) this.#end(like);
    const { agent, uid, pid } = actor;
    const { code, message, hint = null } = error;
    const who = { agent, uid, pid, command };
    const { seen: seen_hash = null, current: current_hash = null } = error.hashes ?? {};
    const what = { time, code, path, ...who, message, hint, seen_hash, current_hash };
    const refusal = { ...what, count: 1, first_time: time };
    const kept: Kept = { key, refusal, firstMs: nowMs, operation, logged: 1 };
    if (this.#kept.length >= MAX_KEPT) this.#end(this.#kept.shift() as Kept);
    this.#kept.push(kept);
    this.#current.set(key, kept);
    this.#tell(refusal);
    return true;
  }

  /** In the order of their last time, the oldest first. */
  list(): readonly Readonly<Refusal>[] {
    return this.#kept.map(({ refusal }) => refusal);
  }

  /** Whether {@link settle} has something to do, now or soon. */
  get hasRepeats(): boolean {
    return this.#repeats > 0;
  }

  /**
   * Calls `log` with what was refused again since the log was last told, if that was first refused `minimumAgeMs` ago or
   * longer, and tells the listeners. What `log` throws leaves the rest for the next time.
   */
  settle(minimumAgeMs: number, log: (repeated: RepeatedRefusal) => void): void {
    if (this.#repeats === 0) return;
    const untilMs = performance.now() - minimumAgeMs;
    for (const kept of this.#current.values()) {
      if (kept.firstMs <= untilMs && kept.refusal.count > kept.logged) this.#settleOne(kept, log);
    }
    for (let kept = this.#ended[0]; kept !== undefined; kept = this.#ended[0]) {
      this.#settleOne(kept, log);
      this.#ended.shift();
    }
  }

  /** Calls `listener` with each new refusal, and again with how often it came. */
  onRefusal(listener: (refusal: Refusal) => void): void {
    this.#listeners.push(listener);
  }

  #settleOne(kept: Kept, log: (repeated: RepeatedRefusal) => void): void {
    const { refusal, operation, logged } = kept;
    const { agent, uid, pid, command } = refusal;
    const actor = { agent, uid, gid: 0, pid, command: () => command, origin: undefined };
    if (operation !== undefined) log({ refusal, operation, actor, more: refusal.count - logged });
    kept.logged = refusal.count;
    this.#repeats--;
    this.#tell(refusal);
  }

  #end(kept: Kept): void {
    if (this.#current.get(kept.key) !== kept) return;
    this.#current.delete(kept.key);
    if (kept.refusal.count > kept.logged) this.#ended.push(kept);
  }

  #tell(refusal: Refusal): void {
    for (const listener of this.#listeners) listener({ ...refusal });
  }
}
