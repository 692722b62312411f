// What the tests of shared logs have in common: a remote for each of them, and questions to it. Must never know which one it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BookId, UserId } from "../../schema/ids.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { RowToShare, SharedRow } from "../../schema/shared-row.ts";
import { BOOK, NEWEST, ROOT_ID } from "./shared-rows.ts";

/** A remote that is new for each test. */
export interface SuiteLog {
  /** Opens it, once for each machine that there might be. */
  open(): RemoteLog;
  /** Changes the database behind everyone's back; `{}` in the statement stands before a table's name. */
  run(sql: string): Promise<unknown>;
  /** The same without the triggers and constraints that the tables have. */
  tamper(sql: string): Promise<void>;
  remove(): Promise<void>;
}

export const BOB = "bob" as UserId;
export const SHARED_BOOK = { bookId: BOOK, profile: "any", fileSizeLimitBytes: 1_000_000, rootId: ROOT_ID };

export async function readAll(log: RemoteLog, bookId: BookId = BOOK): Promise<readonly SharedRow[]> {
  const rows: SharedRow[] = [];
  for (;;) {
    const page = await log.rowsAfter(bookId, rows.length, 100);
    if (page.length === 0) return rows;
    rows.push(...page);
  }
}

export async function readFiles(log: RemoteLog, bookId: BookId = BOOK): Promise<SharedFile[]> {
  const files: SharedFile[] = [];
  for await (const page of (await log.snapshot(bookId)).pages) files.push(...page);
  return files;
}

export function isError(code: string, text = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PfsError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    assert.match(error.message, /^[^\n]+\.$/);
    return true;
  };
}

/** Appends, and asserts that the rows were taken. */
export async function push(log: RemoteLog, rows: readonly RowToShare[]): Promise<readonly number[]> {
  const appended = await log.append(BOOK, rows, NEWEST);
  if (appended.type === "moved") assert.fail(`row ${appended.index} was refused`);
  return appended.seqs;
}

type Work = (log: RemoteLog, remote: SuiteLog, open: () => RemoteLog) => Promise<void>;

/** A `test` whose body gets a new remote with the book, and a way to open it again. */
export function testOn(
  title: string,
  makeRemote: () => Promise<SuiteLog>,
): (name: string, work: Work) => void {
  return (name, work) => {
    test(`${title}: ${name}`, async () => {
      const remote = await makeRemote();
      const opened: RemoteLog[] = [];
      const open = (): RemoteLog => {
        const log = remote.open();
        opened.push(log);
        return log;
      };
      try {
        const log = open();
        await log.createBook(SHARED_BOOK);
        await work(log, remote, open);
      } finally {
        await Promise.all(opened.map((log) => log.close()));
        await remote.remove();
      }
    });
  };
}
