/**
 * Owns the shape of the configuration file: which keys there are, what each may be, and the sentence that is said of a wrong
 * one. Must never read a file or an environment variable.
 */
import type { z } from "zod";
import type { Access } from "./access.ts";
import { PfsError } from "./errors.ts";
import { type HttpAddress, parseHttpAddress } from "./http-address.ts";
import { type AgentName, type BookId, parseAgentName, parseBookId, parseUserId, quote } from "./ids.ts";
import { type MountOptions, parseMountOptions } from "./mount-options.ts";
import { parseProfile } from "./profiles.ts";
import { parseRetention, type Retention } from "./retention.ts";
import { UNITS_MS } from "./time-units.ts";
import { lazily } from "./zod.ts";

/** What the file says; what it does not say is undefined, or none. */
export interface Config {
  /** The store's directory, absolute. */
  readonly store: string | undefined;
  /** Who answers for changes when nobody else is named. */
  readonly agent: AgentName | undefined;
  /** Where metrics and health are served. */
  readonly http: HttpAddress | undefined;
  /** How many bytes of blobs the store is to keep at the most; what remotes have goes then. Undefined: all of them. */
  readonly cacheLimitBytes: number | undefined;
  /** How often all is compared in the background, milliseconds; Infinity: never. Undefined: nothing is said. */
  readonly checkIntervalMs: number | undefined;
  /** How long rows of the log stay in the table before they may move into segments. */
  readonly retention: Retention | undefined;
  readonly books: readonly ConfiguredBook[];
  readonly mounts: readonly ConfiguredMount[];
  readonly remotes: readonly ConfiguredRemote[];
  /** Who else of this machine may mount; undefined: nobody. */
  readonly access: Access | undefined;
}

/** What holds for commands, too, where nothing else is said. */
export type ConfigDefaults = Partial<Pick<Config, "store" | "agent" | "retention">>;

/** A book that is made if it is not there. */
export interface ConfiguredBook {
  readonly bookId: BookId;
  /** Of parseProfile. */
  readonly profileJson: unknown;
}

/** Where a book is shared; it is brought from there if it is not in the store. */
export interface ConfiguredRemote {
  readonly bookId: BookId;
  /** Undefined: the environment says it, or `blobs` is a directory for both. */
  readonly log: string | undefined;
  /** Undefined: the environment says it. */
  readonly blobs: string | undefined;
}

export interface ConfiguredMount {
  readonly bookId: BookId;
  /** Absolute. */
  readonly directory: string;
  readonly options: MountOptions;
}

const OBJECT = "must be an object in braces";
const BYTES = "must be a whole number of bytes, 0 or more, without quotes";
const INTERVAL = 'must be a time such as "12h" or "7d", up to a year, or "off"';
const LIST = "must be a list in brackets";

const shapes = lazily((z) => {
  /** A value that a parser of the domain makes of what is given; what the parser says is what is said. */
  const parsed = <Given, Output>(
    given: z.ZodType<Given>,
    parse: (value: Given) => Output,
  ): z.ZodType<Output> =>
    given.transform((value, context) => {
      try {
        return parse(value);
      } catch (error) {
        if (!(error instanceof PfsError)) throw error;
        const hint = error.hint === undefined ? undefined : withoutStop(error.hint);
        const message = `is not valid: ${[withoutStop(error.message), hint].filter(Boolean).join(". ")}`;
        context.addIssue({ code: "custom", message, params: { hint } });
        return z.NEVER;
      }
    }) as unknown as z.ZodType<Output>;
  const text = z.string("must be text in quotes");
  const directory = text.refine((path) => path.startsWith("/") && !path.includes("\0"), {
    error: ({ input }) => `must be an absolute path, not ${quote(String(input))}`,
  });
  const book = parsed(text, parseBookId);
  const schema = parsed(z.unknown(), (given) => {
    parseProfile(given);
    return given;
  });
  const bytes = z.number(BYTES).int(BYTES).nonnegative(BYTES).max(Number.MAX_SAFE_INTEGER, BYTES);
  const interval = text
    .refine((given) => parseInterval(given) !== undefined, {
      error: ({ input }) => `${INTERVAL}, not ${quote(String(input))}`,
    })
    .transform((given) => parseInterval(given) as number);
  const someOf = <Value>(value: z.ZodType<Value>) => z.array(value, LIST).min(1, "must name one at least");
  const rule = z.strictObject(
    {
      unix_user: text.min(1, "must be a login name"),
      books: someOf(book).optional(),
      users: someOf(parsed(text, parseUserId)),
      agents: someOf(parsed(text, parseAgentName)),
    },
    OBJECT,
  );
  const options = parsed(text, parseMountOptions).default(parseMountOptions(""));
  /** What commands need, too. */
  const defaults = z.object(
    {
      store: directory.optional(),
      agent: parsed(text, parseAgentName).optional(),
      retention: parsed(text, parseRetention).optional(),
    },
    OBJECT,
  );
  // What is wrong with it otherwise is said by whoever opens it. Never quoted, for what may be in it.
  const url = text.refine((given) => URL.parse(given)?.password === "", {
    error: ({ input }) =>
      `${URL.parse(String(input)) === null ? "is no URL" : "holds a password"}: it must be a URL without a password, which comes from DATABASE_URL or PGPASSWORD`,
  });
  const whole = z.strictObject(
    {
      ...defaults.shape,
      http: parsed(text, parseHttpAddress).optional(),
      cache_limit: bytes.optional(),
      check_interval: interval.optional(),
      books: z.array(z.strictObject({ book, schema }, OBJECT), LIST).default([]),
      mounts: z.array(z.strictObject({ book, directory, options }, OBJECT), LIST).default([]),
      remotes: z
        .array(z.strictObject({ book, log: url.optional(), blobs: url.optional() }, OBJECT), LIST)
        .default([]),
      access: z.strictObject({ socket: directory, rules: z.array(rule, LIST) }, OBJECT).optional(),
    },
    OBJECT,
  );
  return { defaults, whole };
});

const LONGEST_INTERVAL_MS = 366 * 86_400_000;

/** By the object that they are in. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": [
    ...["store", "agent", "http", "cache_limit", "check_interval", "retention"],
    ...["books", "mounts", "remotes", "access"],
  ],
  books: ["book", "schema"],
  mounts: ["book", "directory", "options"],
  remotes: ["book", "log", "blobs"],
  access: ["socket", "rules"],
  "access.rules": ["unix_user", "books", "users", "agents"],
};

/** Those of the object, with those that are in theirs. */
function knownKeys(): string {
  const names = KEYS[""] as readonly string[];
  return listed(names.map((name) => (name in KEYS ? `${name} (${KEYS[name]?.join(", ")})` : name)));
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/**
 * @param source the file, for the message
 * @throws PfsError USAGE naming the key, what it is and what it should be
 */
export function parseConfig(json: string, source: string): Config {
  const {
    store,
    agent,
    http,
    cache_limit: cacheLimitBytes,
    check_interval: checkIntervalMs,
    retention,
    books,
    mounts,
    remotes,
    access,
  } = check(shapes().whole, json, source);
  const twice = firstTwice(mounts.map(({ directory }) => directory.replace(/\/+$/, "")));
  if (twice !== undefined) throw refused(source, `mounts two books on ${quote(twice)}, which can show one`);
  const madeTwice = firstTwice(books.map(({ book }) => book));
  if (madeTwice !== undefined) throw refused(source, `names the book ${madeTwice} twice: once is enough`);
  const sharedTwice = firstTwice(remotes.map(({ book }) => book));
  if (sharedTwice !== undefined)
    throw refused(source, `shares the book ${sharedTwice} twice: it has one remote`);
  return {
    store,
    agent,
    http,
    cacheLimitBytes,
    checkIntervalMs,
    retention,
    books: books.map(({ book, schema: profileJson }) => ({ bookId: book, profileJson })),
    mounts: mounts.map(({ book, directory, options }) => ({ bookId: book, directory, options })),
    remotes: remotes.map(({ book, log, blobs }) => ({ bookId: book, log, blobs })),
    access: access && {
      socket: access.socket,
      rules: access.rules.map(({ unix_user: unixUser, books: bookIds, users: userIds, agents }) => {
        return { unixUser, bookIds, userIds, agents };
      }),
    },
  };
}

/** The keys that commands need; all others may be as they like. @throws as {@link parseConfig} */
export function parseConfigDefaults(json: string, source: string): ConfigDefaults {
  return check(shapes().defaults, json, source);
}

function check<Shape extends z.ZodType>(expected: Shape, json: string, source: string): z.output<Shape> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    // The engine quotes what it has met, which may be what nobody else is to read.
    const where = (cause as Error).message.replace(/, (\.\.\.)?".*$/s, "");
    throw refused(source, `it is not JSON: ${where}`);
  }
  const result = expected.safeParse(value);
  if (!result.success) throw refused(source, describe(result.error.issues[0] as z.core.$ZodIssue, value));
  return result.data;
}

function describe(issue: z.core.$ZodIssue, value: unknown): string {
  const key = issue.path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("");
  if (issue.code === "unrecognized_keys") {
    const unknown = issue.keys.map((name) => quote(name)).join(", ");
    const known = KEYS[issue.path.filter((part) => typeof part === "string").join(".")];
    return `${key === "" ? "" : `${key.slice(1)}: `}the key ${unknown} is not known: known are ${listed(known ?? [])}`;
  }
  const found = issue.path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown>)[part], value);
  return `${key === "" ? "the file" : key.replace(/^\./, "")} ${whatIsWrong(issue, found)}`;
}

/** What it is and what it should be. */
function whatIsWrong(issue: z.core.$ZodIssue, found: unknown): string {
  const { message } = issue;
  const hint = issue.code === "custom" ? issue.params?.hint : undefined;
  if (found === undefined) return `is missing: ${hint ?? `it ${message}`}`;
  return /^must (?!.*, not )/.test(message) ? `${message}, not ${kindOf(found)}` : message;
}

/** A text is not repeated: it may be one that nobody else is to read, in the wrong place. */
function kindOf(value: unknown): string {
  if (typeof value === "string") return value === "" ? "an empty text" : "a text";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, "");
}

/** In milliseconds; undefined where it is none. */
function parseInterval(text: string): number | undefined {
  if (text === "off") return Number.POSITIVE_INFINITY;
  const [, count = "", unit = ""] = /^([0-9]{1,9})([smhdw])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS_MS[unit] ?? 0);
  return ms > 0 && ms <= LONGEST_INTERVAL_MS ? ms : undefined;
}

function firstTwice(values: readonly string[]): string | undefined {
  return values.find((value, index) => values.indexOf(value) !== index);
}

function refused(source: string, what: string, cause?: unknown): PfsError {
  return new PfsError("USAGE", `The configuration ${source}: ${what}.`, {
    hint: `Known keys are ${knownKeys()}.`,
    cause,
  });
}
