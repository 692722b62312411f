// The shared log in the PostgreSQL that a development dependency brings: what all logs do, and what is PostgreSQL's own:
// connections that fail, servers that refuse, many machines at once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PostgresLog } from "../../lib/remote/postgres-log.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { SHARED_BOOK as book, isError, push, readAll } from "./log-fixture.ts";
import { testLogs } from "./log-suite.ts";
import { GUEST, PASSWORD, PostgresServer, suitePlaces } from "./postgres-server.ts";
import { BOOK, NEWEST, RowMaker } from "./shared-rows.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** Milliseconds: nothing here waits for as long as one would in real life. */
const QUICK = { askEvery: 100, answer: 500, firstDelay: 20, longestDelay: 100 };

function isRemoteError(code: string, isRetryable: boolean, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RemoteError, String(error));
    assert.equal(error.isRetryable, isRetryable, error.message);
    assert.ok(!`${error.stack} ${error.hint} ${JSON.stringify(error)}`.includes(PASSWORD));
    return isError(code, text)(error);
  };
}

async function untilTrue(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 10));
}

let server: PostgresServer;
let common: string;
before(async () => {
  server = await PostgresServer.make("embedded");
  common = await server.makeDatabase();
});
after(() => server.remove());

testLogs(
  "PostgreSQL",
  suitePlaces(() => server),
);

type Work = (open: (port?: number) => RemoteLog, database: string) => Promise<void>;

/** Calls `work` with a way to open logs in a database that is as new. */
function it(name: string, work: Work): void {
  test(`PostgreSQL: ${name}`, async () => {
    const opened: RemoteLog[] = [];
    const open = (port = server.port): RemoteLog => {
      const log = new PostgresLog(server.url(common, { port }), { isNew: true, watchTimes: QUICK });
      opened.push(log);
      return log;
    };
    await server.run(common, "DROP SCHEMA IF EXISTS pfs CASCADE");
    try {
      await work(open, common);
    } finally {
      await Promise.all(opened.map((log) => log.close()));
    }
  });
}

it("sixteen machines that come to an empty database at once make one remote", async (open) => {
  const identities = await Promise.all(Array.from({ length: 16 }, () => open().identity()));
  assert.equal(new Set(identities).size, 1);
  assert.match(identities[0] ?? "", /^[0-9a-f]{32}$/);
});

it("twenty questions at once are answered on four connections", async (open) => {
  const proxy = await TcpProxy.make(server.port);
  try {
    const log = open(proxy.port);
    await log.createBook(book);
    // The tables were made on a connection of their own.
    await untilTrue(() => proxy.begun - proxy.ended <= 1);
    let most = 0;
    proxy.onRequest = () => {
      most = Math.max(most, proxy.begun - proxy.ended);
    };
    const answers = await Promise.all(Array.from({ length: 20 }, () => log.rowsAfter(BOOK, 0, 10)));
    assert.deepEqual(new Set(answers.map((rows) => rows.length)), new Set([0]));
    assert.equal(most, 4);
  } finally {
    await proxy.close();
  }
});

it("what a newer pfs has made, and what is not of pfs, is left as it is", async (open, database) => {
  await server.run(database, "CREATE SCHEMA pfs; CREATE TABLE pfs.book (title text)");
  await assert.rejects(
    open().identity(),
    isError("STORE_DAMAGED", /has a schema pfs that is not of this program/),
  );
  await server.run(database, "DROP SCHEMA pfs CASCADE; CREATE SCHEMA pfs");
  await open().identity();
  await server.run(database, "UPDATE pfs.pfs_remote SET schema_version = 1000");
  await assert.rejects(
    open().identity(),
    isError("UNSUPPORTED_VERSION", /schema version 1000; this pfs knows up to \d+/),
  );
  await server.run(database, "UPDATE pfs.pfs_remote SET remote_id = 'x'");
  await assert.rejects(open().identity(), isError("STORE_DAMAGED", /does not say what it is/));
  await server.run(database, "DROP SCHEMA pfs CASCADE");
  const old = new PostgresLog(server.url(database));
  await assert.rejects(old.identity(), isRemoteError("UNAVAILABLE", false, /has no remote of pfs/));
  await old.close();
  const latin = await server.makeDatabase("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
  const log = new PostgresLog(server.url(latin), { isNew: true });
  await assert.rejects(log.identity(), isError("STORE_DAMAGED", /has the encoding LATIN1/));
  await log.close();
});

it("R6: truncating the log is refused", async (open, database) => {
  await open().identity();
  await assert.rejects(server.run(database, "TRUNCATE pfs.audit_log"), /append-only/);
});

it("a push of a thousand files takes five round trips at most", async (open) => {
  const proxy = await TcpProxy.make(server.port);
  try {
    const [log, maker] = [open(proxy.port), new RowMaker("a")];
    await log.createBook(book);
    proxy.roundTrips = 0;
    await push(
      log,
      Array.from({ length: 1000 }, (_, index) => maker.change(`a/${index}.md`, null, "1")),
    );
    assert.ok(proxy.roundTrips > 0 && proxy.roundTrips <= 5, `${proxy.roundTrips}`);
    proxy.roundTrips = 0;
    assert.equal((await log.rowsAfter(BOOK, 500, 1000)).length, 500);
    assert.equal(proxy.roundTrips, 1);
  } finally {
    await proxy.close();
  }
});

it("O1: an answer that is lost after the commit: sent again, the rows are there once", async (open) => {
  const proxy = await TcpProxy.make(server.port);
  try {
    const [log, direct, maker] = [open(proxy.port), open(), new RowMaker("a")];
    await log.createBook(book);
    const rows = [maker.change("a.md", null, "1"), maker.change("a.md", "1", "2")];
    // The connection is cut as the answer to each of its statements comes, until one of them was the commit.
    let cuts = 0;
    for (let answers = 1; (await direct.findBook(BOOK))?.head.seq === 0; answers++) {
      let left = answers;
      proxy.onAnswer = () => {
        if (--left === 0) proxy.cut();
      };
      await assert.rejects(
        log.append(BOOK, rows, NEWEST),
        isRemoteError("UNAVAILABLE", true, /cannot be reached/),
      );
      cuts++;
    }
    proxy.onAnswer = undefined;
    assert.ok(cuts > 3, `${cuts}`);
    assert.deepEqual(await push(log, rows), [1, 2]);
    assert.equal((await readAll(direct)).length, 2);
  } finally {
    await proxy.close();
  }
});

it("a watch whose connection is ended by the server, or cut, goes on with a new one", async (open, database) => {
  const proxy = await TcpProxy.make(server.port);
  const [log, maker] = [open(), new RowMaker("a")];
  await log.createBook(book);
  let head = -1;
  const watch = open(proxy.port).watch((_, seq) => {
    head = seq;
  });
  try {
    let seq = 0;
    for (const end of [
      () =>
        server.run(
          database,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
           AND pid <> pg_backend_pid() AND query LIKE '%pfs.book'`,
        ),
      async () => proxy.cut(),
    ]) {
      await untilTrue(() => head === seq);
      await end();
      await push(log, [maker.change(`${++seq}.md`, null, "1")]);
      await untilTrue(() => head === seq);
    }
  } finally {
    await watch.close();
    await proxy.close();
  }
});

it("a watch whose connection is dead without a word finds out, and is told of what it missed", async (open) => {
  const proxy = await TcpProxy.make(server.port);
  const [log, maker] = [open(), new RowMaker("a")];
  await log.createBook(book);
  let head = -1;
  const watch = open(proxy.port).watch((_, seq) => {
    head = seq;
  });
  try {
    await untilTrue(() => head === 0);
    proxy.fallSilent();
    await push(log, [maker.change("a.md", null, "1")]);
    await untilTrue(() => proxy.ended > 0);
    assert.equal(head, 0);
    proxy.speak();
    await untilTrue(() => head === 1);
  } finally {
    await watch.close();
    await proxy.close();
  }
});

it("what waits for a server that never answers ends when it is closed", async () => {
  const proxy = await TcpProxy.make(server.port);
  proxy.fallSilent();
  try {
    const log = new PostgresLog(server.url(common, { port: proxy.port }));
    const watch = log.watch(() => assert.fail("nothing was said"));
    const asked = assert.rejects(log.identity(), isRemoteError("UNAVAILABLE", true, /cannot be reached/));
    await untilTrue(() => proxy.begun === 2);
    await watch.close();
    await log.close();
    await asked;
  } finally {
    await proxy.close();
  }
});

it("a notice that somebody else has sent does no harm", async (open, database) => {
  const [log, maker] = [open(), new RowMaker("a")];
  await log.createBook(book);
  let head = -1;
  const watch = log.watch((_, seq) => {
    head = seq;
  });
  try {
    await untilTrue(() => head === 0);
    await server.run(
      database,
      "NOTIFY pfs; NOTIFY pfs, 'x'; NOTIFY pfs, '../etc 5'; NOTIFY pfs, 'my-book -1'",
    );
    await push(log, [maker.change("a.md", null, "1")]);
    await untilTrue(() => head === 1);
  } finally {
    await watch.close();
  }
});

it("what is wrong is said in one sentence, with server and database, without the password", async (open, database) => {
  const rejected = async (
    url: string,
    ...expected: [code: string, isRetryable: boolean, text: RegExp]
  ): Promise<void> => {
    const log = new PostgresLog(url, { isNew: true });
    try {
      await assert.rejects(log.createBook(book), isRemoteError(...expected));
    } finally {
      await log.close();
    }
  };
  const log = open();
  await log.createBook(book);
  const { port } = server;
  const url = server.url.bind(server);
  const at = `PostgreSQL at 127\\.0\\.0\\.1:${port}`;
  await rejected(
    url("none"),
    "UNAVAILABLE",
    false,
    new RegExp(`^The database none of ${at} does not exist\\.$`),
  );
  await rejected(
    url(database, { port: 1 }),
    "UNAVAILABLE",
    true,
    /127\.0\.0\.1:1 cannot be reached: ECONNREFUSED/,
  );
  await rejected(`${url(database)}?sslmode=verify-full`, "UNAVAILABLE", false, /does not support SSL/);

  await server.run(database, `CREATE ROLE ${GUEST} LOGIN PASSWORD '${PASSWORD}' CONNECTION LIMIT 0`);
  const guest = url(database, { user: GUEST });
  await rejected(guest, "UNAVAILABLE", true, /has too many connections/);
  await server.run(database, `ALTER ROLE ${GUEST} CONNECTION LIMIT -1`);
  const wrong = url(database, { user: GUEST, password: `${PASSWORD}x` });
  await rejected(
    wrong,
    "UNAVAILABLE",
    false,
    new RegExp(`${database} of ${at} refuses the user or the password`),
  );
  const unsaid = url(database, { user: GUEST, password: "" });
  await rejected(unsaid, "UNAVAILABLE", false, /cannot be used: .*password/);
  await rejected(guest, "UNAVAILABLE", false, /does not permit it/);

  await server.run("postgres", `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
  try {
    await rejected(url(database), "READ_ONLY", true, /takes no changes now/);
    const reading = open();
    assert.equal((await reading.listBooks()).length, 1);
    const row = new RowMaker("a").change("a.md", null, "1");
    await assert.rejects(
      reading.append(BOOK, [row], NEWEST),
      isRemoteError("READ_ONLY", true, /takes no changes now/),
    );
  } finally {
    await server.run("postgres", `ALTER DATABASE ${database} RESET default_transaction_read_only`);
  }
});

it("a server that ends in the middle of a transaction, and comes back, is used again", async (open, database) => {
  const [log, maker] = [open(), new RowMaker("a")];
  await log.createBook(book);
  const row = maker.change("a.md", null, "1");
  // Somebody else holds the book, so that the append is in the middle of its transaction.
  const blocker = server.run(database, "BEGIN; SELECT 1 FROM pfs.book FOR UPDATE; SELECT pg_sleep(600)");
  const blocked = assert.rejects(blocker);
  const waiting =
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
  await untilTrue(
    async () =>
      (
        await server.run(
          database,
          "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND wait_event = 'PgSleep'",
        )
      ).length > 0,
  );
  const appending = assert.rejects(
    log.append(BOOK, [row], NEWEST),
    isRemoteError("UNAVAILABLE", true, /shut down|started again|reached/),
  );
  await untilTrue(async () => (await server.run(database, waiting)).length > 0);
  await server.stop("SIGINT");
  await Promise.all([appending, blocked]);
  await assert.rejects(
    log.append(BOOK, [row], NEWEST),
    isRemoteError("UNAVAILABLE", true, /cannot be reached/),
  );
  await server.start();
  assert.deepEqual(await push(log, [row]), [1]);
  assert.equal((await readAll(log)).length, 1);
});
