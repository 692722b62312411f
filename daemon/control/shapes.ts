/** Owns the shapes of what clients send to the control socket. */
import { z } from "zod";
import { conflictChoices } from "../../lib/conflict-table.ts";
import { archiveScopes } from "../../schema/archive-scope.ts";
import { parseAgentName, parseBlobHash, parseBookId, parseSeq, parseUserId } from "../../schema/ids.ts";
import { logOperations } from "../../schema/log-row.ts";
import { PathGlob } from "../../schema/path-glob.ts";
import { parseTreePath } from "../../schema/paths.ts";

/** Text that a parser of the domain takes; its refusal becomes the issue. */
function parsed<Value>(parse: (text: string) => Value) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message.replace(/\.$/, "") });
      return z.NEVER;
    }
  });
}

const absolute = z.string().regex(/^\/[^\0]*$/, "is no absolute path");
const count = z.coerce.number().int().nonnegative();

export const bookId = parsed(parseBookId);
export const agentName = parsed(parseAgentName);
export const userId = parsed(parseUserId);

/** A built-in profile's name, or a profile as JSON. */
export const schemaJson = z.union([z.string(), z.record(z.string(), z.unknown())]);

export const bookBody = z.strictObject({ book: bookId, schema: schemaJson.default("strict") });

export const actorShape = z.strictObject({
  agent: agentName,
  uid: z.number().int(),
  gid: z.number().int(),
  pid: z.number().int(),
  command: z.string().max(255),
});

export const importBody = z.strictObject({
  directory: absolute,
  into: z.string().optional(),
  schema: schemaJson.optional(),
  /** Who answers for it; without one the daemon's own user does. */
  actor: actorShape.optional(),
});

export const mountBody = z.strictObject({
  book: bookId,
  directory: absolute,
  /** Who answers for changes, if the options do not say it; else the daemon's own user does. */
  agent: agentName.optional(),
  /** As after `-o`. */
  options: z.string().default(""),
});

export const unmountQuery = z.strictObject({
  directory: absolute,
  lazy: z.enum(["0", "1"]).default("0"),
});

export const deleteQuery = z.strictObject({ path: z.string(), agent: agentName.optional() });

/** A hash, or that there is to be no file. */
const expectation = z.union([z.literal("absent").transform(() => null), parsed(parseBlobHash)]);

export const writeQuery = z.strictObject({
  path: z.string(),
  expect: expectation.optional(),
  user: userId.optional(),
  executable: z.enum(["0", "1"]).default("0"),
  /** Who answers for it; what is not said is the daemon's own. */
  agent: agentName.optional(),
  uid: count.optional(),
  gid: count.optional(),
  pid: count.optional(),
  command: z.string().max(255).optional(),
});

export const logQuery = z.strictObject({
  book: bookId.optional(),
  path: z.string().optional(),
  below: z.string().optional(),
  glob: parsed((text) => new PathGlob(text).text).optional(),
  user: userId.optional(),
  follow: z.enum(["0", "1"]).default("0"),
  agent: z.string().optional(),
  operation: z.enum(logOperations).optional(),
  status: z.enum(["ok", "refused"]).optional(),
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
  limit: count.default(100),
});

export const conflictId = z.coerce.number("is no number").int().positive();
export const conflictsQuery = z.strictObject({ book: bookId.optional() });
export const resolveBody = z.strictObject({
  choice: z.enum(conflictChoices),
  /** Who answers for it; without one the daemon's own user does. */
  actor: actorShape.optional(),
});

export const restoreBody = z.strictObject({
  reference: z.string(),
  paths: z.array(z.string()).min(1),
  /** Who answers for it; without one the daemon's own user does. */
  actor: actorShape.optional(),
});

export const manifestBody = z.union([
  z.strictObject({ manifest_hash: parsed(parseBlobHash), position: z.number().transform(parseSeq) }),
  z.strictObject({}),
]);

export const overlayBody = z.strictObject({
  /** Files and directories; [""] is all of it. */
  paths: z.array(z.string()).min(1),
  /** Who answers for it; without one the daemon's own user does. */
  actor: actorShape.optional(),
});

export const renamesBody = z.strictObject({
  renames: z.array(z.strictObject({ path: parsed(parseTreePath), to: parsed(parseTreePath) })).min(1),
  /** Who answers for it; without one the daemon's own user does. */
  actor: actorShape.optional(),
});

export const archiveQuery = z.strictObject({
  scope: z.enum(archiveScopes).optional(),
  user: userId.optional(),
  at: z.string().optional(),
  /** Seconds. */
  timeout: z.coerce.number().nonnegative().optional(),
  resume: z.string().optional(),
});

const remoteFields = { log: z.string(), blobs: z.string() };
/** As they may be kept: without a password. */
export const remoteBody = z.strictObject(remoteFields);
export const cloneBody = z.strictObject({ book: bookId, ...remoteFields });
export const syncBody = z.strictObject({ kind: z.enum(["push", "pull"]) });

export const fetchBody = z.strictObject({ hashes: z.array(parsed(parseBlobHash)).max(100_000) });

export const prefetchBody = z.strictObject({ history: z.boolean().default(false) });

export const settleBody = z.strictObject({ book: bookId.optional() });
export const stopBody = z.strictObject({ lazy: z.boolean().default(false) });
export const verifyOutcomeBody = z.strictObject({
  errors: z.number().int().nonnegative(),
  warnings: z.number().int().nonnegative(),
  chain_broken: z.boolean(),
});
/** Whose remote; without one the store itself. */
export const checkBody = z.strictObject({ book: bookId.optional() });
export const garbageBody = z.strictObject({ dry_run: z.boolean().default(false) });
export const retentionBody = z.union([
  z.strictObject({ before: z.iso.datetime({ precision: 3 }) }),
  z.strictObject({ recall: z.literal(true) }),
]);
export const verifyBody = z.strictObject({ rehash: z.boolean().default(true) });
