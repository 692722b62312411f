/**
 * Owns the parsing of what the database of a shared log answers: nothing of it is believed before. Must never ask.
 */
import type { z } from "zod";
import { PfsError } from "../../schema/errors.ts";
import {
  type AgentName,
  type BlobHash,
  type BookId,
  type FileId,
  parseAgentName,
  parseBlobHash,
  parseBookId,
  parseFileId,
  parseLayerOwner,
  type UserId,
} from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import { parseSharedRow } from "../../schema/shared-row.ts";
import { lazily, type Zod } from "../../schema/zod.ts";
import type { Answers } from "./plan-append.ts";
import type { ClaimState } from "./remote-claims.ts";
import type { HiddenFile, SharedBook, SharedHead } from "./remote-log.ts";

/** Text or a number that a parser makes a domain's word of. */
function branded<Input extends string | number, Word>(
  { NEVER }: Zod,
  shape: z.ZodType<Input>,
  parse: (value: Input) => Word,
): z.ZodType<Word> {
  return shape.transform((value, context) => {
    try {
      return parse(value);
    } catch {
      context.addIssue({ code: "custom" });
      return NEVER;
    }
  });
}

const shapes = lazily((z) => {
  const bookId = branded<string, BookId>(z, z.string(), parseBookId);
  const userId = branded<string, UserId>(z, z.string(), parseLayerOwner);
  const path = branded<string, string>(z, z.string(), parseTreePath);
  const hash = branded<string, BlobHash>(z, z.string(), parseBlobHash);
  const fileId = branded<number, FileId>(z, z.number(), parseFileId);
  const agent = branded<string, AgentName>(z, z.string(), parseAgentName);
  const count = z.number().int().nonnegative();

  const headFields = { seq: count, entry_hash: hash };
  const headShape = z.object(headFields);
  const namedHeadShape = z.object({ book_id: bookId, seq: count });
  const bookShape = z.object({
    book_id: bookId,
    profile: z.unknown(),
    file_size_limit: z.number().int().positive(),
    // A book's root has a number of its own like any file of it.
    root_id: fileId,
    ...headFields,
  });
  const fileShape = z.object({
    path,
    user_id: userId,
    sha256: hash,
    size: count,
    mode: z.literal([0o100644, 0o100755, 0o120000]),
    mtime: z.string().regex(/^-?[0-9]{1,19}$/),
    file_id: fileId,
    seq: z.number().int().positive(),
    agent_id: agent,
    base_hash: hash.nullable(),
  });
  const hiddenShape = z.object({ user_id: userId, file_id: fileId, path });
  const claimShape = z.object({ position: count, is_held: z.boolean() });
  const answersShape = z.object({
    rows: z.array(z.unknown()),
    files: z.array(z.object({ user_id: userId, path, sha256: hash })),
    below: z.array(z.object({ user_id: userId, path, count })),
    hidden: z.array(hiddenShape),
    touched: z.array(
      z.object({ user_id: userId, path, file_id: fileId.nullable(), origin: z.string(), origin_seq: count }),
    ),
  });
  return {
    headShape,
    namedHeadShape,
    bookShape,
    fileShape,
    hiddenShape,
    claimShape,
    answersShape,
    never: z.never(),
  };
});

function parse<Output>(shape: z.ZodType<Output>, value: unknown, what: string): Output {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues[0]?.path.join(".");
  throw new PfsError("STORE_DAMAGED", `The remote log answered with no ${what}: ${wrong || "it"} is wrong.`, {
    hint: "Nothing was taken from it. Restore the remote from a backup, or share the book on another one.",
  });
}

/** @throws PfsError STORE_DAMAGED, as all of these */
export function parseHead(value: unknown): SharedHead {
  const { seq, entry_hash } = parse(shapes().headShape, value, "head of a log");
  return { seq, entryHash: entry_hash };
}

export function parseNamedHead(value: unknown): { readonly bookId: BookId; readonly seq: number } {
  const { book_id, seq } = parse(shapes().namedHeadShape, value, "head of a log");
  return { bookId: book_id, seq };
}

export function parseBook(value: unknown): { readonly book: SharedBook; readonly head: SharedHead } {
  const row = parse(shapes().bookShape, value, "book");
  return {
    book: {
      bookId: row.book_id,
      profile: row.profile,
      fileSizeLimitBytes: row.file_size_limit,
      rootId: row.root_id,
    },
    head: { seq: row.seq, entryHash: row.entry_hash },
  };
}

export function parseFile(value: unknown): SharedFile {
  const row = parse(shapes().fileShape, value, "file of a book");
  return {
    path: row.path,
    userId: row.user_id,
    hash: row.sha256,
    sizeBytes: row.size,
    mode: row.mode,
    mtime: row.mtime,
    fileId: row.file_id,
    seq: row.seq,
    agent: row.agent_id,
    baseHash: row.base_hash,
  };
}

export function parseHidden(value: unknown): HiddenFile {
  const row = parse(shapes().hiddenShape, value, "hidden file");
  return { userId: row.user_id, fileId: row.file_id, path: row.path };
}

export function parseClaim(value: unknown): ClaimState {
  const { position, is_held } = parse(shapes().claimShape, value, "claim");
  return { position, isHeld: is_held };
}

/** Answers to the questions of plan-append.ts, but for the head. */
export function parseAnswers(value: unknown): Omit<Answers, "head"> {
  const { rows, ...others } = parse(shapes().answersShape, value, "answer");
  const sharedRows = rows.map((row) => {
    const parsed = parseSharedRow(row);
    if ("wrong" in parsed) parse(shapes().never, row, "row");
    return parsed as Exclude<typeof parsed, { wrong: string }>;
  });
  return { rows: sharedRows, ...others };
}
