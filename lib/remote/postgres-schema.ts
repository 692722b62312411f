/**
 * Owns the tables of a remote in PostgreSQL: numbered SQL files, applied once, by whoever comes first of several machines.
 * Must never touch what it does not know.
 */
import type { z } from "zod";
import { PfsError } from "../../schema/errors.ts";
import { lazily } from "../../schema/zod.ts";
import { readMigrations } from "../migrations.ts";
import type { PostgresDatabase, Transaction } from "./postgres-database.ts";
import { isMissing } from "./postgres-errors.ts";
import { RemoteError } from "./remote-error.ts";
import type { LogProbe } from "./remote-probe.ts";

const directory = new URL("../../schema/migrations/postgresql/", import.meta.url);

/** Of the lock that migrations are made under: "pfs1" and "migr" as numbers. */
const MIGRATION_LOCK = "1885762353, 1835624306";
/** The oldest that has all that the tables use, and the oldest that these are tried with. */
const OLDEST_SERVER = 130_000;

const remoteShape = lazily((z) =>
  z.object({
    remote_id: z.string().regex(/^[0-9a-f]{32}$/),
    schema_version: z.number().int().positive(),
  }),
);
type Remote = z.infer<ReturnType<typeof remoteShape>>;

const SELECT = "SELECT remote_id, schema_version FROM pfs.pfs_remote";

const surroundingsShape = lazily((z) =>
  z.object({
    version: z.number(),
    encoding: z.string(),
    has_schema: z.boolean(),
    has_remote: z.boolean(),
    relations: z.number(),
  }),
);

/**
 * Makes sure that the tables are there and of the newest version that this program knows.
 * @param isNew makes them where there are none: otherwise that is a database that has lost them
 * @returns what the remote calls itself
 * @throws PfsError UNSUPPORTED_VERSION: they are of a newer one; STORE_DAMAGED: something else is there; RemoteError
 */
export async function prepareSchema(database: PostgresDatabase, isNew: boolean): Promise<string> {
  const migrations = readMigrations(directory);
  const newest = migrations.at(-1)?.version ?? 0;
  const present = await findRemote(database);
  if (present !== undefined) refuseNewer(database, present, newest);
  else if (!isNew) throw missing(database);
  if (present?.schema_version === newest) return present.remote_id;
  return await database.transaction(
    `SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`,
    async (transaction) => {
      // Somebody else may have done it while we waited.
      const before = await findSchema(database, transaction);
      if (before !== undefined) refuseNewer(database, before, newest);
      for (const { version, sql } of migrations)
        if (version > (before?.schema_version ?? 0)) await transaction.query(sql);
      await transaction.query(
        `INSERT INTO pfs.pfs_remote (schema_version) VALUES ($1)
       ON CONFLICT (one) DO UPDATE SET schema_version = excluded.schema_version`,
        [newest],
      );
      return parseRemote(database, await transaction.query(SELECT)).remote_id;
    },
  );
}

/** What is there, as it is. @throws as {@link prepareSchema} of one that is not new */
export async function inspectSchema(
  database: PostgresDatabase,
): Promise<Pick<LogProbe, "remoteId" | "schemaVersion" | "newestVersion">> {
  const newestVersion = readMigrations(directory).at(-1)?.version ?? 0;
  const present = await findRemote(database);
  if (present === undefined) throw missing(database);
  refuseNewer(database, present, newestVersion);
  return { remoteId: present.remote_id, schemaVersion: present.schema_version, newestVersion };
}

async function findRemote(database: PostgresDatabase): Promise<Remote | undefined> {
  try {
    return parseRemote(database, await database.query(SELECT));
  } catch (error) {
    if (error instanceof Error && isMissing(error.cause)) return undefined;
    throw error;
  }
}

/** The same within the migration; makes the schema where there is none. */
async function findSchema(database: PostgresDatabase, transaction: Transaction): Promise<Remote | undefined> {
  const [row] = await transaction.query(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
       to_regnamespace('pfs') IS NOT NULL AS has_schema, to_regclass('pfs.pfs_remote') IS NOT NULL AS has_remote,
       (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('pfs')) AS relations`,
  );
  const { version, encoding, has_schema, has_remote, relations } = surroundingsShape().parse(row);
  if (version < OLDEST_SERVER)
    throw new PfsError("UNSUPPORTED_VERSION", `${database.name} is older than PostgreSQL 13.`, {
      hint: "Nothing was changed there. Upgrade it, or name another one.",
    });
  if (encoding !== "UTF8")
    throw new PfsError(
      "STORE_DAMAGED",
      `${database.name} has the encoding ${encoding}, which not every path has a form in.`,
      {
        hint: "Nothing was changed there. Make a database with createdb -E UTF8 -T template0.",
      },
    );
  if (has_remote) return parseRemote(database, await transaction.query(SELECT));
  if (relations > 0)
    throw new PfsError("STORE_DAMAGED", `${database.name} has a schema pfs that is not of this program.`, {
      hint: "It was left as it is. Name another database.",
    });
  if (!has_schema) await transaction.query("CREATE SCHEMA pfs");
  return undefined;
}

function parseRemote(database: PostgresDatabase, rows: readonly unknown[]): Remote {
  const parsed = remoteShape().safeParse(rows[0]);
  if (parsed.success) return parsed.data;
  throw new PfsError(
    "STORE_DAMAGED",
    `${database.name} does not say what it is: pfs.pfs_remote is damaged.`,
    {
      hint: "It was left as it is. Restore it from a backup, or name another database.",
    },
  );
}

function missing(database: PostgresDatabase): RemoteError {
  return new RemoteError("UNAVAILABLE", `${database.name} has no remote of pfs.`, {
    hint: "`pfs remote add` makes one. If there was one, the URL names another database than before.",
    isRetryable: false,
  });
}

function refuseNewer(database: PostgresDatabase, { schema_version }: Remote, newest: number): void {
  if (schema_version <= newest) return;
  throw new PfsError(
    "UNSUPPORTED_VERSION",
    `${database.name} has schema version ${schema_version}; this pfs knows up to ${newest}.`,
    { hint: "Upgrade pfs. The database was left as it is." },
  );
}
