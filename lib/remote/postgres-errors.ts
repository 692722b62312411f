/**
 * Owns what a failure of PostgreSQL, or of the way to it, means to us: the code, one sentence that names server and database,
 * and whether trying again can help. Must never tell a password.
 */
import { DatabaseError } from "pg";
import type { ErrorCode } from "../../schema/errors.ts";
import { PfsError } from "../../schema/errors.ts";
import { NonsenseError, UnknownProofError } from "./postgres-messages.ts";
import { lostConnectionCode, RemoteError } from "./remote-error.ts";

interface Meaning {
  readonly code?: ErrorCode;
  /** What follows the name of the database. */
  readonly says: string;
  readonly isRetryable: boolean;
  readonly hint?: string;
}

const STANDBY_HINT = "It may be a standby: have the URL name the server that is written to.";

const NONSENSE_HINT =
  "Nothing was taken from it. If it comes again, look at the network and at what is between here and there, as TLS keeps bytes as they are; or something else than PostgreSQL answers there.";

const PROOF_HINT =
  "Have its pg_hba.conf ask for scram-sha-256, another password or a certificate where pfs comes from.";

/** By SQLSTATE, or by its class, the first two characters. Source: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  "08": { says: "lost the connection", isRetryable: true },
  "25006": { code: "READ_ONLY", says: "takes no changes now", isRetryable: true, hint: STANDBY_HINT },
  "28000": {
    says: "lets nobody in from here like this",
    isRetryable: false,
    hint: "It may ask for TLS: sslmode=require in the URL. Its pg_hba.conf says who may come from where, and how.",
  },
  "28": {
    says: "refuses the user or the password",
    isRetryable: false,
    hint: "Check the user in the URL, and the password in DATABASE_URL, PGPASSWORD or ~/.pgpass.",
  },
  "3D000": {
    says: "does not exist",
    isRetryable: false,
    hint: "Make it with createdb, or name another one.",
  },
  "40": { says: "could not do it beside what others do there", isRetryable: true },
  "42501": {
    says: "does not permit it",
    isRetryable: false,
    hint: "Grant the user all on the schema pfs, and CREATE on the database if there is no such schema yet.",
  },
  "53100": {
    code: "FULL",
    says: "has no room left on its disk",
    isRetryable: false,
    hint: "Make room there. Nothing is lost: what is not there yet stays here.",
  },
  "53300": { says: "has too many connections", isRetryable: true },
  "53": { says: "has not what it needs to do it", isRetryable: true },
  "55P03": { says: "is busy with a change by others", isRetryable: true },
  "57014": { says: "took too long", isRetryable: true },
  "57P01": { says: "is being shut down", isRetryable: true },
  "57P02": { says: "is being started again", isRetryable: true },
  "57P03": { says: "is being started or shut down", isRetryable: true },
  "57": { says: "was stopped by its operator", isRetryable: true },
  "58": { says: "has trouble with its own files", isRetryable: false },
};

const CERTIFICATE = /^(?:CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH)/;
/** Of what a server says: it may say anything. */
const MAX_MESSAGE_CHARS = 500;
/** What the driver says without a code. */
const DRIVER_REFUSALS = /SASL|SSL|password/i;

/**
 * The error to throw in place of one that the driver threw.
 * @param name of the database, such as `The database pfs of PostgreSQL at localhost:5432`
 */
export function explainPostgresError(error: unknown, name: string): unknown {
  if (error instanceof PfsError || error instanceof TypeError || error instanceof RangeError) return error;
  if (!(error instanceof Error)) return error;
  const { code, says, isRetryable, hint } = meaningOf(error);
  return new RemoteError(code ?? "UNAVAILABLE", `${name} ${says}.`, { isRetryable, hint, cause: error });
}

function meaningOf(error: Error): Meaning {
  if (error instanceof NonsenseError)
    return { says: `sent ${oneLine(error.message)}`, isRetryable: true, hint: NONSENSE_HINT };
  if (error instanceof UnknownProofError)
    return {
      says: `asks for a proof that pfs cannot give (${error.message})`,
      isRetryable: false,
      hint: PROOF_HINT,
    };
  if (error instanceof DatabaseError) {
    const state = error.code ?? "";
    const known = MEANINGS[state] ?? MEANINGS[state.slice(0, 2)];
    return known ?? { says: `answered: ${oneLine(error.message)} (${state})`, isRetryable: false };
  }
  const lost = lostConnectionCode(error);
  if (lost !== undefined) return { says: `cannot be reached: ${lost}`, isRetryable: true };
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && CERTIFICATE.test(code)) {
    const hint = "Name its certificate authority with sslrootcert=FILE in the URL.";
    return { says: `shows a certificate that is not trusted: ${code}`, isRetryable: false, hint };
  }
  const text = oneLine(error.message);
  if (DRIVER_REFUSALS.test(text)) return { says: `cannot be used: ${text}`, isRetryable: false };
  return { says: `cannot be reached: ${text}`, isRetryable: true };
}

function oneLine(text: string): string {
  return text.slice(0, MAX_MESSAGE_CHARS).replace(/\s+/g, " ").replace(/\.$/, "").toWellFormed();
}

/** Whether a table or a schema is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === "42P01" || error.code === "3F000");
}
