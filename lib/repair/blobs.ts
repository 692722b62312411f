/**
 * Owns mending bytes: where good ones are in the store after all, or on a remote, the bad ones make way. Bad ones that somebody
 * needs and that are nowhere else stay as they are. Must never hold a large file in memory.
 */
import { createHash, hash as sha256 } from "node:crypto";
import { createReadStream, existsSync, rmSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type BlobHash, isBlobHash } from "../../schema/ids.ts";
import { isOnRemote } from "../absent-bytes.ts";
import { objectPath } from "../blobs.ts";
import { NEEDED_BLOBS } from "../needed-blobs.ts";
import type { Store } from "../store.ts";
import type { Tell } from "./mended.ts";

export async function repairBlobs(store: Store, tell: Tell): Promise<void> {
  await repairRows(store, tell);
  await repairFiles(store, tell);
}

async function repairRows(store: Store, tell: Tell): Promise<void> {
  const { database } = store;
  const all = database.prepare("SELECT sha256 FROM blob ORDER BY sha256").pluck().all() as BlobHash[];
  const select = database.prepare<[string], { size: number; data: Buffer | null }>(
    "SELECT size, data FROM blob WHERE sha256 = ?",
  );
  for (const hash of all) {
    const row = select.get(hash);
    if (row === undefined) continue;
    const trueSize =
      row.data === null
        ? await soundObject(store, hash)
        : isSound(row.data, hash)
          ? row.data.length
          : undefined;
    if (trueSize === row.size) continue;
    if (trueSize !== undefined) {
      database.prepare("UPDATE blob SET size = ? WHERE sha256 = ?").run(trueSize, hash);
      tell("R2", hash, `The size of the blob ${hash} is right again: ${trueSize} bytes.`);
    } else await replaceBad(store, hash, row.data !== null, tell);
  }
}

async function replaceBad(store: Store, hash: BlobHash, isInline: boolean, tell: Tell): Promise<void> {
  const { database } = store;
  const size = isInline ? await soundObject(store, hash) : undefined;
  if (size !== undefined) {
    database.prepare("UPDATE blob SET size = ?, data = NULL WHERE sha256 = ?").run(size, hash);
    tell("R2", hash, `The bytes of the blob ${hash} are those of its file in objects/ now, which are good.`);
    return;
  }
  const needed = isNeeded(store, hash);
  if (needed && !isOnRemote(database, hash)) return;
  database.prepare("DELETE FROM blob WHERE sha256 = ?").run(hash);
  rmSync(objectPath(store, hash), { force: true });
  tell(
    "R2",
    hash,
    needed
      ? `The bad bytes of the blob ${hash} were removed: the good ones are on the remote, and are fetched when they are needed.`
      : `The bad bytes of the blob ${hash}, which nothing names, were removed.`,
  );
}

/** Files in objects/ without a row: bytes that are needed get one, others go. What is no file of pfs stays. */
async function repairFiles(store: Store, tell: Tell): Promise<void> {
  const { database, directory } = store;
  const isKnown = database.prepare("SELECT 1 FROM blob WHERE sha256 = ? AND data IS NULL");
  for (const entry of await readdir(join(directory, "objects"), { recursive: true, withFileTypes: true })) {
    const { name, parentPath } = entry;
    const hash = name as BlobHash;
    if (!entry.isFile() || !isBlobHash(name) || join(parentPath, name) !== objectPath(store, hash)) continue;
    if (isKnown.get(hash) !== undefined) continue;
    const size = isNeeded(store, hash) ? await soundObject(store, hash) : undefined;
    if (size === undefined) {
      rmSync(join(parentPath, name));
      tell(
        "orphan",
        join(parentPath, name),
        `The file ${join(parentPath, name)}, which was no blob's, was removed.`,
      );
      continue;
    }
    const { changes } = database
      .prepare("INSERT INTO blob (sha256, size, data) VALUES (?, ?, NULL) ON CONFLICT DO NOTHING")
      .run(hash, size);
    if (changes > 0) tell("B1", hash, `The bytes of the blob ${hash} were found in objects/.`);
  }
}

function isNeeded({ database }: Store, hash: BlobHash): boolean {
  return database.prepare(`SELECT 1 FROM (${NEEDED_BLOBS}) WHERE hash = ? LIMIT 1`).get(hash) !== undefined;
}

function isSound(data: Buffer, hash: BlobHash): boolean {
  return sha256("sha256", data, "hex") === hash;
}

/** The size of a large blob whose file is what it says; undefined: it is not, or there is none that can be read. */
async function soundObject(store: Store, hash: BlobHash): Promise<number | undefined> {
  const path = objectPath(store, hash);
  if (!existsSync(path)) return undefined;
  const digest = createHash("sha256");
  try {
    for await (const bytes of createReadStream(path, { highWaterMark: 1024 * 1024 })) digest.update(bytes);
  } catch {
    // A disk that does not give one file back must not keep the others from being mended; verify says why.
    return undefined;
  }
  return digest.digest("hex") === hash ? statSync(path).size : undefined;
}
