/**
 * Owns which remote is meant by URLs, and with which secrets it is opened: those of URLs come from the environment only, and
 * are never kept. Must never connect.
 */
import { parseBlobsUrl } from "../lib/remote/blobs-location.ts";
import { withoutSecrets } from "../lib/remote/open-remote-log.ts";
import type { ConfiguredRemote } from "../schema/config.ts";
import { PfsError } from "../schema/errors.ts";

/** Where a book is shared, as it may be kept and shown. */
export interface RemoteUrls {
  readonly logUrl: string;
  readonly blobsUrl: string;
}

const HINT =
  "Name postgres://USER@HOST/DATABASE and s3://BUCKET/PREFIX?endpoint=https://…, or file:///DIR alone; or set DATABASE_URL and PFS_REMOTE.";

/**
 * One URL of a log and one of blobs, in any order; one of a directory alone is both. What is not given is what DATABASE_URL
 * (log) and PFS_REMOTE (blobs, or a directory for both) say.
 * @throws PfsError USAGE
 */
export function findRemoteUrls(
  given: readonly string[],
  { DATABASE_URL, PFS_REMOTE }: NodeJS.ProcessEnv = process.env,
): RemoteUrls {
  for (const url of given) if (isLog(url)) refuseSecrets(url);
  const logs = given.filter(isLog);
  const blobs = given.filter((url) => url.startsWith("s3:"));
  const directories = given.filter((url) => !isLog(url) && !url.startsWith("s3:"));
  if (logs.length > 1 || blobs.length > 1 || given.length > 2)
    throw new PfsError("USAGE", "A book has one remote: a log and blobs.", { hint: HINT });
  const fallback = nonEmpty(PFS_REMOTE);
  const blobsUrl = blobs[0] ?? directories.pop() ?? fallback;
  if (blobsUrl === undefined)
    throw new PfsError("USAGE", "No URL says where the bytes are shared.", { hint: HINT });
  const isDirectory = blobsUrl.startsWith("file:");
  const own = logs[0] ?? directories.pop();
  const logUrl = own ?? (given.length > 0 && isDirectory ? blobsUrl : nonEmpty(DATABASE_URL)) ?? blobsUrl;
  if (!isDirectory && logUrl === blobsUrl)
    throw new PfsError("USAGE", "No URL says where the log is shared.", { hint: HINT });
  parseBlobsUrl(blobsUrl);
  return { logUrl: withoutSecrets(logUrl), blobsUrl };
}

/**
 * Of a book of the configuration: DATABASE_URL stands in place of its log, where that is a PostgreSQL's, and PFS_REMOTE in place
 * of its blobs, as the environment does of every other key.
 * @throws PfsError USAGE
 */
export function findConfiguredUrls(
  { log, blobs }: Pick<ConfiguredRemote, "log" | "blobs">,
  env: NodeJS.ProcessEnv = process.env,
): RemoteUrls {
  const database = nonEmpty(env.DATABASE_URL);
  const bytes = nonEmpty(env.PFS_REMOTE);
  // Another program's database has no place here.
  const own = log !== undefined && database !== undefined && isLog(database) ? withoutSecrets(database) : log;
  // A directory alone is both in the file; in the environment it leaves the log to DATABASE_URL.
  const given = own === undefined && bytes !== undefined ? [] : [own, bytes ?? blobs];
  return findRemoteUrls(
    given.filter((url) => url !== undefined),
    env,
  );
}

/** The URL to open a log with: that of DATABASE_URL where it is the same but for its password. */
export function openingUrl(logUrl: string, { DATABASE_URL }: NodeJS.ProcessEnv = process.env): string {
  const named = nonEmpty(DATABASE_URL);
  if (named === undefined || !isLog(named)) return logUrl;
  try {
    return withoutSecrets(named) === logUrl ? named : logUrl;
  } catch {
    // It may be another program's.
    return logUrl;
  }
}

function isLog(url: string): boolean {
  return /^postgres(?:ql)?:/i.test(url);
}

function refuseSecrets(url: string): void {
  const kept = URL.parse(url)?.href;
  if (kept === undefined || kept === withoutSecrets(url)) return;
  throw new PfsError("USAGE", "The URL of a remote must not hold a password: others could read it.", {
    hint: "Leave it to the environment: the whole URL in DATABASE_URL, or PGPASSWORD, or ~/.pgpass.",
  });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
