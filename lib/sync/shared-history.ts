/**
 * Owns what a shared log says, played back row by row into a temporary database: which versions there were, which file each
 * path of each layer has in the end; and beside that what of it was found on the remote. Must never hold it in memory, nor ask
 * anybody.
 */
import Sqlite, { type Statement } from "better-sqlite3";
import type { BlobHash, UserId } from "../../schema/ids.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import type { ListedBlob } from "../remote/remote-blobs.ts";
import type { Place } from "./published-names.ts";

/** Bytes that a row of the log names. */
export interface Version {
  readonly hash: BlobHash;
  readonly sizeBytes: number;
  /** Of the first row that names it. */
  readonly path: string;
  readonly seq: number;
}

/** A version that is not stored as it should be. */
export interface BadVersion extends Version {
  /** undefined: it is not there. */
  readonly storedBytes: number | undefined;
}

const COLUMNS = "user_id, path, sha256, size, mode, mtime, file_id, seq";

const TABLES = `
  CREATE TABLE version (hash TEXT PRIMARY KEY, size INTEGER NOT NULL, path TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE replayed (user_id TEXT, path TEXT, sha256 TEXT, size INTEGER, mode INTEGER, mtime TEXT, file_id INTEGER,
    seq INTEGER, PRIMARY KEY (user_id, path)) WITHOUT ROWID;
  CREATE TABLE journal (user_id TEXT, path TEXT, sha256 TEXT, size INTEGER, mode INTEGER, mtime TEXT, file_id INTEGER,
    seq INTEGER, PRIMARY KEY (user_id, path)) WITHOUT ROWID;
  CREATE TABLE stored (hash TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE published (name TEXT PRIMARY KEY) WITHOUT ROWID;`;

export class SharedHistory {
  /** Removed by SQLite when it is closed. */
  readonly #database = new Sqlite("");
  readonly #current: Statement<unknown[], string>;
  readonly #name: Statement<unknown[]>;
  readonly #put: Statement<unknown[]>;
  readonly #remove: Statement<unknown[]>;
  readonly #addFile: Statement<unknown[]>;
  readonly #addStored: Statement<unknown[]>;
  readonly #addPublished: Statement<unknown[]>;
  readonly #isPublished: Statement<unknown[]>;

  constructor() {
    const database = this.#database;
    database.pragma("journal_mode = OFF");
    database.pragma("synchronous = OFF");
    database.exec(TABLES);
    const insert = (table: string) =>
      database.prepare(`INSERT OR REPLACE INTO ${table} (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#current = database
      .prepare<unknown[], string>("SELECT sha256 FROM replayed WHERE user_id = ? AND path = ?")
      .pluck();
    this.#name = database.prepare(
      "INSERT INTO version (hash, size, path, seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#put = insert("replayed");
    this.#remove = database.prepare("DELETE FROM replayed WHERE user_id = ? AND path = ?");
    this.#addFile = insert("journal");
    this.#addStored = database.prepare("INSERT OR REPLACE INTO stored (hash, size) VALUES (?, ?)");
    this.#addPublished = database.prepare("INSERT OR IGNORE INTO published (name) VALUES (?)");
    this.#isPublished = database.prepare("SELECT 1 FROM published WHERE name = ?");
  }

  /** Plays a row. @returns whether it begins with what its path had (R6) */
  add(row: SharedRow): boolean {
    const { user_id, path, prev_hash, new_hash, status, size, mode, mtime, file_id, seq } = row;
    const isNext = prev_hash === (this.#current.get(user_id, path) ?? null);
    if (status === "refused") return isNext;
    if (new_hash === null) this.#remove.run(user_id, path);
    else {
      this.#put.run(user_id, path, new_hash, size, mode, mtime, file_id, seq);
      this.#name.run(new_hash, size, path, seq);
    }
    return isNext;
  }

  /** A file of the shared journal. */
  addFile({ userId, path, hash, sizeBytes, mode, mtime, fileId, seq }: SharedFile): void {
    this.#addFile.run(userId, path, hash, sizeBytes, mode, mtime, fileId, seq);
  }

  /** Makes versions of what the shared journal has and no row has named: of a log that cannot be read. */
  nameFiles(): void {
    this.#database.exec(
      "INSERT OR IGNORE INTO version (hash, size, path, seq) SELECT sha256, size, path, seq FROM journal",
    );
  }

  addStored({ hash, sizeBytes }: Pick<ListedBlob, "hash" | "sizeBytes">): void {
    this.#addStored.run(hash, sizeBytes);
  }

  addPublished(name: string): void {
    this.#addPublished.run(name);
  }

  isPublished(name: string): boolean {
    return this.#isPublished.get(name) !== undefined;
  }

  /** Places that the log's last state and the shared journal have otherwise. */
  differences(): Place[] {
    const except = (one: string, other: string) =>
      `SELECT user_id, path FROM (SELECT ${COLUMNS} FROM ${one} EXCEPT SELECT ${COLUMNS} FROM ${other})`;
    const rows = this.#database
      .prepare(`${except("replayed", "journal")} UNION ${except("journal", "replayed")} ORDER BY 1, 2`)
      .all() as { user_id: UserId; path: string }[];
    return rows.map(({ user_id: userId, path }) => ({ userId, path }));
  }

  badVersions(): BadVersion[] {
    const rows = this.#database
      .prepare(
        `SELECT v.hash, v.size AS sizeBytes, v.path, v.seq, s.size AS storedBytes FROM version v LEFT JOIN stored s USING (hash)
         WHERE s.size IS NOT v.size ORDER BY v.seq`,
      )
      .all() as (Version & { storedBytes: number | null })[];
    return rows.map(({ storedBytes, ...version }) => ({ ...version, storedBytes: storedBytes ?? undefined }));
  }

  /** Versions behind a hash, in pages; those that are stored with their size. */
  storedVersions(after: string, limit: number): Version[] {
    return this.#database
      .prepare(
        `SELECT v.hash, v.size AS sizeBytes, v.path, v.seq FROM version v JOIN stored s USING (hash, size)
         WHERE v.hash > ? ORDER BY v.hash LIMIT ?`,
      )
      .all(after, limit) as Version[];
  }

  /** Which of these versions are stored with their size. */
  storedAmong(hashes: readonly BlobHash[]): Version[] {
    const select = this.#database.prepare<unknown[], Version>(
      `SELECT v.hash, v.size AS sizeBytes, v.path, v.seq FROM version v JOIN stored s USING (hash, size) WHERE v.hash = ?`,
    );
    return hashes.flatMap((hash) => select.all(hash));
  }

  /** Files of the shared journal behind a place, in pages. */
  files(after: Place, limit: number): (Place & { hash: BlobHash; sizeBytes: number; mode: number })[] {
    return this.#database
      .prepare(
        `SELECT user_id AS userId, path, sha256 AS hash, size AS sizeBytes, mode FROM journal
         WHERE (user_id, path) > (?, ?) ORDER BY user_id, path LIMIT ?`,
      )
      .all(after.userId, after.path, limit) as never;
  }

  file({ userId, path }: Place): { hash: BlobHash; sizeBytes: number; mode: number } | undefined {
    return this.#database
      .prepare("SELECT sha256 AS hash, size AS sizeBytes, mode FROM journal WHERE user_id = ? AND path = ?")
      .get(userId, path) as never;
  }

  /** Where the shared journal has these bytes. */
  placesOf(hash: BlobHash): Place[] {
    return this.#database
      .prepare("SELECT user_id AS userId, path FROM journal WHERE sha256 = ?")
      .all(hash) as Place[];
  }

  close(): void {
    this.#database.close();
  }
}
