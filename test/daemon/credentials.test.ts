// Where keys for S3 and the password of PostgreSQL come from when no variable has them: systemd's credentials, and the usual chain
// of AWS. Real servers that demand both.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { takeCredentials } from "../../daemon/credentials.ts";
import { GUEST, PASSWORD, PostgresServer } from "../remote/postgres-server.ts";
import { type S3Server, setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { SECRETS } from "../secrets.ts";
import { eventually, PFSD, type Place, SAMPLE, withPlace } from "./harness.ts";

let postgres: PostgresServer;
let s3: S3Server;
before(async () => {
  postgres = await PostgresServer.make("embedded");
  await postgres.run("postgres", `CREATE ROLE ${GUEST} LOGIN PASSWORD '${PASSWORD}'`);
  s3 = await startS3Server();
});
after(async () => {
  await s3.stop();
  await postgres.remove();
});

/** A shared credentials file, with the keys that the server knows in one section and nobody's in the other. */
function keysFile(section: string): string {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key } = keys();
  const other = section === "default" ? "other" : "default";
  return `[${other}]
aws_access_key_id = ${SECRETS.awsKeyId}
aws_secret_access_key = ${SECRETS.wrongS3Key}
[${section}]
aws_access_key_id = ${id}
aws_secret_access_key = ${key}
`;
}

function keys(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  return env;
}

/** Leaves no variable, and no file at home, that has keys or a password. */
function forget({ env, top }: Place): void {
  for (const name of Object.keys(env)) if (/^(AWS_|PG|DATABASE_URL$)/.test(name)) delete env[name];
  env.HOME = top;
  env.AWS_EC2_METADATA_DISABLED = "true";
}

test("a daemon of systemd's finds keys for S3 and the database's password in its credentials, and leaves them nowhere", async () => {
  const database = await postgres.makeDatabase();
  await postgres.run("postgres", `GRANT CREATE ON DATABASE ${database} TO ${GUEST}`);
  const log = `postgres://${GUEST}@127.0.0.1:${postgres.port}/${database}`;
  const blobs = s3.urlOf("credentials");
  await withPlace(async (place) => {
    const { top, dir, env, store, start, pfs } = place;
    forget(place);
    const directory = join(top, "credentials");
    mkdirSync(directory);
    writeFileSync(join(directory, "aws"), keysFile("default"));
    writeFileSync(join(directory, "pgpassword"), `${PASSWORD}\n`);
    // As systemd's look, with their access control list.
    for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o440);
    await pfs("import", "my-book", SAMPLE);
    env.PFS_CONFIG = join(top, "config.json");
    const config = {
      mounts: [{ book: "my-book", directory: dir }],
      remotes: [{ book: "my-book", log, blobs }],
    };
    writeFileSync(env.PFS_CONFIG, JSON.stringify(config));
    const service = start(PFSD);
    await service.until(/The book my-book is not shared: .*password/);
    await pfs("stop");
    await service.exit;

    env.CREDENTIALS_DIRECTORY = directory;
    env.PFS_LOG_LEVEL = "debug";
    const credited = start(PFSD);
    await eventually("everything is sent", async () => {
      const [book] = JSON.parse(await pfs("status", "--json")).sync;
      return book?.pending === 0 && book.last_sync !== null;
    });
    await pfs("stop");
    await credited.exit;
    const kept = readdirSync(store, { withFileTypes: true }).filter((each) => each.isFile());
    for (const { name } of kept) {
      const text = readFileSync(join(store, name), "latin1");
      assert.deepEqual([text.includes(PASSWORD), text.includes(SECRETS.s3Key)], [false, false], name);
    }
  });
  await withPlace(
    async ({ pfs }) => {
      await pfs("clone", log, blobs, "my-book");
      assert.match(await pfs("prefetch", "my-book", "--json"), /"failed":0/);
    },
    { env: { ...keys(), PGPASSWORD: PASSWORD } },
  );
});

test("keys come from a shared credentials file with a profile, as for every program of AWS", () =>
  withPlace(async (place) => {
    const { top, env, pfs, run } = place;
    forget(place);
    mkdirSync(join(top, ".aws"));
    writeFileSync(join(top, ".aws/credentials"), keysFile("books"));
    await pfs("import", "my-book", SAMPLE);
    const urls = [`file://${join(top, "log")}`, s3.urlOf("profile")];
    const refused = await run("remote", "add", "my-book", ...urls);
    assert.deepEqual([refused.code, refused.stdout], [1, ""], "the other section's are not known");
    env.AWS_PROFILE = "books";
    await pfs("remote", "add", "my-book", ...urls);
    assert.match(await pfs("push", "my-book"), /pushed/);
  }));

test("what the environment says itself goes before credentials; without any, nothing changes", () =>
  withPlace(async ({ top }) => {
    const after = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
      takeCredentials(env);
      return env;
    };
    const empty = { CREDENTIALS_DIRECTORY: top };
    assert.deepEqual([after({}), after({ ...empty })], [{}, empty]);
    const file = join(top, "aws");
    writeFileSync(file, keysFile("default"));
    writeFileSync(join(top, "pgpassword"), "a b \n");
    const found = { ...empty, AWS_SHARED_CREDENTIALS_FILE: file, PGPASSWORD: "a b " };
    assert.deepEqual(after({ ...empty }), found);
    for (const own of [
      { AWS_SHARED_CREDENTIALS_FILE: "/own", PGPASSWORD: "own" },
      { AWS_SHARED_CREDENTIALS_FILE: "/own", PGPASSFILE: "/own" },
    ])
      assert.deepEqual(after({ ...empty, ...own }), { ...empty, ...own });
  }));
