/**
 * Owns checking bytes: that every blob's hash to its name (R2) and are there (B1), that none of the log's versions has lost
 * its bytes, and that nothing lies about that nobody refers to. Must never hold more than one small blob in memory.
 */
import { createHash, hash as sha256 } from "node:crypto";
import { lstat, open, opendir } from "node:fs/promises";
import { join } from "node:path";
import { type BlobHash, isBlobHash } from "../../schema/ids.ts";
import { INCOMING } from "../blobs.ts";
import { allocatePageAligned } from "../libc.ts";
import type { Finding } from "../verify.ts";
import { type Check, countRows } from "./check.ts";

interface Row {
  readonly sha256: BlobHash;
  readonly size: number;
  readonly length: number | null;
  readonly data: Buffer | null;
}

const CHUNK_BYTES = 1024 * 1024;
const COLLECT = "It does no harm; `pfs gc` removes it.";
const HARMLESS = "It does no harm and may be removed.";

export async function checkBlobs(check: Check, rehash: boolean): Promise<void> {
  check.begin("bytes", countRows(check.snapshot, "blob"));
  const rows = check.snapshot.database.prepare<[], Row>(
    `SELECT sha256, size, length(data) AS length, ${rehash ? "data" : "NULL AS data"} FROM blob`,
  );
  for (const row of rows.iterate()) {
    if (check.tick()) await check.breathe();
    if (row.length === null) await checkObject(check, row, rehash);
    else if (
      row.length !== row.size ||
      (row.data !== null && sha256("sha256", row.data, "hex") !== row.sha256)
    )
      report(check, "R2", row.sha256, "in the database do not match their hash");
  }
  checkVersions(check);
  await checkObjectFiles(check);
}

async function checkObject(check: Check, row: Row, rehash: boolean): Promise<void> {
  const path = check.snapshot.objectPath(row.sha256);
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
  if (typeof file === "string") {
    const why = file === "ENOENT" ? "are missing: the file is gone" : `cannot be read (${file})`;
    report(check, "B1", row.sha256, `${why}, ${path}`);
    return;
  }
  try {
    const { size } = await file.stat();
    if (size !== row.size) {
      report(check, "R2", row.sha256, `do not match their hash: ${size} instead of ${row.size}, in ${path}`);
      return;
    }
    if (!rehash) return;
    const digest = createHash("sha256");
    const chunk = allocatePageAligned(0, Math.min(CHUNK_BYTES, Math.max(1, size)));
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, null);
      if (bytesRead === 0) break;
      digest.update(chunk.subarray(0, bytesRead));
    }
    if (digest.digest("hex") !== row.sha256)
      report(check, "R2", row.sha256, `do not match their hash, in ${path}`);
  } catch (error) {
    report(check, "R2", row.sha256, `cannot be read (${(error as Error).message}), ${path}`);
  } finally {
    await file.close();
  }
}

/** Names the file whose bytes they are, or were. */
function report(check: Check, rule: "R2" | "B1", blobHash: string, what: string): void {
  const owner = check.isFull(rule)
    ? { text: `blob ${blobHash}`, path: blobHash }
    : findOwner(check, blobHash);
  check.report({
    rule,
    severity: "error",
    subject: owner.path,
    message: `The bytes of ${owner.text} ${what} (${blobHash}).`,
    hint: "Import the file with these bytes again, which mends it, or restore the store from a backup.",
  });
}

function findOwner(check: Check, blobHash: string): { text: string; path: string } {
  const { database } = check.snapshot;
  const current = database
    .prepare("SELECT path, book_id FROM file_journal WHERE sha256 = ? LIMIT 1")
    .get(blobHash) as { path: string; book_id: string } | undefined;
  if (current !== undefined) return { text: `${current.path} (${current.book_id})`, path: current.path };
  const old = database
    .prepare("SELECT path, book_id, seq FROM audit_log WHERE new_hash = ? ORDER BY seq DESC LIMIT 1")
    .get(blobHash) as { path: string; book_id: string; seq: number } | undefined;
  if (old === undefined) {
    const moved = database
      .prepare("SELECT book_id FROM moved_version WHERE sha256 = unhex(?) LIMIT 1")
      .pluck()
      .get(blobHash) as string | undefined;
    const whose = moved === undefined ? "which no file has" : `an old version in ${moved}`;
    return { text: `blob ${blobHash.slice(0, 12)}, ${whose},`, path: blobHash };
  }
  return { text: `an old version of ${old.path} (${old.book_id}, row ${old.seq})`, path: old.path };
}

/** Versions that the log names and the store lacks, and small blobs that the log does not name. */
function checkVersions(check: Check): void {
  const { database } = check.snapshot;
  const lost = database.prepare<[], { hash: string; seq: number; path: string; book_id: string }>(
    `SELECT new_hash AS hash, max(seq) AS seq, path, book_id FROM audit_log l WHERE new_hash IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = l.new_hash)
     AND NOT EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = l.new_hash)
     AND new_hash NOT IN (SELECT sha256 FROM file_journal) GROUP BY new_hash`,
  );
  for (const { hash, seq, path, book_id } of lost.iterate()) {
    check.report({
      rule: "R2",
      severity: "error",
      subject: path,
      message: `The bytes of an old version of ${path} (${book_id}, row ${seq}) are not in the store: there is no blob ${hash}.`,
      hint: "The file itself is not concerned; restore the store from a backup if you need that version.",
    });
  }
  const moved = database.prepare<[], { hash: string; book_id: string }>(
    `SELECT lower(hex(sha256)) AS hash, book_id FROM moved_version m
     WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = lower(hex(m.sha256)))
     AND NOT EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = lower(hex(m.sha256)))
     AND lower(hex(m.sha256)) NOT IN (SELECT new_hash FROM audit_log WHERE new_hash IS NOT NULL)
     AND lower(hex(m.sha256)) NOT IN (SELECT sha256 FROM file_journal)`,
  );
  for (const { hash, book_id } of moved.iterate()) {
    check.report({
      rule: "R2",
      severity: "error",
      subject: hash,
      message: `The bytes of an old version of a file of ${book_id} are not in the store: there is no blob ${hash}.`,
      hint: "The file itself is not concerned; restore the store from a backup if you need that version.",
    });
  }
  const refused = database.prepare<[], { conflict_id: number; path: string; mine: string }>(
    `SELECT conflict_id, path, mine FROM conflict WHERE ended IS NULL
     AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = mine)
     AND NOT EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = mine)`,
  );
  for (const { conflict_id, path, mine } of refused.iterate()) {
    check.report({
      rule: "W2",
      severity: "error",
      subject: path,
      message: `What was refused of ${path} (conflict ${conflict_id}) is not in the store: there is no blob ${mine}.`,
      hint: "Restore the store from a backup, or give the conflict up by removing its folder.",
    });
  }
  const unnamed = database.prepare<[], { sha256: string }>(
    `SELECT sha256 FROM blob WHERE sha256 NOT IN (SELECT new_hash FROM audit_log WHERE new_hash IS NOT NULL)
     AND sha256 NOT IN (SELECT lower(hex(sha256)) FROM moved_version)
     AND sha256 NOT IN (SELECT sha256 FROM file_journal) AND sha256 NOT IN (SELECT mine FROM conflict)`,
  );
  for (const row of unnamed.iterate())
    check.report(orphan(row.sha256, `The blob ${row.sha256} is of no version of any file.`, COLLECT));
}

/** Files in objects/ that are no blob's. */
async function checkObjectFiles(check: Check): Promise<void> {
  const root = join(check.snapshot.directory, "objects");
  for await (const folder of await opendir(root)) {
    const path = join(root, folder.name);
    if (!folder.isDirectory()) {
      check.report(orphan(path, `${path} is no file of pfs.`));
      continue;
    }
    for await (const file of await opendir(path)) {
      if (check.tick()) await check.breathe();
      const isNamed = isBlobHash(file.name) && file.name.startsWith(folder.name);
      const subject = join(path, file.name);
      if (!isNamed) check.report(orphan(subject, `${subject} is no file of pfs.`));
      else if (!(await isReferred(check, file.name as BlobHash, subject)))
        check.report(orphan(subject, `The file ${subject} has bytes that no blob refers to.`, COLLECT));
    }
  }
}

async function isReferred(check: Check, blobHash: BlobHash, path: string): Promise<boolean> {
  const sql = "SELECT 1 FROM blob WHERE sha256 = ? AND data IS NULL";
  if (check.snapshot.database.prepare(sql).get(blobHash) !== undefined) return true;
  // It may be on its way: then there is a note in drafts/ until its row is committed, or it goes again.
  if (await exists(join(check.snapshot.directory, "drafts", `${blobHash}${INCOMING}`))) return true;
  return check.live.database.prepare(sql).get(blobHash) !== undefined || !(await exists(path));
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

function orphan(subject: string, message: string, hint = HARMLESS): Finding {
  return { rule: "orphan", severity: "warning", subject, message, hint };
}
