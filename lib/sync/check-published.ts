/**
 * Owns checking that what is published of a book is what its shared log says, name by name, but for what is yet to be
 * published. Must never change anything.
 */
import type { SharedRow } from "../../schema/shared-row.ts";
import type { FoundFile } from "../remote/remote-blobs.ts";
import { publishClaim } from "../remote/remote-claims.ts";
import { runBounded } from "../run-bounded.ts";
import { isPublishable, type Place, placeOfName, publishedName, publishedPrefix } from "./published-names.ts";
import { CHECK_CONCURRENCY, CHECK_ROWS, type RemoteCheck } from "./remote-check.ts";

const PAGE = 1000;

/** Something published that is not as the log says. */
interface Candidate {
  readonly name: string;
  readonly message: string;
}

export async function checkPublished(each: RemoteCheck): Promise<void> {
  const { parts, check, damage, headSeq } = each;
  check.begin("published files", 0);
  const { position } = await parts.log.readClaim(publishClaim(parts.bookId));
  const candidates = await findCandidates(each);
  // What rows have touched since may be under way.
  const from = Math.min(position, headSeq);
  const waiting = await namesAfter(each, from);
  for (const { name, message } of candidates) {
    if (waiting.names.has(name)) continue;
    damage.names.add(name);
    const hint = "`pfs repair --remote` publishes it again, as the log says.";
    check.report({ rule: "published", severity: "error", subject: name, message, hint });
  }
  if (position >= headSeq) return;
  check.report({
    rule: "published",
    severity: "warning",
    subject: parts.bookId,
    message: `${waiting.rows} rows of the shared log are yet to be published.`,
    hint: "The next sync does it, on whichever machine it is.",
  });
}

async function findCandidates(each: RemoteCheck): Promise<Candidate[]> {
  const { parts, check, history } = each;
  const { bookId, blobs, signal } = parts;
  const candidates: Candidate[] = [];
  for await (const page of blobs.listPublished(publishedPrefix(bookId), undefined, signal)) {
    await runBounded(page, CHECK_CONCURRENCY, async (found) => {
      check.tick();
      const message = await wrongOf(each, found);
      if (message !== undefined) candidates.push({ name: found.name, message });
    });
    for (const { name } of page) history.addPublished(name);
    await check.breathe();
  }
  for (let after: Place = { userId: "" as never, path: "" }; ; ) {
    const files = history.files(after, PAGE);
    const last = files.at(-1);
    if (last === undefined) return candidates;
    for (const file of files) {
      const name = publishedName(bookId, file);
      if (name === undefined || !isPublishable(file) || history.isPublished(name)) continue;
      candidates.push({ name, message: `${name} is in the log, but not published.` });
    }
    after = last;
  }
}

/** What is wrong with something published; undefined when nothing is. */
async function wrongOf(each: RemoteCheck, { name, sizeBytes }: FoundFile): Promise<string | undefined> {
  const { parts, history } = each;
  await parts.pace?.spend({ requests: 1 });
  const place = placeOfName(parts.bookId, name);
  const file = place === undefined ? undefined : history.file(place);
  if (file === undefined || !isPublishable(file)) return `${name} is published, but no file of the book.`;
  const other = `${name} is published with other bytes than the log says.`;
  if (file.sizeBytes !== sizeBytes) return other;
  const found = await parts.blobs.findPublished(name, parts.signal);
  if (found === undefined) return `${name} is in the log, but not published.`;
  return found.hash === file.hash ? undefined : other;
}

async function namesAfter(
  { parts }: RemoteCheck,
  from: number,
): Promise<{ readonly names: ReadonlySet<string>; readonly rows: number }> {
  const { log, bookId, pageRows = CHECK_ROWS } = parts;
  const names = new Set<string>();
  for (let at = from; ; ) {
    const rows: readonly SharedRow[] = await log.rowsAfter(bookId, at, pageRows);
    for (const { user_id: userId, path } of rows) {
      const name = publishedName(bookId, { userId, path } as Place);
      if (name !== undefined) names.add(name);
    }
    at = rows.at(-1)?.seq ?? at;
    if (rows.length < pageRows) return { names, rows: at - from };
  }
}
