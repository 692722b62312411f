// Which URLs name a remote log, and that no secret of them goes anywhere.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { DirectoryLog } from "../../lib/remote/directory-log.ts";
import { openRemoteLog, withoutSecrets } from "../../lib/remote/open-remote-log.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { SECRETS } from "../secrets.ts";
import { isError } from "./log-fixture.ts";

const SECRET = SECRETS.urlPassword;

function open(url: string, isNew = false): ReturnType<typeof openRemoteLog> {
  return openRemoteLog(url, { counters: new RemoteCounters(), isNew });
}

test("what is no URL of a remote log is refused in one sentence that holds no password", async () => {
  for (const [url, text] of [
    ["", /"" is not a URL/],
    ["books", /"books" is not a URL/],
    [`alice:${SECRET}@db/books`, /URL/],
    [`postgres://alice:${SECRET}@db:port/books`, /malformed/],
    [`mysql://alice:${SECRET}@db/books`, /no URL that begins with "mysql:"/],
    ["https://example.org/books", /begins with "https:"/],
    ["file://srv/books", /file:\/\/srv… names a machine/],
    ["file:///", /does not name a directory/],
    ["file:///a%2Fb", /does not name a directory/],
    ["file:///srv/books?x=1", /nothing after \? or #/],
    [
      `postgres://alice:${SECRET}@db/books?sslmode=maybe`,
      /sslmode="maybe" is not one of disable, no-verify, require/,
    ],
    [
      `postgres://alice:${SECRET}@db/books?sslrootcert=/none.pem`,
      /names the file "\/none.pem", which cannot be read: ENOENT/,
    ],
  ] as const) {
    await assert.rejects(
      open(url),
      (error: Error & { hint?: string }) => {
        assert.match(error.hint ?? "", /postgres:\/\/USER@HOST\/DATABASE, or file:\/\/\/DIR/);
        assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes(SECRET));
        return isError("USAGE", text)(error);
      },
      url,
    );
  }
});

test("what is kept of a URL is without its password", () => {
  for (const [url, kept] of [
    [`postgres://alice:${SECRET}@db:5433/books`, "postgres://alice@db:5433/books"],
    [`postgresql://db/books?password=${SECRET}&sslmode=require`, "postgresql://db/books?sslmode=require"],
    ["postgres://alice@[::1]/books", "postgres://alice@[::1]/books"],
    ["file:///srv/my%20books/", "file:///srv/my%20books/"],
  ] as const)
    assert.equal(withoutSecrets(url), kept);
});

test("a directory that cannot be one of a remote log is left as it is, and it is said why", async () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const refused = async (name: string, code: string, text: RegExp): Promise<void> => {
    const log = await open(`file://${join(top, name)}`);
    try {
      await assert.rejects(log.identity(), isError(code, text));
    } finally {
      await log.close();
    }
  };
  const make = (name: string, ...sql: string[]): void => {
    const database = new Sqlite(join(top, name, "log.db"));
    for (const each of sql) database.exec(each);
    database.close();
  };
  try {
    writeFileSync(join(top, "file"), "");
    for (const name of ["none/remote", "file", "file/remote", "remote", "."])
      await refused(name, "UNAVAILABLE", /There is no remote at /);
    const none = new DirectoryLog(join(top, "file/remote"), { isNew: true });
    await assert.rejects(none.identity(), isError("USAGE", /file/));
    await none.close();
    const log = await open(`file://${join(top, "remote")}`, true);
    const identity = await log.identity();
    assert.equal(statSync(join(top, "remote/log.db")).mode & 0o777, 0o600);
    await log.close();
    const made = new Sqlite(join(top, "remote/log.db"), { readonly: true });
    const version = made.pragma("user_version", { simple: true });
    made.close();
    make("remote", "PRAGMA user_version = 1000");
    await refused("remote", "UNSUPPORTED_VERSION", /has schema version 1000; this pfs knows up to \d+/);
    make("remote", `PRAGMA user_version = ${version}`, "PRAGMA application_id = 5");
    await refused("remote", "STORE_DAMAGED", /is a SQLite database, but not a shared log of pfs/);
    make("remote", "PRAGMA application_id = 0x70667372", "UPDATE pfs_remote SET remote_id = 'x'");
    await refused("remote", "STORE_DAMAGED", /does not say what it is/);
    assert.match(identity, /^[0-9a-f]{32}$/);
    writeFileSync(
      join(top, "remote", "log.db"),
      "no database at all, but long enough to be looked at".repeat(20),
    );
    await refused("remote", "STORE_DAMAGED", /log.db that is no SQLite database/);
  } finally {
    rmSync(top, { recursive: true });
  }
});
