/**
 * Owns checking that a remote has the bytes of every version of a book (B1), with their size, and on request that they hash to
 * their name (R2). Must never change anything.
 */
import { createHash } from "node:crypto";
import { PfsError } from "../../schema/errors.ts";
import { runBounded } from "../run-bounded.ts";
import { publishedName } from "./published-names.ts";
import type { RehashSlice, RemoteCheck } from "./remote-check.ts";
import type { BadVersion, Version } from "./shared-history.ts";

const PAGE = 500;
/** Each holds a piece of a blob at a time. */
const CONCURRENCY = 4;
const EVERYTHING: RehashSlice = { first: [], after: "", maxBytes: Number.POSITIVE_INFINITY };

/**
 * @param rehash reads every blob; or those of a slice
 * @returns the hash behind which the next slice begins
 */
export async function checkRemoteBlobs(each: RemoteCheck, rehash: boolean | RehashSlice): Promise<string> {
  const { parts, check, history } = each;
  check.begin("shared bytes", 0);
  history.nameFiles();
  for await (const page of parts.blobs.list(undefined, parts.signal)) {
    for (const blob of page) {
      check.tick();
      history.addStored(blob);
    }
    await check.breathe();
    await parts.pace?.spend({ rows: page.length, requests: 1 });
  }
  for (const bad of history.badVersions()) reportBad(each, bad);
  if (rehash === false) return "";
  check.begin("hashes of shared bytes", 0);
  const { first, after, maxBytes } = rehash === true ? EVERYTHING : rehash;
  await readAgain(each, history.storedAmong(first));
  let readBytes = 0;
  for (let at = after; ; ) {
    const page = withinBytes(history.storedVersions(at, PAGE), maxBytes - readBytes);
    const last = page.at(-1);
    if (last === undefined) return "";
    await readAgain(each, page);
    readBytes += page.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    at = last.hash;
    if (readBytes >= maxBytes) return at;
  }
}

/** The first few of a page, of which the last may be too many. */
function withinBytes(page: readonly Version[], maxBytes: number): readonly Version[] {
  let bytes = 0;
  const end = page.findIndex(({ sizeBytes }) => {
    bytes += sizeBytes;
    return bytes >= maxBytes;
  });
  return end === -1 ? page : page.slice(0, end + 1);
}

async function readAgain(each: RemoteCheck, versions: readonly Version[]): Promise<void> {
  const { check } = each;
  await runBounded(versions, CONCURRENCY, async (version) => {
    check.tick();
    const storedBytes = await wrongSizeOf(each, version);
    if (storedBytes !== "right") reportBad(each, { ...version, storedBytes });
  });
  await check.breathe();
}

/** How many bytes there are that do not hash to their name; undefined when they are not there any more. */
async function wrongSizeOf(
  { parts }: RemoteCheck,
  { hash, sizeBytes }: Version,
): Promise<"right" | number | undefined> {
  const digest = createHash("sha256");
  let readBytes = 0;
  try {
    for await (const piece of parts.blobs.get(hash, 0, parts.signal)) {
      digest.update(piece);
      readBytes += piece.byteLength;
      await parts.pace?.spend({ bytes: piece.byteLength });
    }
  } catch (error) {
    if (error instanceof PfsError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
  return readBytes === sizeBytes && digest.digest("hex") === hash ? "right" : readBytes;
}

function reportBad({ parts, history, check, damage }: RemoteCheck, bad: BadVersion): void {
  const { hash, path, seq, sizeBytes, storedBytes } = bad;
  damage.blobs.push(bad);
  const of = `The bytes of ${path} as of row ${seq} of the shared log`;
  const hint = "`pfs repair --remote` sends them again, from a machine that has them.";
  const shared = { severity: "error", subject: hash, hint } as const;
  if (storedBytes === undefined) {
    check.report({ rule: "B1", ...shared, message: `${of} are not on the remote (${hash}).` });
    return;
  }
  // Their copies were made of these.
  for (const place of history.placesOf(hash)) {
    const name = publishedName(parts.bookId, place);
    if (name !== undefined) damage.names.add(name);
  }
  const wrong =
    storedBytes === sizeBytes
      ? "do not hash to their name on the remote"
      : `are ${storedBytes} on the remote in place of ${sizeBytes}`;
  check.report({ rule: "R2", ...shared, message: `${of} ${wrong} (${hash}).` });
}
