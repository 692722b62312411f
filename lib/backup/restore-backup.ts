/**
 * Owns making a store of a backup: unpacked beside its place, checked against its sums and verified as a store before it has
 * its name. Must never touch a store that is there, nor write outside of its own directory (zip-slip).
 */
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, mkdtemp, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { createTarDecoder } from "modern-tar";
import { PfsError } from "../../schema/errors.ts";
import { Library } from "../library.ts";
import { makeDirectories } from "../make-directories.ts";
import { StoreReader } from "../reader.ts";
import { type Finding, verifyStore } from "../verify.ts";
import {
  type BackupInfo,
  DATABASE_NAME,
  INFO_NAME,
  isBackupName,
  parseInfo,
  SUMS_NAME,
  sumsText,
} from "./backup-format.ts";

export interface RestoreOptions {
  /** What the backup is called in messages. */
  readonly source: string;
  /** Restore it even if the store in it is damaged. */
  readonly evenDamaged: boolean;
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

export interface RestoredBackup {
  readonly info: BackupInfo;
  readonly files: number;
  readonly sizeBytes: number;
  /** Damages of the store in the backup; none, unless `evenDamaged`. */
  readonly errors: readonly Finding[];
}

/**
 * Restores a backup to a directory that is not there yet, or empty. What fails leaves nothing.
 * @throws PfsError EXISTS; CORRUPT: it is no backup, not whole, or damaged; FULL; UNSUPPORTED_VERSION
 */
export async function restoreBackup(
  bytes: ReadableStream<Uint8Array>,
  storeDirectory: string,
  options: RestoreOptions,
): Promise<RestoredBackup> {
  const target = resolve(storeDirectory);
  await refuseOccupied(target);
  makeDirectories(dirname(target), 0o700);
  const folder = await mkdtemp(join(dirname(target), `.${basename(target)}.restore-`));
  try {
    const unpacked = await unpack(bytes, folder, options);
    // Brings a store of an older version up to date, too.
    Library.open(folder, { create: false }).close();
    const errors = await verify(folder, unpacked.info, options);
    await syncAll(folder);
    await refuseOccupied(target);
    await rename(folder, target);
    await syncDirectory(dirname(target));
    return { ...unpacked, errors };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT")
      throw new PfsError("FULL", `The disk of ${target} is full; nothing was restored.`, { cause: error });
    throw error;
  }
}

async function refuseOccupied(target: string): Promise<void> {
  const names = await readdir(target).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw new PfsError("EXISTS", `${target} cannot be made a store: ${error.code}.`, { cause: error });
  });
  if (names.length === 0) return;
  const what = names.includes(DATABASE_NAME) ? "There is a store in" : "There are files in";
  throw new PfsError("EXISTS", `${what} ${target}; a backup is restored to a new directory only.`, {
    hint: "Name another one with --store, or move this one out of the way first.",
  });
}

async function unpack(bytes: ReadableStream<Uint8Array>, folder: string, { source }: RestoreOptions) {
  const sums = new Map<string, string>();
  let [info, listed]: [BackupInfo | undefined, string | undefined] = [undefined, undefined];
  let [files, sizeBytes] = [0, 0];
  try {
    for await (const { header, body } of bytes.pipeThrough(createTarDecoder({ strict: true }))) {
      const { name, type } = header;
      const isFirst = files++ === 0;
      if (isFirst !== (name === INFO_NAME)) throw notWhole(source, "it does not begin as a backup does");
      if (listed !== undefined || type !== "file" || !isBackupName(name) || sums.has(name))
        throw notWhole(source, `${JSON.stringify(name)} has no place in it`);
      const { sum, text, size } = await extract(body, join(folder, name), header.mtime, isText(name));
      sizeBytes += size;
      if (name === SUMS_NAME) listed = text;
      else sums.set(name, sum);
      if (isFirst) info = parseInfo(text);
      if (info === undefined) throw notWhole(source, "it is none of pfs, or of a newer version");
    }
  } catch (error) {
    if (error instanceof PfsError || (error as NodeJS.ErrnoException).code !== undefined) throw error;
    throw notWhole(source, (error as Error).message);
  }
  if (info === undefined || listed === undefined) throw notWhole(source, "its end is missing");
  if (listed !== sumsText(sums)) throw notWhole(source, "its files do not match its SHA256SUMS");
  for (const name of [INFO_NAME, SUMS_NAME]) await rm(join(folder, name));
  return { info, files, sizeBytes };
}

function isText(name: string): boolean {
  return name === INFO_NAME || name === SUMS_NAME;
}

async function extract(
  body: ReadableStream<Uint8Array>,
  path: string,
  mtime: Date | undefined,
  keepsText: boolean,
): Promise<{ sum: string; text: string; size: number }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "wx", 0o600);
  try {
    const digest = createHash("sha256");
    const kept: Uint8Array[] = [];
    let size = 0;
    for await (const bytes of body) {
      digest.update(bytes);
      await file.writeFile(bytes);
      size += bytes.byteLength;
      if (keepsText) kept.push(bytes);
    }
    if (mtime !== undefined) await file.utimes(mtime, mtime);
    await file.sync();
    return { sum: digest.digest("hex"), text: Buffer.concat(kept).toString("utf8"), size };
  } finally {
    await file.close();
  }
}

async function verify(folder: string, info: BackupInfo, options: RestoreOptions): Promise<Finding[]> {
  const reader = StoreReader.open(folder);
  try {
    const findings = await verifyStore(reader, {
      onProgress: ({ step, done, total }) => options.onProgress?.(done, total, step),
    });
    const errors = findings.filter(({ severity }) => severity === "error");
    const row = reader.database
      .prepare("SELECT entry_hash FROM audit_log WHERE seq = ?")
      .pluck()
      .get(info.seq);
    if (info.seq > 0 && row !== info.entry_hash)
      throw notWhole(options.source, `row ${info.seq} of its log is not the one that it says`);
    const [first] = errors;
    if (first === undefined || options.evenDamaged) return errors;
    throw new PfsError(
      "CORRUPT",
      `The store in ${options.source} is damaged, and was not restored: ${first.message}`,
      {
        hint: `It has ${errors.length} such errors. Restore an older backup, or this one with --even-damaged.`,
      },
    );
  } finally {
    reader.close();
  }
}

function notWhole(source: string, why: string): PfsError {
  return new PfsError("CORRUPT", `${source} is no whole backup: ${why}.`, {
    hint: "Nothing was restored. Take another backup.",
  });
}

/** Files were synced one by one; their names are in their directories. */
async function syncAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
    if (entry.isDirectory()) await syncDirectory(join(entry.parentPath, entry.name));
  await syncDirectory(folder);
}

async function syncDirectory(path: string): Promise<void> {
  const directory: FileHandle = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
