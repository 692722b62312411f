/**
 * Owns what a backup is: a tar archive of a store's files, in which `pfs-backup.json` comes first and `SHA256SUMS` of all
 * others last. Unpacked by hand it is a store, and `sha256sum -c SHA256SUMS` checks it. Must never read or write one.
 */
import type { z } from "zod";
import { lazily } from "../../schema/zod.ts";

export const INFO_NAME = "pfs-backup.json";
export const DATABASE_NAME = "pfs.db";
export const KEY_NAME = "audit-key.pem";
export const SUMS_NAME = "SHA256SUMS";

/** The names that may be in a backup: nothing that could lead out of the directory it is unpacked to. */
const NAMES =
  /^(?:pfs-backup\.json|pfs\.db|audit-key\.pem|SHA256SUMS|objects\/([0-9a-f]{2})\/\1[0-9a-f]{62}|scratch\/[0-9]{1,16})$/;

const FORMAT = 1;

const infoShape = lazily((z) =>
  z.object({
    pfs_backup: z.literal(FORMAT),
    /** ISO 8601: when the state was taken. */
    time: z.iso.datetime(),
    /** Position of the log. */
    seq: z.number().int().nonnegative(),
    entry_hash: z.string().regex(/^[0-9a-f]{64}$/),
  }),
);

/** What a backup says of itself. */
export type BackupInfo = Omit<z.output<ReturnType<typeof infoShape>>, "pfs_backup">;

/** Whether a backup may hold a file of this name. */
export function isBackupName(name: string): boolean {
  return NAMES.test(name);
}

/** The text of `pfs-backup.json`. */
export function infoText(info: BackupInfo): string {
  return `${JSON.stringify({ pfs_backup: FORMAT, ...info })}\n`;
}

/** What such a text says; undefined: it is of no backup that this program knows. */
export function parseInfo(text: string): BackupInfo | undefined {
  const shape = infoShape();
  try {
    const { time, seq, entry_hash } = shape.parse(JSON.parse(text));
    return { time, seq, entry_hash };
  } catch {
    return undefined;
  }
}

/** The text of `SHA256SUMS`, as sha256sum(1) writes it. */
export function sumsText(sums: ReadonlyMap<string, string>): string {
  return [...sums].map(([name, sum]) => `${sum}  ${name}\n`).join("");
}
