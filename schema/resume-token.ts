/**
 * Owns the text by which an archive that was broken off is gone on with: it says all that is needed for that, so that nobody
 * has to remember anything. Must never read a book.
 */
import { type ArchiveScope, archiveScopes } from "./archive-scope.ts";
import { PfsError } from "./errors.ts";
import { type BookId, parseBookId, parseSeq, parseUserId, type Seq, type UserId } from "./ids.ts";
import { parseTreePath } from "./paths.ts";

export interface ResumePoint {
  readonly bookId: BookId;
  /** Whose view it is; undefined: the base. */
  readonly userId: UserId | undefined;
  readonly scope: ArchiveScope;
  /** The position of the log that is archived. */
  readonly seq: Seq;
  /** What the user sees otherwise than the base has it, as a digest; "" for the base. */
  readonly changes: string;
  /** The last path that is in an earlier part. */
  readonly after: string;
  /** Of the part that comes next: 2 and up. */
  readonly part: number;
}

/** Of the form of the text, not of the software. */
const VERSION = 1;
type Fields = [
  version: number,
  book: string,
  user: string,
  scope: string,
  seq: number,
  changes: string,
  after: string,
  part: number,
];

export function formatResumeToken(point: ResumePoint): string {
  const { bookId, userId = "", scope, seq, changes, after, part } = point;
  const fields: Fields = [VERSION, bookId, userId, scope, seq, changes, after, part];
  return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

/** @throws PfsError USAGE */
export function parseResumeToken(token: string): ResumePoint {
  try {
    const [version, book, user, scope, seq, changes, after, part] = JSON.parse(
      Buffer.from(token, "base64url").toString("utf8"),
    ) as Fields;
    if (version !== VERSION || !isScope(scope)) throw new Error("it is of another version");
    if (!/^[0-9a-f]*$/.test(changes) || !Number.isSafeInteger(part) || part < 2)
      throw new Error("it is not whole");
    return {
      bookId: parseBookId(book),
      userId: user === "" ? undefined : parseUserId(user),
      scope,
      seq: parseSeq(seq),
      changes,
      after: parseTreePath(after),
      part,
    };
  } catch (cause) {
    throw new PfsError("USAGE", "This is no token of an archive that can be gone on with.", {
      hint: "Give it as it was printed, or as PARTIAL.json in the archive has it.",
      cause,
    });
  }
}

function isScope(text: string): text is ArchiveScope {
  return (archiveScopes as readonly string[]).includes(text);
}
