// Rows as stores make them, for the tests of shared logs: a maker for each store, which numbers its rows and knows nothing else.

import { hash } from "node:crypto";
import { BASE, type BlobHash, type BookId, type FileId, parseBookId } from "../../schema/ids.ts";
import type { RowToShare } from "../../schema/shared-row.ts";

export const BOOK: BookId = parseBookId("my-book");
export const ROOT_ID = (2 ** 40) as FileId;

/** The position up to which somebody who has seen everything has pulled. */
export const NEWEST = Number.MAX_SAFE_INTEGER;

/** The hash of a text. */
export function hashOf(text: string): BlobHash {
  return hash("sha256", text, "hex") as BlobHash;
}

/** A file id, always the same for a name. */
export function idOf(name: string): FileId {
  return (2 ** 32 + Number.parseInt(hashOf(name).slice(0, 8), 16)) as FileId;
}

type Parts = Partial<RowToShare> & Pick<RowToShare, "path">;

export class RowMaker {
  readonly origin: string;
  #seq = 0;

  constructor(name: string) {
    this.origin = hashOf(name);
  }

  /** A path's version `text` becomes `next`; null: no file. */
  change(
    path: string,
    text: string | null,
    next: string | null,
    parts: Partial<RowToShare> = {},
  ): RowToShare {
    const operation = text === null ? "create" : next === null ? "delete" : "update";
    const versions = {
      prev_hash: text === null ? null : hashOf(text),
      new_hash: next === null ? null : hashOf(next),
    };
    return this.row({ operation, path, ...versions, ...parts });
  }

  /** Both rows of a file that is given another name. */
  rename(from: string, to: string, text: string, parts: Partial<RowToShare> = {}): RowToShare[] {
    const shared = { operation: "rename", file_id: idOf(from), ...parts } as const;
    return [
      this.change(from, text, null, shared),
      this.change(to, null, text, { ...shared, prev_path: from }),
    ];
  }

  row(parts: Parts): RowToShare {
    const { path, new_hash = null } = parts;
    const isFile = new_hash !== null;
    return {
      timestamp: "2026-11-28T12:00:00.000Z",
      agent_id: "alice",
      operation: "update",
      book_id: BOOK,
      user_id: BASE,
      prev_hash: null,
      new_hash,
      status: "ok",
      error_message: null,
      execution_time_ms: 0.125,
      file_id: idOf(path),
      prev_path: null,
      uid: 1000,
      pid: 4711,
      command: "vim",
      size: isFile ? 5 : null,
      mode: isFile ? 0o100644 : null,
      mtime: isFile ? "1764280000123456789" : null,
      base_hash: null,
      origin: this.origin,
      origin_seq: ++this.#seq,
      ...parts,
    };
  }
}
