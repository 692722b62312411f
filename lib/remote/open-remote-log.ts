/**
 * Owns what the URL of a remote log may be, and which implementation it means. Must never let a secret of a URL into a message
 * or into what is kept.
 */
import { fileURLToPath } from "node:url";
import { PfsError } from "../../schema/errors.ts";
import { quote } from "../../schema/ids.ts";
import { DirectoryLog } from "./directory-log.ts";
import { type RemoteLog, sharedLogOperations } from "./remote-log.ts";
import { type RemoteCounters, withMetrics } from "./with-metrics.ts";
import { type RetryOptions, withRetry } from "./with-retry.ts";
import { withTimeouts } from "./with-timeouts.ts";

const HINT = "A remote log is postgres://USER@HOST/DATABASE, or file:///DIR for a directory of this machine.";
/** Parameters that the driver would take for a password. */
const SECRETS = ["password", "sslpassword"];
/** As the driver understands them: `require` checks the certificate, too. */
const SSL_MODES = ["disable", "no-verify", "require", "verify-full"];

interface OpenLogOptions {
  readonly counters: RemoteCounters;
  readonly retry?: RetryOptions;
  /** Makes what is missing: for a remote that is new, as one that was lost looks the same. */
  readonly isNew?: boolean;
}

/**
 * Opens a remote log, with all decorators. Nothing is asked of it yet, so that one that cannot be reached now may be later.
 * @throws PfsError USAGE: no remote log has such a URL
 */
export async function openRemoteLog(text: string, options: OpenLogOptions): Promise<RemoteLog> {
  const { counters, retry = {}, isNew = false } = options;
  const url = parseUrl(text);
  const remote =
    url.protocol === "file:" ? new DirectoryLog(directoryOf(url), { isNew }) : await openPostgres(url, isNew);
  const remoteName = `The remote log ${withoutSecrets(text)}`;
  const bounded = withTimeouts(remote, sharedLogOperations, { remoteName });
  const counted = withMetrics(bounded, sharedLogOperations, { counters, of: "log" });
  return withRetry(counted, sharedLogOperations, {
    ...retry,
    onRetry: (operation, error) => {
      counters.retried("log", operation);
      retry.onRetry?.(operation, error);
    },
  });
}

/** The URL as it may be kept and shown: without a password. @throws PfsError USAGE as {@link openRemoteLog} */
export function withoutSecrets(text: string): string {
  const url = parseUrl(text);
  if (url.protocol === "file:") directoryOf(url);
  url.password = "";
  for (const name of SECRETS) if (url.searchParams.has(name)) url.searchParams.delete(name);
  return url.href;
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null) {
    // What is no URL may hold a password all the same.
    const isTelling = /[:@]/.test(text);
    throw refused(isTelling ? "The URL of the remote log is malformed" : `${quote(text)} is not a URL`);
  }
  if (!["postgres:", "postgresql:", "file:"].includes(url.protocol))
    throw refused(`A remote log has no URL that begins with ${quote(url.protocol)}`);
  return url;
}

function directoryOf(url: URL): string {
  if (url.host !== "") throw refused(`file://${url.host}… names a machine: a directory has three slashes`);
  if (url.search !== "" || url.hash !== "") throw refused("The URL of a directory has nothing after ? or #");
  try {
    const directory = fileURLToPath(url);
    if (directory !== "/") return directory.replace(/\/+$/, "");
  } catch {
    // An escaped slash.
  }
  throw refused(`${quote(url.href)} does not name a directory`);
}

async function openPostgres(url: URL, isNew: boolean): Promise<RemoteLog> {
  const mode = url.searchParams.get("sslmode");
  if (mode !== null && !SSL_MODES.includes(mode))
    throw refused(`sslmode=${quote(mode)} is not one of ${SSL_MODES.join(", ")}`);
  const known = new URL(url);
  // The driver means the same by both, and warns of one.
  if (mode === "require") known.searchParams.set("sslmode", "verify-full");
  // The driver is for those who share a book there.
  const { PostgresLog } = await import("./postgres-log.ts");
  try {
    return new PostgresLog(known.href, { isNew });
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (path === undefined) throw refused("The URL of the remote log is malformed");
    throw refused(`The URL of the remote log names the file ${quote(path)}, which cannot be read: ${code}`);
  }
}

function refused(what: string): PfsError {
  return new PfsError("USAGE", `${what}.`, { hint: HINT });
}
