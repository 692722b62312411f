// Which remote a book of the configuration is shared on, where the environment says something else; and that nothing that is
// shared already moves by it.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findConfiguredUrls } from "../../daemon/remote-urls.ts";
import { PfsError } from "../../schema/errors.ts";
import { SECRETS } from "../secrets.ts";
import { PFS, withPlace } from "./harness.ts";

const LOG = "postgres://pfs@db.example/books";
const OTHER_LOG = `postgres://pfs:${encodeURIComponent(SECRETS.unusedDatabasePassword)}@other.example/books`;
const BLOBS = "s3://bucket/books?region=auto";
const OTHER_BLOBS = "s3://other/books?region=auto";
const [DIRECTORY, OTHER_DIRECTORY] = ["file:///srv/remote", "file:///srv/other"];

test("DATABASE_URL stands in place of `log`, PFS_REMOTE of `blobs`; a directory alone stays both", () => {
  const OTHER = "postgres://pfs@other.example/books";
  type Case = readonly (string | undefined)[];
  const cases: [given: Case, logUrl: string, blobsUrl: string][] = [
    [[LOG, BLOBS], LOG, BLOBS],
    [[LOG, BLOBS, "", ""], LOG, BLOBS],
    [[LOG, BLOBS, OTHER_LOG], OTHER, BLOBS],
    [[LOG, DIRECTORY, OTHER_LOG], OTHER, DIRECTORY],
    [[LOG, BLOBS, undefined, OTHER_BLOBS], LOG, OTHER_BLOBS],
    [[LOG, BLOBS, undefined, DIRECTORY], LOG, DIRECTORY],
    [[LOG, BLOBS, OTHER_LOG, OTHER_BLOBS], OTHER, OTHER_BLOBS],
    [[LOG, BLOBS, "mysql://of-another-program/x"], LOG, BLOBS],
    [[undefined, BLOBS, OTHER_LOG], OTHER, BLOBS],
    [[LOG, undefined, undefined, OTHER_BLOBS], LOG, OTHER_BLOBS],
    [[undefined, undefined, OTHER_LOG, OTHER_BLOBS], OTHER, OTHER_BLOBS],
    [[undefined, DIRECTORY], DIRECTORY, DIRECTORY],
    [[undefined, DIRECTORY, OTHER_LOG], DIRECTORY, DIRECTORY],
    [[undefined, DIRECTORY, undefined, OTHER_DIRECTORY], OTHER_DIRECTORY, OTHER_DIRECTORY],
    [[undefined, DIRECTORY, OTHER_LOG, OTHER_BLOBS], OTHER, OTHER_BLOBS],
    [[undefined, undefined, undefined, DIRECTORY], DIRECTORY, DIRECTORY],
    [[OTHER_DIRECTORY, undefined, undefined, BLOBS], OTHER_DIRECTORY, BLOBS],
  ];
  for (const [[log, blobs, DATABASE_URL, PFS_REMOTE], logUrl, blobsUrl] of cases)
    assert.deepEqual(
      findConfiguredUrls({ log, blobs }, { DATABASE_URL, PFS_REMOTE }),
      { logUrl, blobsUrl },
      `${log} ${blobs} with ${DATABASE_URL === OTHER_LOG ? OTHER : DATABASE_URL} ${PFS_REMOTE}`,
    );
  for (const given of [
    { log: undefined, blobs: undefined },
    { log: LOG, blobs: undefined },
  ])
    assert.throws(() => findConfiguredUrls(given, {}), /No URL says where the bytes are shared/);
  const isUsage = (error: unknown) => error instanceof PfsError && error.code === "USAGE";
  assert.throws(() => findConfiguredUrls({ log: undefined, blobs: BLOBS }, {}), isUsage);
});

test("PFS_REMOTE overrides the configuration's remote for a book that is not shared yet; one that is stays, and that is told", () =>
  withPlace(async (place) => {
    const { top, env, start, pfs, run } = place;
    const [inFile, inEnvironment, later] = ["in-file", "in-environment", "later"].map((name) =>
      join(top, name),
    );
    const file = join(top, "config.json");
    env.PFS_CONFIG = file;
    const books = [{ book: "my-book", schema: "any" }];
    const save = (remote: object) =>
      writeFileSync(file, JSON.stringify({ books, remotes: [{ book: "my-book", ...remote }] }));
    const urlsOf = async () => {
      const { log, blobs } = JSON.parse(await pfs("remote", "list", "--json"));
      return [log, blobs];
    };
    const isShared = [`file://${inEnvironment}`, `file://${inEnvironment}`];
    const problems = async (): Promise<string[]> => JSON.parse(await pfs("status", "--json")).config.problems;

    save({});
    const neither = start(PFS, "up");
    await neither.until(/^Serving/);
    assert.match((await problems())[0] as string, /my-book is not cloned: No URL says where the bytes are/);
    await pfs("stop");
    await neither.exit;
    assert.match(
      (await run("doctor")).stdout,
      /fail +remotes +my-book: No URL says where the bytes are shared/,
    );

    save({ blobs: `file://${inFile}` });
    env.PFS_REMOTE = `file://${inEnvironment}`;
    const first = start(PFS, "up");
    await first.until(/^Serving/);
    assert.deepEqual([await urlsOf(), await problems()], [isShared, []]);
    assert.ok(!existsSync(inFile as string));
    await pfs("stop");
    await first.exit;

    env.PFS_REMOTE = `file://${later}`;
    const second = start(PFS, "up");
    await second.until(/^Serving/);
    const [told] = await problems();
    assert.match(
      told as string,
      /^The book my-book is not shared: it is shared on .*in-environment already, and not on file:\S+later and file:\S+later\.$/,
    );
    assert.deepEqual(await urlsOf(), isShared);
    assert.ok(!existsSync(later as string));
    await pfs("stop");
    await second.exit;
  }));
