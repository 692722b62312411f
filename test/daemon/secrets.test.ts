// What the configuration and the environment hold in confidence is in nothing that daemon and commands say or show.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SECRETS } from "../secrets.ts";
import { execute, LESSON, type Outcome, PFSD, SAMPLE, withPlace } from "./harness.ts";

const ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: SECRETS.awsKeyId,
  AWS_SECRET_ACCESS_KEY: SECRETS.awsKey,
  AWS_SESSION_TOKEN: SECRETS.awsSession,
  DATABASE_URL: `postgres://pfs:${SECRETS.unusedDatabasePassword}@127.0.0.1:9/books`,
  PGPASSWORD: SECRETS.pgPassword,
};
/** What must be nowhere: of a URL its password. */
const NEEDLES = [
  ...Object.values(ENVIRONMENT).filter((value) => !value.includes("://")),
  SECRETS.unusedDatabasePassword,
  SECRETS.configText,
];
const COMMANDS = [
  ["status"],
  ["status", "--json"],
  ["ls", "--json"],
  ["log", "my-book", "--json"],
  ["conflicts"],
  ["verify"],
  ["validate", "my-book"],
  ["gc", "--dry-run"],
  ["audit-head"],
  ["manifest", "my-book"],
  ["doctor"],
  ["doctor", "--json"],
  ["mount", "my-book", "/nowhere", "-o", "agent=system"],
  ["import", "my-book", "/nowhere"],
  ["show", "my-book", "999999", "x"],
  ["no-such-command"],
];

test("secrets: no output, log, command line or file of .pfs/ has what configuration or environment hold in confidence", () =>
  withPlace(
    async ({ run, pfs, start, dir, env, top, store }) => {
      const said: string[] = [];
      const note = ({ stdout, stderr }: Outcome): void => void said.push(stdout, stderr);
      await pfs("import", "my-book", SAMPLE);
      // A key that is not known, and a text that is not JSON: both files are refused, and neither is repeated.
      const config = join(top, "config.json");
      for (const text of [
        `{"password": "${SECRETS.configText}"}`,
        `{"agent": "${SECRETS.configText}`,
        `"${SECRETS.configText}"`,
        SECRETS.configText,
      ]) {
        writeFileSync(config, text, { mode: 0o600 });
        env.PFS_CONFIG = config;
        note(await run("up"));
      }
      assert.match(said.join(""), /The configuration/);
      writeFileSync(config, "{}");
      env.PFS_LOG_LEVEL = "debug";
      env.PFS_DEBUG = "1";
      const daemon = start(PFSD);
      await daemon.until(/"started"/);
      await pfs("mount", "my-book", dir);
      for (const command of COMMANDS) note(await run(...command));
      mkdirSync(join(dir, "content/02-New"));
      note(await execute("sh", ["-c", `echo more >> ${dir}/${LESSON}; echo x > ${dir}/no-such-place`]));
      // Whatever can be read below .pfs/, its archives and past states too.
      const tree = await execute("sh", [
        "-c",
        `cd ${dir}/.pfs && cat .pfs-no README plan/all audit/q/agent=root.jsonl at/1/.pfs-no; find . -type f -exec cat {} +`,
      ]);
      assert.ok(tree.stdout.length > 100_000);
      note(tree);
      note(await execute("curl", ["-s", "--unix-socket", join(store, "pfsd.sock"), "http://pfs/status"]));
      note(await execute("curl", ["-s", "--unix-socket", join(store, "pfsd.sock"), "http://pfs/metrics"]));
      // Not by the harness, which would take what other tests' command lines have for ours.
      said.push(spawnSync("ps", ["-eo", "args"], { encoding: "utf8" }).stdout);
      await pfs("stop");
      said.push(...daemon.stdout, ...daemon.stderr, readFileSync(join(store, "pfs.db"), "latin1"));
      const text = said.join("\n");
      assert.match(text, /"msg":"saved|"operation":"update"/);
      assert.deepEqual(
        NEEDLES.filter((secret) => text.includes(secret) || text.includes(encodeURIComponent(secret))),
        [],
      );
    },
    { env: ENVIRONMENT },
  ));
