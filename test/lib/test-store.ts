// A store in a temporary directory with one book, for the tests of this floor. Owns making and removing it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { type ImportCounts, importBatch, readInBatches } from "../../lib/import.ts";
import { scanForImport } from "../../lib/import-scan.ts";
import { Library } from "../../lib/library.ts";
import type { Actor, Node } from "../../lib/node.ts";
import { StoreReader } from "../../lib/reader.ts";
import { fitScan } from "../../lib/validate.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { parseAgentName, parseBookId } from "../../schema/ids.ts";
import { parseProfile } from "../../schema/profiles.ts";

export const BOOK = parseBookId("my-book");

export const alice: Actor = {
  agent: parseAgentName("alice"),
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  pid: 4711,
  command: () => "test",
  origin: undefined,
};

export interface TestStore {
  /** Everything of this test is below it. */
  readonly folder: string;
  readonly directory: string;
  readonly library: Library;
  readonly worktree: Worktree;
  readonly reader: StoreReader;
}

/** Runs `body` with a fresh store that has the book {@link BOOK}. */
export async function withStore(
  profile: string,
  body: (store: TestStore) => Promise<void> | void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const directory = join(folder, "store");
  try {
    const library = Library.open(directory);
    try {
      library.createBook(BOOK, parseProfile(profile));
      const reader = StoreReader.open(directory);
      try {
        await body({ folder, directory, library, worktree: library.worktree(BOOK), reader });
      } finally {
        reader.close();
      }
    } finally {
      library.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The directory of a path's last name; makes what is missing. */
export function placeOf(worktree: Worktree, path: string): { parent: Node["fileId"]; name: string } {
  const names = path.split("/");
  const name = names.pop() as string;
  let parent = worktree.rootId;
  for (const each of names) {
    const node = worktree.lookup(parent, each) ?? worktree.makeDirectory(parent, each, 0o755, alice);
    parent = node.fileId;
  }
  return { parent, name };
}

/** Saves a file as a program would. */
export function save(worktree: Worktree, path: string, text: string | Uint8Array, actor = alice): Node {
  const { parent, name } = placeOf(worktree, path);
  const present = worktree.lookup(parent, name);
  const file =
    present === undefined ? worktree.create(parent, name, 0o644, actor) : worktree.open(present.fileId);
  try {
    if (present !== undefined) file.truncate(0, actor);
    file.write(0, Buffer.from(text), actor);
    file.commit(actor, { durable: false });
  } finally {
    file.release(actor);
  }
  return worktree.lookup(parent, name) as Node;
}

export function move(worktree: Worktree, from: string, to: string): void {
  const flags = { noReplace: false, exchange: false };
  worktree.rename(placeOf(worktree, from), placeOf(worktree, to), flags, alice);
}

export function remove(worktree: Worktree, path: string): void {
  const { parent, name } = placeOf(worktree, path);
  worktree.unlink(parent, name, alice);
  worktree.settle(0);
}

/** Imports a directory as the command does. */
export async function importDirectory(
  { worktree, directory: storeDirectory }: TestStore,
  source: string,
  into?: string,
): Promise<ImportCounts> {
  const scan = fitScan(
    await scanForImport(source, into === undefined ? {} : { into }),
    worktree.book.profile,
  );
  let { created, updated, unchanged } = importBatch(worktree, [], scan.directories, alice);
  for await (const batch of readInBatches(scan.files, { storeDirectory })) {
    const counts = importBatch(worktree, batch, [], alice);
    created += counts.created;
    updated += counts.updated;
    unchanged += counts.unchanged;
  }
  return { created, updated, unchanged };
}

/** Changes the database behind everyone's back, as somebody with sqlite3 would: the triggers are dropped for it. */
export function tamper({ directory }: TestStore, sql: string, keepTriggers = true): void {
  const database = new Sqlite(join(directory, "pfs.db"));
  try {
    database.pragma("ignore_check_constraints = ON");
    const triggers = database
      .prepare<[], { name: string; sql: string }>(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'",
      )
      .all();
    for (const { name } of triggers) database.exec(`DROP TRIGGER ${name}`);
    database.exec(sql);
    if (keepTriggers) for (const trigger of triggers) database.exec(trigger.sql);
  } finally {
    database.close();
  }
}
