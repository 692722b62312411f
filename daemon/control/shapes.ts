/** Owns the shapes of what clients send to the control socket. */
import { z } from "zod";
import { parseAgentName, parseBookId } from "../../schema/ids.ts";

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

export const logQuery = z.strictObject({
  book: bookId.optional(),
  path: z.string().optional(),
  below: z.string().optional(),
  follow: z.enum(["0", "1"]).default("0"),
  agent: z.string().optional(),
  operation: z.enum(["create", "update", "delete", "rename", "attributes"]).optional(),
  status: z.enum(["ok", "refused"]).optional(),
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
  limit: count.default(100),
});

export const settleBody = z.strictObject({ book: bookId.optional() });
export const stopBody = z.strictObject({ lazy: z.boolean().default(false) });
export const verifyBody = z.strictObject({ rehash: z.boolean().default(true) });
