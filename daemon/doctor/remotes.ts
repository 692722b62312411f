/**
 * Owns looking at the remotes of a store: whether each answers whoever asks now, lets it write, is of a version that is known,
 * is the one that it was, and has the same time. Must never change one, nor wait long, nor say a secret.
 */
import type { StoreReader } from "../../lib/reader.ts";
import type { RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { listRemotes } from "../../lib/shared-rows.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import { openRemote } from "../book-sync.ts";
import { type Diagnosis, fail, pass, warn } from "./diagnosis.ts";

/** A book with where it is shared, or is to be. */
export interface ExaminedRemote {
  readonly bookId: BookId;
  readonly logUrl: string;
  readonly blobsUrl: string;
  /** What the log called itself; undefined: the book is not shared yet. */
  readonly remoteId: string | undefined;
}

/** For each of the two. */
const PATIENCE_MS = 15_000;
/** Twice, as who is told that its clock is wrong is understood the second time. */
const RETRY = { policy: { attempts: 2, totalMs: PATIENCE_MS / 2 } };
/** Times of rows, and claims of ten minutes, are compared between machines. */
const CLOCK_SLACK_MS = 60_000;
/** S3 refuses requests that are older. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const S3_SLACK_MS = 15 * 60_000;
const ELSE =
  "Look at the network and at the server; what is saved waits here meanwhile, and nothing is lost.";

export function remotesOf(reader: StoreReader): ExaminedRemote[] {
  return listRemotes(reader.database).map(({ bookId, logUrl, blobsUrl, remoteId }) => {
    return { bookId, logUrl, blobsUrl, remoteId };
  });
}

/** Never throws for what it looks at. */
export async function examineRemotes(
  remotes: readonly ExaminedRemote[],
  storeDirectory: string,
  patienceMs = PATIENCE_MS,
): Promise<Diagnosis[]> {
  const groups = Map.groupBy(remotes, ({ logUrl, blobsUrl }) => `${logUrl} ${blobsUrl}`);
  const seen = await Promise.all(
    [...groups.values()].map((books) => examineOne(books, storeDirectory, patienceMs)),
  );
  return seen.flat();
}

/** Books that are shared at one place. */
async function examineOne(
  books: readonly ExaminedRemote[],
  storeDirectory: string,
  patienceMs: number,
): Promise<Diagnosis[]> {
  const [{ logUrl, blobsUrl }] = books as [ExaminedRemote];
  const names = books.map(({ bookId }) => bookId).join(", ");
  let remote: Awaited<ReturnType<typeof openRemote>>;
  try {
    remote = await openRemote({ logUrl, blobsUrl }, storeDirectory, {
      counters: new RemoteCounters(),
      retry: RETRY,
    });
  } catch (error) {
    return [failure("remote log", names, error)];
  }
  const abort = new AbortController();
  try {
    const [ofLog, ofBlobs] = await Promise.all([
      within(patienceMs, logUrl, examineLog(remote.log, books)).catch((error) => [
        failure("remote log", names, error),
      ]),
      within(patienceMs, blobsUrl, examineBlobs(remote.blobs, blobsUrl, abort.signal)).catch((error) => [
        failure("remote blobs", names, error),
      ]),
    ]);
    return [...ofLog, ...ofBlobs];
  } finally {
    abort.abort(new PfsError("UNAVAILABLE", "Nobody waits any more."));
    await remote.close();
  }
}

async function examineLog(log: RemoteLog, books: readonly ExaminedRemote[]): Promise<Diagnosis[]> {
  const check = "remote log";
  const [{ logUrl }] = books as [ExaminedRemote];
  const { remoteId, schemaVersion, newestVersion, refuses, clockAheadMs } = await log.probe();
  const clock = examineClock(logUrl, clockAheadMs, Number.POSITIVE_INFINITY);
  const other = books.find((book) => book.remoteId !== undefined && book.remoteId !== remoteId);
  if (other !== undefined) {
    const message = `${logUrl} is another remote log than the one that ${other.bookId} is shared on.`;
    return [
      fail(check, message, "Restore it from a backup, or see to it that the URL means the same database."),
    ];
  }
  if (refuses !== undefined) return [refused(check, logUrl, refuses), ...clock];
  // Asking for a book would bring an older schema up.
  if (schemaVersion === newestVersion) {
    for (const { bookId, remoteId: known } of books) {
      if (known === undefined || (await log.findBook(bookId)) !== undefined) continue;
      const fix = `Restore it from a backup, or share the book anew: \`pfs remote remove ${bookId}\`, then \`pfs remote add\`.`;
      return [fail(check, `${logUrl} answers, but has no book ${bookId}.`, fix), ...clock];
    }
  }
  const version =
    schemaVersion === newestVersion
      ? `has schema version ${schemaVersion}`
      : `has schema version ${schemaVersion}, which the next sync brings to ${newestVersion}`;
  return [pass(check, `${logUrl} answers, may be written and ${version}.`), ...clock];
}

async function examineBlobs(blobs: RemoteBlobs, url: string, signal: AbortSignal): Promise<Diagnosis[]> {
  const check = "remote blobs";
  const { refuses, clockAheadMs } = await blobs.probe(signal);
  const clock = examineClock(url, clockAheadMs, S3_SLACK_MS);
  if (refuses !== undefined) return [refused(check, url, refuses), ...clock];
  return [pass(check, `${url} answers and may be written.`), ...clock];
}

function refused(check: string, url: string, why: string): Diagnosis {
  return fail(
    check,
    `${url} may be read, but not written: ${why}.`,
    "Allow it to whom the URL and the credentials name; what is saved waits here meanwhile.",
  );
}

/** @param limitMs from which on nothing goes any more */
function examineClock(url: string, aheadMs: number | undefined, limitMs: number): Diagnosis[] {
  const check = "remote clock";
  if (aheadMs === undefined) return [];
  const apartMs = Math.abs(aheadMs);
  const apart = `${(apartMs / 1000).toFixed(apartMs < 10_000 ? 1 : 0)} s`;
  if (apartMs <= CLOCK_SLACK_MS)
    return [pass(check, `${url} and this machine have the same time (${apart}).`)];
  const message = `The clock of this machine is ${apart} ${aheadMs > 0 ? "behind" : "ahead of"} that of ${url}.`;
  const fix = "Set the clock of the one that is wrong (`timedatectl set-ntp true`).";
  return [apartMs > limitMs ? fail(check, message, fix) : warn(check, message, fix)];
}

function failure(check: string, names: string, error: unknown): Diagnosis {
  if (!(error instanceof PfsError)) throw error;
  return fail(check, `${names}: ${error.message}`, error.hint ?? ELSE);
}

async function within<Result>(patienceMs: number, url: string, asked: Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const message = `${url} has not answered within ${patienceMs / 1000} seconds.`;
  const timer = setTimeout(() => reject(new PfsError("UNAVAILABLE", message)), patienceMs);
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
    asked.catch(() => undefined);
  }
}
