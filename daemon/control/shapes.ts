/** Owns the shapes of what clients send to the control socket. */
import { conflictChoices } from "../../lib/conflict-table.ts";
import { archiveScopes } from "../../schema/archive-scope.ts";
import { parseAgentName, parseBlobHash, parseBookId, parseSeq, parseUserId } from "../../schema/ids.ts";
import { logOperations } from "../../schema/log-row.ts";
import { PathGlob } from "../../schema/path-glob.ts";
import { parseTreePath } from "../../schema/paths.ts";
import { lazily, type Zod } from "../../schema/zod.ts";

/** Text that a parser of the domain takes; its refusal becomes the issue. */
function parsed<Value>(z: Zod, parse: (text: string) => Value) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message.replace(/\.$/, "") });
      return z.NEVER;
    }
  });
}

const absolute = lazily((z) => z.string().regex(/^\/[^\0]*$/, "is no absolute path"));
const count = lazily((z) => z.coerce.number().int().nonnegative());

export const bookId = lazily((z) => parsed(z, parseBookId));
export const agentName = lazily((z) => parsed(z, parseAgentName));
export const userId = lazily((z) => parsed(z, parseUserId));

/** A built-in profile's name, or a profile as JSON. */
export const schemaJson = lazily((z) => z.union([z.string(), z.record(z.string(), z.unknown())]));

export const bookBody = lazily((z) =>
  z.strictObject({ book: bookId(), schema: schemaJson().default("strict") }),
);

export const actorShape = lazily((z) =>
  z.strictObject({
    agent: agentName(),
    uid: z.number().int(),
    gid: z.number().int(),
    pid: z.number().int(),
    command: z.string().max(255),
  }),
);

export const importBody = lazily((z) =>
  z.strictObject({
    directory: absolute(),
    into: z.string().optional(),
    schema: schemaJson().optional(),
    /** Who answers for it; without one the daemon's own user does. */
    actor: actorShape().optional(),
  }),
);

export const mountBody = lazily((z) =>
  z.strictObject({
    book: bookId(),
    directory: absolute(),
    /** Who answers for changes, if the options do not say it; else the daemon's own user does. */
    agent: agentName().optional(),
    /** As after `-o`. */
    options: z.string().default(""),
    /** Where the mount helper listens, which mounts for the daemon on an automounter's directory. */
    mounter: absolute().optional(),
  }),
);

export const unmountQuery = lazily((z) =>
  z.strictObject({
    directory: absolute(),
    lazy: z.enum(["0", "1"]).default("0"),
  }),
);

export const deleteQuery = lazily((z) => z.strictObject({ path: z.string(), agent: agentName().optional() }));

/** A hash, or that there is to be no file. */
const expectation = lazily((z) =>
  z.union([z.literal("absent").transform(() => null), parsed(z, parseBlobHash)]),
);

export const writeQuery = lazily((z) =>
  z.strictObject({
    path: z.string(),
    expect: expectation().optional(),
    user: userId().optional(),
    executable: z.enum(["0", "1"]).default("0"),
    /** Who answers for it; what is not said is the daemon's own. */
    agent: agentName().optional(),
    uid: count().optional(),
    gid: count().optional(),
    pid: count().optional(),
    command: z.string().max(255).optional(),
  }),
);

export const logQuery = lazily((z) =>
  z.strictObject({
    book: bookId().optional(),
    path: z.string().optional(),
    below: z.string().optional(),
    glob: parsed(z, (text) => new PathGlob(text).text).optional(),
    user: userId().optional(),
    follow: z.enum(["0", "1"]).default("0"),
    agent: z.string().optional(),
    operation: z.enum(logOperations).optional(),
    status: z.enum(["ok", "refused"]).optional(),
    since: z.iso.datetime().optional(),
    until: z.iso.datetime().optional(),
    limit: count().default(100),
  }),
);

export const conflictId = lazily((z) => z.coerce.number("is no number").int().positive());
export const conflictsQuery = lazily((z) => z.strictObject({ book: bookId().optional() }));
export const resolveBody = lazily((z) =>
  z.strictObject({
    choice: z.enum(conflictChoices),
    /** Who answers for it; without one the daemon's own user does. */
    actor: actorShape().optional(),
  }),
);

export const restoreBody = lazily((z) =>
  z.strictObject({
    reference: z.string(),
    paths: z.array(z.string()).min(1),
    /** Who answers for it; without one the daemon's own user does. */
    actor: actorShape().optional(),
  }),
);

export const manifestBody = lazily((z) =>
  z.union([
    z.strictObject({ manifest_hash: parsed(z, parseBlobHash), position: z.number().transform(parseSeq) }),
    z.strictObject({}),
  ]),
);

export const overlayBody = lazily((z) =>
  z.strictObject({
    /** Files and directories; [""] is all of it. */
    paths: z.array(z.string()).min(1),
    /** Who answers for it; without one the daemon's own user does. */
    actor: actorShape().optional(),
  }),
);

export const renamesBody = lazily((z) =>
  z.strictObject({
    renames: z.array(z.strictObject({ path: parsed(z, parseTreePath), to: parsed(z, parseTreePath) })).min(1),
    /** Who answers for it; without one the daemon's own user does. */
    actor: actorShape().optional(),
  }),
);

export const archiveQuery = lazily((z) =>
  z.strictObject({
    scope: z.enum(archiveScopes).optional(),
    user: userId().optional(),
    at: z.string().optional(),
    /** Seconds. */
    timeout: z.coerce.number().nonnegative().optional(),
    resume: z.string().optional(),
  }),
);

const remoteFields = lazily((z) => ({ log: z.string(), blobs: z.string() }));
/** As they may be kept: without a password. */
export const remoteBody = lazily((z) => z.strictObject(remoteFields()));
export const cloneBody = lazily((z) => z.strictObject({ book: bookId(), ...remoteFields() }));
export const syncBody = lazily((z) => z.strictObject({ kind: z.enum(["push", "pull"]) }));

export const fetchBody = lazily((z) =>
  z.strictObject({ hashes: z.array(parsed(z, parseBlobHash)).max(100_000) }),
);

export const prefetchBody = lazily((z) => z.strictObject({ history: z.boolean().default(false) }));

export const settleBody = lazily((z) => z.strictObject({ book: bookId().optional() }));
export const stopBody = lazily((z) => z.strictObject({ lazy: z.boolean().default(false) }));
export const verifyOutcomeBody = lazily((z) =>
  z.strictObject({
    errors: z.number().int().nonnegative(),
    warnings: z.number().int().nonnegative(),
    chain_broken: z.boolean(),
  }),
);
/** Whose remote; without one the store itself. */
export const checkBody = lazily((z) => z.strictObject({ book: bookId().optional() }));
export const garbageBody = lazily((z) => z.strictObject({ dry_run: z.boolean().default(false) }));
export const retentionBody = lazily((z) =>
  z.union([
    z.strictObject({ before: z.iso.datetime({ precision: 3 }) }),
    z.strictObject({ recall: z.literal(true) }),
  ]),
);
export const verifyBody = lazily((z) => z.strictObject({ rehash: z.boolean().default(true) }));
