/**
 * Owns finding what a store keeps for nobody: blobs that nothing needs (needed-blobs.ts), and
 * files in objects/ without a blob. Must never change anything; collect-garbage.ts removes it.
 */
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";
import { PfsError } from "../schema/errors.ts";
import { type BlobHash, isBlobHash } from "../schema/ids.ts";
import { NEEDED_BLOBS } from "./needed-blobs.ts";
import type { StoreReader } from "./reader.ts";
import { verifyLog } from "./verify.ts";

/** What may go. Plain data: it may be sent to the thread that owns the store. */
export interface Garbage {
  /** Position of the log at which nobody named it; who removes it looks at later rows again. */
  readonly seq: number;
  readonly blobs: readonly { readonly hash: BlobHash; readonly sizeBytes: number }[];
  /** Files in objects/ that are named as a blob is, and are none's. */
  readonly files: readonly { readonly hash: BlobHash; readonly sizeBytes: number }[];
  /** Blobs that nobody names and that stay, as the store is shared and no remote is known to have them. */
  readonly keptForRemote: number;
}

/**
 * Looks through the store as it is at this moment; its owner may go on working. Reads the whole log twice.
 * @throws PfsError CORRUPT where the log's chain is broken: what a lost row named is evidence, and no garbage
 */
export async function findGarbage(reader: StoreReader): Promise<Garbage> {
  await refuseBrokenLog(reader);
  const snapshot = reader.openSnapshot();
  try {
    const { database } = snapshot;
    const { seq } = snapshot.head();
    const isShared = database.prepare("SELECT 1 FROM remote LIMIT 1").get() !== undefined;
    const rows = database
      .prepare(
        `SELECT sha256 AS hash, size AS sizeBytes, EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = b.sha256) AS isRemote
         FROM blob b WHERE sha256 NOT IN (${NEEDED_BLOBS})`,
      )
      .all() as { hash: BlobHash; sizeBytes: number; isRemote: number }[];
    const goes = rows.filter(({ isRemote }) => !isShared || isRemote === 1);
    return {
      seq,
      blobs: goes.map(({ hash, sizeBytes }) => ({ hash, sizeBytes })),
      files: await findFiles(snapshot),
      keptForRemote: rows.length - goes.length,
    };
  } finally {
    snapshot.close();
  }
}

async function refuseBrokenLog(reader: StoreReader): Promise<void> {
  const { findings } = await verifyLog(reader);
  const [first] = findings;
  if (first === undefined) return;
  throw new PfsError("CORRUPT", `Nothing was removed, as the log is damaged: ${first.message}`, {
    hint: "What rows that are lost have named may be needed yet. `pfs verify` says all that is damaged.",
  });
}

/** Those that are on their way, too: whoever removes them knows. */
async function findFiles({ directory, database }: StoreReader): Promise<Garbage["files"]> {
  const isKnown = database.prepare("SELECT 1 FROM blob WHERE sha256 = ? AND data IS NULL");
  const found: { hash: BlobHash; sizeBytes: number }[] = [];
  const root = join(directory, "objects");
  for await (const folder of await opendir(root)) {
    if (!folder.isDirectory()) continue;
    for await (const { name } of await opendir(join(root, folder.name))) {
      if (!isBlobHash(name) || !name.startsWith(folder.name) || isKnown.get(name) !== undefined) continue;
      const stat = await lstat(join(root, folder.name, name)).catch((error: NodeJS.ErrnoException) => {
        // It was on its way, and its way ended.
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
      if (stat !== undefined) found.push({ hash: name, sizeBytes: stat.size });
    }
  }
  return found;
}
