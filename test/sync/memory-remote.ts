// A shared log in memory, with the rules of RemoteLog.append, and shared bytes: what tests of sync share a book on. Must do
// exactly what a remote does, and nothing else.

import assert from "node:assert/strict";
import { PfsError } from "../../schema/errors.ts";
import { entryHash, GENESIS_HASH } from "../../schema/log-row.ts";
import { canonicalSharedJson, type RowToShare, type SharedRow } from "../../schema/shared-row.ts";

/**
 * Where a sync is cut off: before rows or bytes that it pulls; before bytes that it pushes, before the rows, after them, before it
 * is noted that they are there. `late` rows arrive when somebody else sends some, or nobody ever does.
 */
export const faults = ["rows", "get", "put", "append", "answer", "note", "late"] as const;
export type Fault = (typeof faults)[number];

/** A connection or a process ends at that point. */
export class Cut extends Error {}

type Moved = { readonly type: "moved"; readonly index: number; readonly current: string | null };

export class MemoryRemote {
  readonly rows: SharedRow[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly #late: (() => void)[] = [];
  readonly #seqs = new Map<string, number>();
  /** By layer and path. */
  readonly #journal = new Map<string, string>();

  /** The sender has given it up. */
  appendLater(rows: readonly RowToShare[], pulledSeq: number): void {
    this.#late.push(() => this.append(rows, pulledSeq));
  }

  /** What was given up and is not there yet never will be. */
  forgetLate(): void {
    this.#late.length = 0;
  }

  /** All rows or none (W1, O1, R6). @throws PfsError STORE_DAMAGED */
  append(rows: readonly RowToShare[], pulledSeq: number): { type: "appended"; seqs: number[] } | Moved {
    try {
      this.#late.shift()?.();
    } catch (error) {
      // Nobody waits for it.
      if (!(error instanceof PfsError)) throw error;
    }
    const journal = new Map(this.#journal);
    const sent = new Set(rows.map(identityOf));
    const made: SharedRow[] = [];
    const seqs: number[] = [];
    for (const [index, row] of rows.entries()) {
      const known = this.#seqs.get(identityOf(row));
      if (known !== undefined) {
        refuseOther(row, this.rows[known - 1]);
        seqs.push(known);
        continue;
      }
      const key = `${row.user_id}/${row.path}`;
      const current = journal.get(key) ?? null;
      const seq = this.rows.length + made.length + 1;
      const isRefused = row.status === "refused";
      if (!isRefused) {
        const isInTheWay =
          row.new_hash !== null &&
          [...journal.keys()].some((other) => other.startsWith(`${key}/`) || key.startsWith(`${other}/`));
        const isTouched = this.rows
          .slice(pulledSeq)
          .some((other) => !sent.has(identityOf(other)) && isAbout(other, row));
        if (current !== row.prev_hash || isTouched || isInTheWay) return { type: "moved", index, current };
        if (row.new_hash === null) journal.delete(key);
        else {
          assert.ok(this.blobs.has(row.new_hash), `B1: the bytes of ${row.path} are there before its row`);
          journal.set(key, row.new_hash);
        }
      }
      const body = { ...row, seq, ...(isRefused ? { prev_hash: current, new_hash: current } : {}) };
      const before = made.at(-1)?.entry_hash ?? this.rows.at(-1)?.entry_hash ?? GENESIS_HASH;
      made.push({ ...body, entry_hash: entryHash(before, canonicalSharedJson(body)) });
      seqs.push(seq);
    }
    this.rows.push(...made);
    for (const row of made) this.#seqs.set(identityOf(row), row.seq);
    this.#journal.clear();
    for (const [key, hash] of journal) this.#journal.set(key, hash);
    return { type: "appended", seqs };
  }

  /** @throws PfsError STORE_DAMAGED */
  rowsAfter(after: number, limit: number, knownHash: string | null = null): SharedRow[] {
    if (after > 0 && knownHash !== null && this.rows[after - 1]?.entry_hash !== knownHash)
      throw new PfsError("STORE_DAMAGED", "R6: the log was rewritten.");
    return this.rows.slice(after, after + limit);
  }

  /** Paths and hashes of a layer, as the log left them. */
  files(layer: string): Map<string, string> {
    const found = [...this.#journal].filter(([key]) => key.startsWith(`${layer}/`));
    return new Map(found.map(([key, hash]) => [key.slice(layer.length + 1), hash]));
  }

  /** R6: the chain over all rows, and path by path. */
  assertWhole(): void {
    let before = GENESIS_HASH;
    const paths = new Map<string, string | null>();
    for (const [index, row] of this.rows.entries()) {
      assert.equal(row.seq, index + 1);
      before = entryHash(before, canonicalSharedJson(row));
      assert.equal(row.entry_hash, before, "R6: the shared chain");
      const key = `${row.user_id}/${row.path}`;
      assert.equal(row.prev_hash, paths.get(key) ?? null, `R6: row ${row.seq} of ${key}`);
      paths.set(key, row.new_hash);
    }
  }
}

function identityOf({ origin, origin_seq }: RowToShare): string {
  return `${origin} ${origin_seq}`;
}

function isAbout(other: SharedRow, { user_id, path, file_id }: RowToShare): boolean {
  if (other.status === "refused" || other.user_id !== user_id) return false;
  return other.path === path || (file_id !== null && other.file_id === file_id);
}

function refuseOther(row: RowToShare, present: SharedRow | undefined): void {
  if (row.path === present?.path && row.status === present.status) return;
  throw new PfsError("STORE_DAMAGED", "O1: a row of this identity is another one.");
}
