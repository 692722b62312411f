/**
 * Owns looking at a store: its directory and disk, its database, what waits in it, and where its books are shared. Must never
 * change it.
 */
import { existsSync, type StatsFs, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { holdsStore } from "../../lib/database-file.ts";
import { defaultReserveBytes } from "../../lib/disk-space.ts";
import { StoreReader } from "../../lib/reader.ts";
import { listRemotes } from "../../lib/shared-rows.ts";
import { verifyStore } from "../../lib/verify.ts";
import { PfsError } from "../../schema/errors.ts";
import { type Diagnosis, fail, pass, warn } from "./diagnosis.ts";

/** A disk with less than this left fills up before anybody looks again. */
const LITTLE_BYTES = 1024 ** 3;
const LITTLE_SHARE = 0.05;
/** How far the clock may be behind the log, in milliseconds: machines that share a book differ by a little. */
const CLOCK_SLACK_MS = 60_000;

/** `f_type` of statfs(2) of file systems that SQLite's write-ahead log does not work on. Source: linux/magic.h, statfs(2) */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x01021997, "9p"],
  [0x00c36400, "Ceph"],
]);
const TMPFS = 0x01021994;
const FUSE = 0x65735546;

/** @param onProgress of the check of the database @returns what there is to say; never throws for what it looks at */
export async function examineStore(
  directory: string,
  onProgress: (done: number, total: number) => void,
): Promise<Diagnosis[]> {
  try {
    if (!holdsStore(directory))
      return [
        pass("store", `There is no store in ${directory} yet; \`pfs init\` or \`pfs import\` makes it.`),
        ...examineDisk(nearest(directory)),
      ];
    return [...examinePlace(directory), ...(await examineContents(directory, onProgress))];
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    return [
      ...examinePlace(directory),
      fail("database", error.message, error.hint ?? "Restore the store from a backup."),
    ];
  }
}

function examinePlace(directory: string): Diagnosis[] {
  const seen = existsSync(directory) ? examineDirectory(directory) : [];
  return [...seen, ...examineDisk(nearest(directory))];
}

async function examineContents(
  directory: string,
  onProgress: (done: number, total: number) => void,
): Promise<Diagnosis[]> {
  const reader = StoreReader.open(directory);
  try {
    return [
      await examineRecords(reader, onProgress),
      examineClock(reader),
      examineConflicts(reader),
      examineSharing(reader),
    ];
  } finally {
    reader.close();
  }
}

/** The directory that is there on the way to one that may not be. */
function nearest(directory: string): string {
  return existsSync(directory) ? directory : nearest(dirname(directory));
}

function examineDirectory(directory: string): Diagnosis[] {
  const { mode, uid } = statSync(directory);
  const seen: Diagnosis[] = [];
  if ((mode & 0o077) !== 0)
    seen.push(
      fail(
        "store",
        `The store ${directory} is open to other users.`,
        `\`chmod 700 ${directory}\`; it holds all versions of all books.`,
      ),
    );
  const euid = process.geteuid?.();
  if (uid !== euid && euid !== 0)
    seen.push(fail("store", `The store ${directory} belongs to the user ${uid}.`, "Run pfs as that user."));
  for (const name of ["pfs.db", "audit-key.pem"]) {
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    if (stat !== undefined && (stat.mode & 0o077) !== 0)
      seen.push(fail("store", `${join(directory, name)} is open to other users.`, `\`chmod 600\` it.`));
  }
  return seen.length > 0 ? seen : [pass("store", `The store ${directory} is its owner's alone.`)];
}

function examineDisk(directory: string): Diagnosis[] {
  const disk = statfsSync(directory);
  return [examineFileSystem(disk.type >>> 0), examineSpace(disk)];
}

function examineFileSystem(type: number): Diagnosis {
  const check = "file system";
  const network = NETWORK.get(type);
  if (network !== undefined)
    return fail(
      check,
      `The store is on ${network}, where SQLite cannot keep it safe.`,
      "Move it to a local disk; a book is shared by a remote, not by the store's directory.",
    );
  if (type === FUSE)
    return warn(
      check,
      "The store is on a FUSE file system; whether that keeps SQLite's promises, nobody can tell.",
      "Move it to a local disk, unless you know that file system.",
    );
  if (type === TMPFS)
    return warn(check, "The store is in memory (tmpfs), gone when the machine stops.", "Move it to a disk.");
  return pass(check, "The store is on a local file system.");
}

function examineSpace(disk: StatsFs): Diagnosis {
  const check = "disk";
  const freeBytes = disk.bavail * disk.bsize;
  const allBytes = disk.blocks * disk.bsize;
  const left = `${Math.floor(freeBytes / 1024 ** 2).toLocaleString("en")} MiB of the store's disk are free.`;
  if (freeBytes <= defaultReserveBytes(disk))
    return fail(
      check,
      `Only ${left} Nothing can be saved.`,
      "Free some space; `pfs gc` removes what nothing needs.",
    );
  if (freeBytes < Math.min(LITTLE_BYTES, allBytes * LITTLE_SHARE))
    return warn(check, `Only ${left}`, "Free some space; `pfs gc` removes what nothing needs.");
  return pass(check, left);
}

/** All but the bytes themselves, which `pfs verify` reads. */
async function examineRecords(
  reader: StoreReader,
  onProgress: (done: number, total: number) => void,
): Promise<Diagnosis> {
  const check = "records";
  const findings = await verifyStore(reader, {
    rehash: false,
    onProgress: ({ done, total }) => onProgress(done, total),
  });
  const errors = findings.filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first !== undefined)
    return fail(
      check,
      `The store has ${errors.length === 1 ? "an error" : `${errors.length} errors`}: ${first.message}`,
      "`pfs verify` names all; `pfs repair` mends what it can.",
    );
  if (findings.length > 0)
    return warn(
      check,
      `The store is sound, with ${findings.length} things to tidy.`,
      "`pfs verify` names them.",
    );
  return pass(check, `Log, journal and tree are sound, up to row ${reader.head().seq}.`);
}

/** The log's times never run backwards, so a clock that does would be held up. */
function examineClock(reader: StoreReader): Diagnosis {
  const check = "clock";
  const last = reader.database
    .prepare("SELECT timestamp FROM audit_log ORDER BY seq DESC LIMIT 1")
    .pluck()
    .get() as string | undefined;
  const behindMs = last === undefined ? 0 : Date.parse(last) - Date.now();
  if (behindMs <= CLOCK_SLACK_MS) return pass(check, "The clock is not behind the log.");
  return fail(
    check,
    `The clock says ${new Date().toISOString()}, but the log has a row of ${last}.`,
    "Set the clock (`timedatectl set-ntp true`): new rows get the time of the last one until it has come that far.",
  );
}

function examineConflicts(reader: StoreReader): Diagnosis {
  const count = reader.countConflicts();
  if (count === 0) return pass("conflicts", "No refused save waits for a decision.");
  return warn(
    "conflicts",
    `${count === 1 ? "A refused save waits" : `${count} refused saves wait`} for a decision.`,
    "`pfs conflicts` lists them, `pfs resolve` decides.",
  );
}

/** Whether anything of it is elsewhere cannot be known; that books are shared can. */
function examineSharing(reader: StoreReader): Diagnosis {
  const check = "remotes";
  const books = reader.listBooks().map(({ bookId }) => bookId);
  const shared = new Set(listRemotes(reader.database).map(({ bookId }) => bookId));
  const alone = books.filter((bookId) => !shared.has(bookId));
  if (alone.length === 0)
    return pass(check, books.length === 0 ? "There are no books yet." : "All books are shared on a remote.");
  return warn(
    check,
    `${alone.join(", ")}: on this machine only.`,
    "`pfs backup FILE` makes a copy of the store for another disk.",
  );
}
