/** Owns what is asked for when an archive is asked for, and what that is called. Must never make one. */
import type { ArchiveScope } from "../../schema/archive-scope.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BookId, UserId } from "../../schema/ids.ts";
import { parseResumeToken } from "../../schema/resume-token.ts";
import { resolveReference } from "../past/position.ts";
import type { StoreReader } from "../reader.ts";
import { ArchiveView, type Survey } from "./archive-view.ts";
import type { ArchiveOptions } from "./book-archive.ts";

export interface ArchiveRequest {
  readonly bookId: BookId;
  /** Default `all`. */
  readonly scope?: ArchiveScope | undefined;
  readonly userId?: UserId | undefined;
  /** Of a past state, as parseReference takes it. */
  readonly reference?: string | undefined;
  /** The rest of what this token is of; then nothing else can be asked for. */
  readonly resume?: string | undefined;
}

export interface AskedArchive extends Required<Pick<ArchiveOptions, "after" | "part">> {
  readonly view: ArchiveView;
  /** Of what is still to be archived. */
  readonly survey: Survey;
  /** Says which view of which state it is, so that two of one day have two names. */
  readonly fileName: string;
}

const HASH_DIGITS = 12;

/**
 * @throws PfsError NOT_FOUND: no such book or state, or nothing to archive; USAGE; CONFLICT: what a token is of is no more
 */
export function findArchive(reader: StoreReader, request: ArchiveRequest): AskedArchive {
  const { view, after, part } =
    request.resume === undefined ? begin(reader, request) : goOn(reader, request, request.resume);
  const survey = view.survey(after);
  const { bookId, scope, userId } = view;
  if (survey.files === 0) {
    const where = scope === "all" ? "" : scope === "assets" ? " below static/" : " beside static/";
    throw new PfsError("NOT_FOUND", `There is nothing to archive: ${bookId} has no file${where}.`, {
      hint: `\`pfs ls ${bookId}\` lists what it has.`,
    });
  }
  const parts = [
    bookId,
    survey.manifestHash.slice(0, HASH_DIGITS),
    userId,
    scope === "all" ? undefined : scope,
    part === 1 ? undefined : `part${part}`,
  ];
  const fileName = `${parts.filter((each) => each !== undefined).join("-")}.zip`;
  return { view, after, part, survey, fileName };
}

type Begun = Pick<AskedArchive, "view" | "after" | "part">;

function begin(reader: StoreReader, { bookId, scope = "all", userId, reference }: ArchiveRequest): Begun {
  reader.book(bookId);
  const seq = reference === undefined ? undefined : resolveReference(reader.database, bookId, reference);
  return { view: ArchiveView.open(reader, { bookId, userId, seq, scope }), after: "", part: 1 };
}

function goOn(reader: StoreReader, request: ArchiveRequest, token: string): Begun {
  const { bookId, scope, userId, reference } = request;
  const point = parseResumeToken(token);
  if (scope !== undefined || userId !== undefined || reference !== undefined)
    throw new PfsError("USAGE", "A token says itself which scope, user and state it is of.", {
      hint: "Give --resume alone.",
    });
  if (point.bookId !== bookId)
    throw new PfsError("USAGE", `The token is of the book ${point.bookId}, not of ${bookId}.`);
  return { view: ArchiveView.resume(reader, point), after: point.after, part: point.part };
}
