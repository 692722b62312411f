/** Owns the proof that refusals have the documented errno and that anything thrown gets one. */
import assert from "node:assert/strict";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import Database from "better-sqlite3";
import {
  Errno,
  type ErrorCode,
  errnoOf,
  errorCodes,
  isErrorCode,
  PfsError,
  PosixError,
} from "../../schema/errors.ts";

describe("errors", () => {
  test("every refusal code has the errno of the design's table", () => {
    const table: Record<string, string> = {
      CONFLICT: "ESTALE",
      HASH_REQUIRED: "EPERM",
      SCHEMA_VIOLATION: "EINVAL",
      INVALID_PATH: "EINVAL",
      NOT_FOUND: "ENOENT",
      READ_ONLY: "EROFS",
      NOT_PERMITTED: "EPERM",
      TOO_LARGE: "EFBIG",
      TOO_MANY: "ENFILE",
      UNAVAILABLE: "EIO",
      CORRUPT: "EIO",
      FULL: "ENOSPC",
      AGENT_REQUIRED: "EPERM",
    };
    for (const [code, errnoName] of Object.entries(table)) {
      assert.equal(errorCodes[code as ErrorCode].errnoName, errnoName, code);
      assert.equal(
        errnoOf(new PfsError(code as ErrorCode, "x")),
        os.constants.errno[errnoName as "EIO"],
        code,
      );
    }
  });

  test("the error numbers are this system's", () => {
    const system = os.constants.errno as Record<string, number>;
    const known = Object.entries(Errno).filter(([name]) => name in system);
    assert.ok(known.length > 35);
    for (const [name, number] of known) assert.equal(number, system[name], name);
  });

  test("a refusal keeps code, path, hint and cause", () => {
    const cause = new Error("below");
    const error = new PfsError("CORRUPT", "Bad bytes.", { path: "a/b", hint: "Run pfs repair.", cause });
    assert.deepEqual(
      [error.code, error.path, error.hint, error.cause, error.message, error.errno],
      ["CORRUPT", "a/b", "Run pfs repair.", cause, "Bad bytes.", Errno.EIO],
    );
    assert.ok(!("cause" in new PfsError("CORRUPT", "x")));
    assert.ok(isErrorCode("CORRUPT") && !isErrorCode("toString") && !isErrorCode(""));
  });

  test("a POSIX outcome answers its own number", () => {
    for (const name of ["ENOENT", "ENOTEMPTY", "ENAMETOOLONG", "EOPNOTSUPP", "ENODATA"] as const) {
      assert.equal(errnoOf(new PosixError(name)), Errno[name]);
    }
  });

  test("unreachable is not deleted: a lost store file is EIO, a full disk is ENOSPC", () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "pfs-test-"));
    try {
      assert.throws(
        () => openSync(path.join(dir, "absent"), "r"),
        (error) => errnoOf(error) === Errno.EIO,
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
    for (const name of ["ENOSPC", "EDQUOT", "EFBIG", "EROFS"] as const) {
      assert.equal(errnoOf(Object.assign(new Error(name), { code: name, errno: -Errno[name] })), Errno[name]);
    }
  });

  test("SQLite's errors: FULL is ENOSPC, damage and I/O are EIO", () => {
    const made = (code: string) => Object.assign(new Error(code), { code });
    assert.equal(errnoOf(made("SQLITE_FULL")), Errno.ENOSPC);
    for (const code of ["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_WRITE", "SQLITE_CONSTRAINT_CHECK"]) {
      assert.equal(errnoOf(made(code)), Errno.EIO, code);
    }
    const db = new Database(":memory:");
    db.pragma("max_page_count = 2");
    db.exec("CREATE TABLE t (x)");
    assert.throws(
      () => db.exec("INSERT INTO t VALUES (zeroblob(1000000))"),
      (error) => errnoOf(error) === Errno.ENOSPC,
    );
    db.close();
  });

  test("whatever else is thrown is EIO", () => {
    for (const thrown of [
      undefined,
      null,
      1,
      "ENOENT",
      {},
      new TypeError("x"),
      { code: 5 },
      { code: "toString" },
    ]) {
      assert.equal(errnoOf(thrown), Errno.EIO);
    }
  });
});
