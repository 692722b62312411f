// What each failure of PostgreSQL means: those that no test can bring about for real, too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseError } from "pg";
import { explainPostgresError } from "../../lib/remote/postgres-errors.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { PfsError } from "../../schema/errors.ts";

const NAME = "The database pfs of PostgreSQL at db:5432";

function ofState(state: string): DatabaseError {
  const error = new DatabaseError("relation\n does not exist.", 0, "error");
  error.code = state;
  return error;
}

function ofCode(code: string, message = "connect"): Error {
  return Object.assign(new Error(message), { code });
}

test("each failure of PostgreSQL has a code, one sentence, and says whether trying again can help", () => {
  for (const [error, code, isRetryable, text] of [
    [ofState("08006"), "UNAVAILABLE", true, /lost the connection/],
    [ofState("25006"), "READ_ONLY", true, /takes no changes now/],
    [ofState("28P01"), "UNAVAILABLE", false, /refuses the user or the password/],
    [ofState("28000"), "UNAVAILABLE", false, /lets nobody in from here like this/],
    [ofState("40001"), "UNAVAILABLE", true, /beside what others do/],
    [ofState("40P01"), "UNAVAILABLE", true, /beside what others do/],
    [ofState("53100"), "FULL", false, /no room left/],
    [ofState("53200"), "UNAVAILABLE", true, /has not what it needs/],
    [ofState("53300"), "UNAVAILABLE", true, /too many connections/],
    [ofState("55P03"), "UNAVAILABLE", true, /busy/],
    [ofState("57014"), "UNAVAILABLE", true, /took too long/],
    [ofState("57P01"), "UNAVAILABLE", true, /being shut down/],
    [ofState("57P03"), "UNAVAILABLE", true, /being started or shut down/],
    [ofState("58030"), "UNAVAILABLE", false, /its own files/],
    [ofState("XX001"), "UNAVAILABLE", false, /answered: relation does not exist \(XX001\)/],
    [ofCode("ECONNRESET"), "UNAVAILABLE", true, /cannot be reached: ECONNRESET/],
    [ofCode("ENOTFOUND"), "UNAVAILABLE", true, /cannot be reached: ENOTFOUND/],
    [ofCode("SELF_SIGNED_CERT_IN_CHAIN"), "UNAVAILABLE", false, /certificate that is not trusted/],
    [new Error("Connection terminated unexpectedly"), "UNAVAILABLE", true, /Connection terminated/],
    [new Error("Query read timeout"), "UNAVAILABLE", true, /Query read timeout/],
  ] as const) {
    const explained = explainPostgresError(error, NAME);
    assert.ok(explained instanceof RemoteError);
    assert.deepEqual([explained.code, explained.isRetryable], [code, isRetryable], explained.message);
    assert.match(explained.message, text);
    assert.match(explained.message, /^The database pfs of PostgreSQL at db:5432 [^\n]+[^.]\.$/);
  }
});

test("a server may say anything, and is quoted in a sentence all the same", () => {
  const error = new DatabaseError(`${"x".repeat(499)}😀${"y".repeat(100_000)}`, 0, "error");
  error.code = "XX000";
  const { message } = explainPostgresError(error, NAME) as RemoteError;
  assert.ok(message.length < 600 && message.isWellFormed(), `${message.length}`);
});

test("what was refused already, and mistakes of the program, stay what they are", () => {
  for (const error of [new PfsError("NOT_FOUND", "None."), new TypeError("x"), new RangeError("x"), "text"])
    assert.equal(explainPostgresError(error, NAME), error);
});
