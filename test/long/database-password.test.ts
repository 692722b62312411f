// DATABASE_URL with a password and PFS_REMOTE, as they are in production: a PostgreSQL that demands scram-sha-256, and S3. Books
// are shared, and nothing that is said, kept or shown has the password.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, execute, LESSON, type Outcome, SAMPLE, withPlace } from "../daemon/harness.ts";
import { GUEST, PASSWORD, PostgresServer } from "../remote/postgres-server.ts";
import { S3Fixture } from "../remote/s3-fixture.ts";
import { SECRETS } from "../secrets.ts";

const s3 = new S3Fixture();
let postgres: PostgresServer;

before(async () => {
  postgres = await PostgresServer.make("embedded");
  await postgres.run("postgres", `CREATE ROLE ${GUEST} LOGIN PASSWORD '${PASSWORD}'`);
});
after(() => postgres.remove());

const WRONG = SECRETS.wrongDatabasePassword;
const NEEDLES = [PASSWORD, WRONG].flatMap((each) => [each, encodeURIComponent(each)]);

test("DATABASE_URL with a password and PFS_REMOTE: two machines share a book, and the password is nowhere", async () => {
  const database = await postgres.makeDatabase();
  await postgres.run("postgres", `GRANT CREATE ON DATABASE ${database} TO ${GUEST}`);
  const env = {
    DATABASE_URL: postgres.url(database, { user: GUEST }),
    PFS_REMOTE: s3.makeRemote().url,
    PFS_LOG_LEVEL: "debug",
    PFS_DEBUG: "1",
  };
  const said: string[] = [];
  const note = (outcome: Outcome): Outcome => {
    said.push(outcome.stdout, outcome.stderr);
    return outcome;
  };
  await withPlace(
    (a) =>
      withPlace(
        async (b) => {
          await a.pfs("import", "my-book", SAMPLE);
          const wrong = postgres.url(database, { user: GUEST, password: WRONG });
          a.env.DATABASE_URL = wrong;
          const refused = note(await a.run("remote", "add", "my-book"));
          assert.equal(refused.code, 1);
          assert.match(refused.stderr, /refuses the user or the password/, "the server does demand it");
          a.env.DATABASE_URL = env.DATABASE_URL;
          said.push(await a.pfs("remote", "add", "my-book"), await a.pfs("push", "my-book"));
          said.push(await b.pfs("clone", "my-book"));
          for (const place of [a, b]) await place.pfs("mount", "my-book", place.dir);
          writeFileSync(join(a.dir, LESSON), "from a\n");
          await eventually("b has it", async () => {
            const { stdout } = await execute("cat", [join(b.dir, LESSON)]);
            return stdout === "from a\n";
          });
          for (const command of [
            ["status"],
            ["status", "--json"],
            ["remote", "list"],
            ["remote", "list", "--json"],
            ["sync", "--json"],
            ["doctor", "--json"],
            ["verify", "--remote", "my-book"],
            ["log", "--json"],
          ]) {
            const { code } = note(await b.run(...command));
            // The doctor complains of mounts of other tests.
            if (command[0] !== "doctor") assert.equal(code, 0, command.join(" "));
          }
          const { pid } = await b.status();
          said.push(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
          note(await execute("ps", ["-eo", "args"]));
          note(
            await execute(
              "sh",
              ["-c", "cat status.json book.json health.json metrics errors.jsonl audit/all.jsonl"],
              undefined,
              join(b.dir, ".pfs"),
            ),
          );
          assert.ok(
            said.join("\n").includes(`postgres://${GUEST}@127.0.0.1`),
            "the rest of the URL is shown",
          );

          // What a daemon says when it is refused.
          await b.pfs("stop");
          b.env.DATABASE_URL = wrong;
          await b.pfs("mount", "my-book", b.dir);
          await eventually("the daemon is refused", async () =>
            /refuses the user or the password/.test(note(await b.run("status")).stdout),
          );
          await Promise.all([a, b].map((place) => place.pfs("stop")));
          for (const { store } of [a, b]) {
            const files = readdirSync(store, { withFileTypes: true }).filter((each) => each.isFile());
            assert.ok(files.some(({ name }) => name === "pfsd.log"));
            for (const { name } of files) said.push(readFileSync(join(store, name), "latin1"));
          }
        },
        { env: { ...env, PFS_AGENT_ID: "bob" } },
      ),
    { env },
  );
  const all = said.join("\n");
  assert.match(all, /"level":\d+.*refuses the user or the password/, "the log of the daemon is among it");
  assert.deepEqual(
    NEEDLES.filter((secret) => all.includes(secret)),
    [],
  );
});
