/**
 * Brings a directory into a book, which is made if it is not there: owns the order of the steps and what is told of them.
 * Runs in the main thread, or in a command; must never write the store itself.
 */
import { type ImportCounts, readInBatches } from "../lib/import.ts";
import { type ScanResult, type SkippedFile, scanForImport } from "../lib/import-scan.ts";
import { discardStaged } from "../lib/staging.ts";
import { fitScan } from "../lib/validate.ts";
import { PfsError } from "../schema/errors.ts";
import type { BookId } from "../schema/ids.ts";
import { type Profile, parseProfile, profileToJson, strictestProfile } from "../schema/profiles.ts";
import { findBook } from "./find-book.ts";
import type { StoreOwner } from "./store-owner.ts";
import type { BookSummary, PlainActor } from "./thread-calls.ts";

export interface ImportRequest {
  readonly bookId: BookId;
  /** Absolute. */
  readonly directory: string;
  /** Directory of the book that everything goes into. */
  readonly into?: string | undefined;
  /** Of parseProfile, for a book that is to be made. */
  readonly profileJson?: unknown;
  readonly actor: PlainActor;
}

export type ImportEvent =
  | { readonly type: "progress"; readonly files: number; readonly total_files: number }
  | ImportSummary;

export interface ImportSummary extends ImportCounts {
  readonly type: "done";
  readonly book: BookId;
  readonly book_created: boolean;
  readonly profile: string;
  /** Why a new book got its profile, if nobody chose it: a sentence. */
  readonly profile_reason: string | null;
  readonly size_bytes: number;
  readonly skipped: readonly SkippedFile[];
}

/**
 * Yields progress and at last a summary.
 * @throws PfsError as scanForImport, fitScan, readInBatches and importBatch of lib/; USAGE when a book that is there has
 *   another profile than the one that is asked for
 */
export async function* importDirectory(
  owner: StoreOwner,
  request: ImportRequest,
): AsyncGenerator<ImportEvent, void> {
  const { bookId, directory, into, actor } = request;
  const present = await findBook(owner, bookId);
  const scan = await scanForImport(directory, into === undefined ? {} : { into });
  const { profile, reason } = chooseProfile(request, present, scan);
  const { files, directories, skipped } = fitScan(scan, profile.parsed);
  if (present === undefined) await owner.createBook({ bookId, profileJson: profile.json });

  const sum = { created: 0, updated: 0, unchanged: 0 };
  let done = 0;
  yield { type: "progress", files: 0, total_files: files.length };
  const record = async (
    batch: Parameters<StoreOwner["importBatch"]>[0]["files"],
    made: readonly string[],
  ) => {
    const counts = await owner.importBatch({ bookId, files: batch, directories: made, actor });
    sum.created += counts.created;
    sum.updated += counts.updated;
    sum.unchanged += counts.unchanged;
    done += batch.length;
  };
  await record([], directories);
  for await (const batch of readInBatches(files, owner)) {
    try {
      await record(batch, []);
    } catch (error) {
      for (const file of batch) await discardStaged(file);
      throw error;
    }
    yield { type: "progress", files: done, total_files: files.length };
  }
  yield {
    type: "done",
    book: bookId,
    book_created: present === undefined,
    profile: profile.parsed.name,
    profile_reason: reason,
    ...sum,
    size_bytes: files.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
    skipped,
  };
}

interface Chosen {
  readonly profile: { readonly parsed: Profile; readonly json: unknown };
  readonly reason: string | null;
}

function chooseProfile(
  { bookId, into, profileJson }: ImportRequest,
  present: BookSummary | undefined,
  scan: ScanResult,
): Chosen {
  const asked =
    profileJson === undefined ? undefined : { parsed: parseProfile(profileJson), json: profileJson };
  if (present !== undefined) {
    const json = present.profileJson;
    const parsed = parseProfile(json);
    const difference = asked === undefined ? undefined : differenceOf(parsed, asked.parsed);
    if (difference !== undefined) {
      throw new PfsError("USAGE", `The book ${bookId} has ${difference}.`, {
        hint: "Leave out --schema, or import into a new book.",
      });
    }
    return { profile: { parsed, json }, reason: null };
  }
  if (asked !== undefined) return { profile: asked, reason: null };
  const hasSymlinks = scan.files.some((file) => file.type === "symlink");
  const { profile, reason } = strictestProfile(scan.files.map((file) => file.path));
  if (!hasSymlinks || profile.symlinks) {
    const advice = into === undefined ? adviceOn(profile, scan) : "";
    return { profile: { parsed: profile, json: { name: profile.name } }, reason: `${reason}${advice}` };
  }
  const link = scan.files.find((file) => file.type === "symlink")?.path;
  return {
    profile: { parsed: parseProfile("any"), json: { name: "any" } },
    reason: `any, because ${profile.name} has no symbolic links and ${link} is one.`,
  };
}

/** A folder of lessons fits nothing stricter than `any` where it is, but may below `content`, where lessons belong. */
function adviceOn(profile: Profile, { files }: ScanResult): string {
  if (profile.name !== "any") return "";
  const below = strictestProfile(files.map(({ path }) => `content/${path}`)).profile.name;
  return below === "any" ? "" : ` With --into content it would be ${below}.`;
}

/** In what a book's schema is another than the one that is asked for; undefined when they are the same. */
function differenceOf(present: Profile, asked: Profile): string | undefined {
  if (present.name !== asked.name) return `the schema ${present.name}, not ${asked.name}`;
  const [has, wanted] = [profileToJson(present), profileToJson(asked)].map((json) => JSON.stringify(json));
  return has === wanted
    ? undefined
    : `another schema of the name ${present.name} than the one that is given: ${has}`;
}
