/**
 * Owns making a backup of a store whose owner goes on working: the database as it is at one moment, and all bytes that it
 * names. Must never change the store, nor hold a large file in memory.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, mkdtemp, open, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import Sqlite, { type Database } from "better-sqlite3";
import { createTarPacker } from "modern-tar";
import type { BlobHash } from "../../schema/ids.ts";
import { FileType } from "../node.ts";
import { StoreReader } from "../reader.ts";
import { type Finding, verifyStore } from "../verify.ts";
import { DATABASE_NAME, INFO_NAME, infoText, KEY_NAME, SUMS_NAME, sumsText } from "./backup-format.ts";

export interface BackupOptions {
  /** A directory for a copy of the database, as long as it takes. */
  readonly temporaryIn: string;
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

export interface BackupOutcome {
  /** Position of the log that was backed up. */
  readonly seq: number;
  readonly entryHash: string;
  readonly files: number;
  readonly sizeBytes: number;
  /** What is damaged in the store, and so in the backup. */
  readonly errors: readonly Finding[];
}

/**
 * Writes a backup of the store as it is now. Its own copy is verified while it is made.
 * @param write takes bytes, and resolves when it may be given more
 */
export async function writeBackup(
  reader: StoreReader,
  write: (bytes: Uint8Array) => Promise<unknown>,
  options: BackupOptions,
): Promise<BackupOutcome> {
  const folder = await mkdtemp(join(options.temporaryIn, ".pfs-backup-"));
  try {
    const { seq, entryHash } = await copyDatabase(reader, folder);
    const backup = new Backup(reader, folder, options);
    const sent = send(backup.readable, write);
    const made = backup.make({ time: new Date().toISOString(), seq, entry_hash: entryHash });
    // One that fails ends the other.
    const [errors] = await Promise.all([made, sent]);
    return { seq, entryHash, files: backup.files, sizeBytes: backup.sizeBytes, errors };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyDatabase(reader: StoreReader, folder: string) {
  const snapshot = reader.openSnapshot();
  try {
    await snapshot.database.backup(join(folder, DATABASE_NAME));
    return snapshot.head();
  } finally {
    snapshot.close();
  }
}

async function send(
  readable: ReadableStream<Uint8Array>,
  write: (bytes: Uint8Array) => Promise<unknown>,
): Promise<void> {
  // What `write` throws cancels the stream, which ends whoever fills it.
  for await (const bytes of readable) await write(bytes);
}

class Backup {
  readonly readable: ReadableStream<Uint8Array>;
  files = 0;
  sizeBytes = 0;
  readonly #reader: StoreReader;
  readonly #folder: string;
  readonly #controller: ReturnType<typeof createTarPacker>["controller"];
  readonly #options: BackupOptions;
  readonly #sums = new Map<string, string>();

  constructor(reader: StoreReader, folder: string, options: BackupOptions) {
    this.#reader = reader;
    this.#folder = folder;
    this.#options = options;
    const { readable, controller } = createTarPacker();
    this.readable = readable;
    this.#controller = controller;
  }

  /** @returns what is damaged */
  async make(info: Parameters<typeof infoText>[0]): Promise<Finding[]> {
    const copy = new Sqlite(join(this.#folder, DATABASE_NAME));
    try {
      // One file, without a write-ahead log beside it.
      copy.pragma("journal_mode = DELETE");
      await this.#addBytes(INFO_NAME, Buffer.from(infoText(info)));
      await this.#addFile(KEY_NAME, join(this.#reader.directory, KEY_NAME));
      await this.#addObjects(copy);
      await this.#addScratch(copy);
      copy.close();
      const errors = await this.#verify();
      await this.#addFile(DATABASE_NAME, join(this.#folder, DATABASE_NAME));
      await this.#addBytes(SUMS_NAME, Buffer.from(sumsText(this.#sums)));
      this.#controller.finalize();
      return errors;
    } catch (error) {
      this.#controller.error(error);
      throw error;
    } finally {
      copy.close();
    }
  }

  async #addObjects(copy: Database): Promise<void> {
    const hashes = copy.prepare("SELECT sha256 FROM blob WHERE data IS NULL").pluck().all() as BlobHash[];
    const live = this.#reader.database.prepare("SELECT 1 FROM blob WHERE sha256 = ?");
    for (const [index, hash] of hashes.entries()) {
      this.#options.onProgress?.(index, hashes.length, "large files");
      const name = `objects/${hash.slice(0, 2)}/${hash}`;
      const isThere = await this.#addFile(name, this.#reader.objectPath(hash));
      // Garbage that was collected meanwhile; else it is a damage, which the check tells of.
      if (!isThere && live.get(hash) === undefined)
        copy.prepare("DELETE FROM blob WHERE sha256 = ?").run(hash);
    }
  }

  /** What editors and git keep beside the book. A name whose file went meanwhile is not in the backup. */
  async #addScratch(copy: Database): Promise<void> {
    const ids = copy
      .prepare("SELECT file_id FROM worktree_entry EXCEPT SELECT file_id FROM file_journal")
      .pluck()
      .all() as number[];
    const live = this.#reader.database.prepare("SELECT 1 FROM worktree_entry WHERE file_id = ?");
    for (const [index, id] of ids.entries()) {
      this.#options.onProgress?.(index, ids.length, "scratch");
      const isThere = await this.#addFile(`scratch/${id}`, join(this.#reader.directory, "scratch", `${id}`));
      if (isThere || live.get(id) !== undefined) continue;
      if (!isRegular(copy, id)) continue;
      for (const table of ["worktree_entry", "worktree_node", "worktree_xattr"])
        copy.prepare(`DELETE FROM ${table} WHERE file_id = ?`).run(id);
    }
  }

  /** The copy with the bytes beside it, as whoever restores it will have it. */
  async #verify(): Promise<Finding[]> {
    for (const name of ["objects", "scratch"])
      await symlink(join(this.#reader.directory, name), join(this.#folder, name));
    await mkdir(join(this.#folder, "drafts"));
    const copied = StoreReader.open(this.#folder);
    try {
      const findings = await verifyStore(copied, {
        onProgress: ({ step, done, total }) => this.#options.onProgress?.(done, total, `verifying: ${step}`),
      });
      return findings.filter(({ severity }) => severity === "error");
    } finally {
      copied.close();
    }
  }

  /** A file that is not there is left out. One that becomes shorter while it is read has zeros at its end. */
  async #addFile(name: string, path: string): Promise<boolean> {
    let file: FileHandle;
    try {
      file = await open(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
    try {
      const { size, mtime } = await file.stat();
      const digest = createHash("sha256");
      const entry = this.#controller.add({ name, size, mtime, mode: 0o600, type: "file" }).getWriter();
      for await (const bytes of readExactly(file, size, digest)) await entry.write(bytes);
      await entry.close();
      this.#note(name, digest, size);
      return true;
    } finally {
      await file.close();
    }
  }

  async #addBytes(name: string, bytes: Buffer): Promise<void> {
    const header = { name, size: bytes.length, mode: 0o600, type: "file" } as const;
    const entry = this.#controller.add(header).getWriter();
    await entry.write(bytes);
    await entry.close();
    this.#note(name, createHash("sha256").update(bytes), bytes.length);
  }

  #note(name: string, digest: Hash, size: number): void {
    this.#sums.set(name, digest.digest("hex"));
    this.files++;
    this.sizeBytes += size;
  }
}

async function* readExactly(file: FileHandle, size: number, digest: Hash): AsyncGenerator<Uint8Array, void> {
  let left = size;
  if (size > 0) {
    const stream = createReadStream("", {
      fd: file,
      autoClose: false,
      end: size - 1,
      highWaterMark: CHUNK_BYTES,
    });
    for await (const bytes of stream as AsyncIterable<Buffer>) {
      digest.update(bytes);
      left -= bytes.length;
      yield new Uint8Array(bytes);
    }
  }
  for (; left > 0; left -= Math.min(left, CHUNK_BYTES)) {
    const zeros = new Uint8Array(Math.min(left, CHUNK_BYTES));
    digest.update(zeros);
    yield zeros;
  }
}

const CHUNK_BYTES = 1024 * 1024;

function isRegular(copy: Database, id: number): boolean {
  const mode = copy.prepare("SELECT mode FROM worktree_node WHERE file_id = ? LIMIT 1").pluck().get(id);
  return ((mode as number) & FileType.mask) === FileType.file;
}
