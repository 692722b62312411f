/**
 * Owns the store's own memory of how far its log went when it was last closed, `audit-last-head.json`: without it, rows that
 * are cut off at the log's end would leave no trace. Must never forget a head that the log does not extend.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import { GENESIS_HASH } from "../schema/log-row.ts";
import { parseSignedHead, type SignedHead } from "../schema/signed-head.ts";
import { type HeadSigner, keepOwner } from "./head-signer.ts";
import type { LogHead } from "./reader.ts";
import { MovedRows } from "./retention/moved-rows.ts";

/** The file in the directory of a store. */
export function lastHeadFile(directory: string): string {
  return join(directory, "audit-last-head.json");
}

/** What is remembered; undefined when nothing is. @throws PfsError USAGE: the file holds something else; NOT_PERMITTED */
export function readLastHead(directory: string): SignedHead | undefined {
  const path = lastHeadFile(directory);
  try {
    return parseSignedHead(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (error instanceof PfsError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new PfsError("NOT_PERMITTED", `${path} cannot be read: ${code}.`, { path, cause: error });
  }
}

/** The entry_hash at a position; undefined beyond the log's end. @throws PfsError CORRUPT: its row is in a segment that is damaged */
export function entryHashAt(database: Database, seq: number): string | undefined {
  if (seq === 0) return GENESIS_HASH;
  const here = database
    .prepare<unknown[], string>("SELECT entry_hash FROM audit_log WHERE seq = ?")
    .pluck()
    .get(seq);
  return here ?? MovedRows.of(database).row(seq)?.entry_hash;
}

/** Whether a new head need be remembered, and may: not when the log does not extend the one that is. Never throws. */
export function isNewHead(database: Database, directory: string, { seq, entryHash }: LogHead): boolean {
  if (seq === 0) return false;
  try {
    const last = readLastHead(directory);
    if (last === undefined) return true;
    return last.entry_hash !== entryHash && entryHashAt(database, last.seq) === last.entry_hash;
  } catch {
    // What is there is no head, or the database is damaged: both are for `pfs verify` to say.
    return false;
  }
}

/** Remembers a head; to be called once its rows are durable. @throws as HeadSigner.sign; NodeJS.ErrnoException */
export function rememberHead(directory: string, head: LogHead, signer: HeadSigner): void {
  const path = lastHeadFile(directory);
  const temporary = `${path}.tmp`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    writeSync(fd, `${JSON.stringify(signer.sign(head))}\n`);
    keepOwner(fd, directory);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
