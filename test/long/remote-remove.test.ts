// Ending to share a book, with and without a daemon: nothing is lost here or there, and it can be taken up again.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, PFS, type Place, withPlace } from "../daemon/harness.ts";

interface Two {
  /** Who has the book first, and has pushed it. */
  readonly a: Place;
  /** Who has cloned it. */
  readonly b: Place;
  readonly url: string;
  readonly remote: string;
}

async function withTwo(use: (two: Two) => Promise<void>): Promise<void> {
  await withPlace(
    async (a) => {
      await withPlace(
        async (b) => {
          const [source, remote] = [join(a.top, "source"), join(a.top, "remote")];
          const url = `file://${remote}`;
          mkdirSync(source);
          for (const name of ["one.md", "two.md"]) writeFileSync(join(source, name), `${name}\n`);
          await a.pfs("import", "my-book", source, "--schema", "any");
          await a.pfs("remote", "add", "my-book", url);
          await a.pfs("push", "my-book");
          await b.pfs("clone", url, "my-book");
          await use({ a, b, url, remote });
        },
        { env: { PFS_AGENT_ID: "bob" } },
      );
    },
    { env: { PFS_AGENT_ID: "alice" } },
  );
}

async function write(place: Place, path: string, text: string): Promise<void> {
  const file = join(place.top, "input");
  mkdirSync(file, { recursive: true });
  writeFileSync(join(file, path), text);
  await place.pfs("import", "my-book", file);
  rmSync(file, { recursive: true });
}

async function manifestOf(place: Place): Promise<string> {
  return (await place.pfs("manifest", "my-book", "--hash")).trim();
}

async function syncOf(place: Place): Promise<{ book: string; pending: number; error: string | null }[]> {
  return ((await place.status()) as unknown as { sync: [] }).sync;
}

test("a book that is shared no more stays, with its log; what others do comes again once it is shared there again", () =>
  withTwo(async ({ a, b, url }) => {
    await write(a, "one.md", "not sent yet\n");
    const said = await a.pfs("remote", "remove", "my-book");
    assert.match(
      said,
      /The book my-book is shared no more; it was on file:.*\n1 change had not been sent there/,
    );
    assert.match(await a.pfs("remote", "list"), /No book is shared/);
    assert.equal(await a.pfs("cat", "my-book", "one.md"), "not sent yet\n");
    assert.match((await a.run("push", "my-book")).stderr, /my-book is not shared/);
    await write(a, "two.md", "alone\n");
    await write(b, "three.md", "bob's\n");
    await b.pfs("push", "my-book");
    const log = await a.pfs("log", "my-book", "--json");
    await a.pfs("verify");
    await a.pfs("remote", "add", "my-book", url);
    assert.match(await a.pfs("push", "my-book"), /2 changes pushed \(2 blobs, .*1 change of others pulled/);
    assert.ok(
      (await a.pfs("log", "my-book", "--json")).includes(log.trim()),
      "no row of the log has changed",
    );
    await b.pfs("pull", "my-book");
    assert.equal(await manifestOf(b), await manifestOf(a));
    for (const place of [a, b]) await place.pfs("verify");
    await a.pfs("verify", "--remote", "my-book");
  }));

test("refused while bytes are on the remote only, of files and of older versions; nothing is lost once it is done", () =>
  withTwo(async ({ a, b, remote }) => {
    const refused = await b.run("remote", "remove", "my-book");
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /on its remote only: those of 2 files\.\n.*`pfs prefetch my-book` fetches them/,
    );
    await b.pfs("cat", "my-book", "one.md");
    await write(b, "two.md", "bob's\n");
    assert.match(
      (await b.run("remote", "remove", "my-book")).stderr,
      /those of 1 older version\.\n.*`pfs prefetch my-book --history`/,
    );
    assert.equal((await syncOf(b)).length, 1, "it is still shared");
    assert.match(await b.pfs("prefetch", "my-book"), /fetched 0 blobs/);
    assert.match(await b.pfs("prefetch", "my-book", "--history"), /fetched 1 blob /);
    await b.pfs("remote", "remove", "my-book");
    renameSync(remote, join(a.top, "away"));
    await b.pfs("verify");
    const { seq } = await b.status();
    assert.equal(await b.pfs("show", "my-book", `${seq - 1}`, "two.md"), "two.md\n");
    await b.pfs("gc");
    await b.pfs("verify");
  }));

test("with a daemon: it goes on without the remote, and drains once the book is shared there again", () =>
  withTwo(async ({ a, b, url }) => {
    await a.pfs("mount", "my-book", a.dir);
    await a.pfs("remote", "remove", "my-book");
    assert.deepEqual(await syncOf(a), []);
    writeFileSync(join(a.dir, "one.md"), "alone\n");
    await b.pfs("pull", "my-book");
    assert.equal(await b.pfs("cat", "my-book", "one.md"), "one.md\n");
    assert.equal(readFileSync(join(a.dir, "two.md"), "utf8"), "two.md\n");
    await a.pfs("remote", "add", "my-book", url);
    await eventually("it drains", async () => (await syncOf(a))[0]?.pending === 0);
    await b.pfs("pull", "my-book");
    assert.equal(await b.pfs("cat", "my-book", "one.md"), "alone\n");
  }));

test("with a daemon: what is refused goes on being synced", () =>
  withTwo(async ({ a, b }) => {
    await b.pfs("mount", "my-book", b.dir);
    assert.equal((await b.run("remote", "remove", "my-book")).code, 1);
    await write(a, "one.md", "alice's\n");
    await a.pfs("push", "my-book");
    await eventually("it comes", () => readFileSync(join(b.dir, "one.md"), "utf8") === "alice's\n");
  }));

test("elsewhere it is shared anew, with all its rows; a clone does not go over it", () =>
  withTwo(async ({ a, b, url }) => {
    await a.pfs("remote", "remove", "my-book");
    const clone = await a.run("clone", url, "my-book");
    assert.equal(clone.code, 2);
    assert.match(
      clone.stderr,
      /has the book my-book already, with a log of its own.*\n.*`pfs remote add my-book/,
    );
    assert.match(await a.pfs("remote", "list"), /No book is shared/);
    const other = `file://${join(a.top, "other")}`;
    await a.pfs("remote", "add", "my-book", other);
    assert.match(await a.pfs("push", "my-book"), /2 changes pushed \(2 blobs/);
    await a.pfs("verify", "--remote", "my-book");
    await b.pfs("prefetch", "my-book");
    await b.pfs("remote", "remove", "my-book");
    const refused = await b.run("remote", "add", "my-book", other);
    assert.match(refused.stderr, /The remote has a book my-book already/);
    await b.pfs("remote", "add", "my-book", url);
  }));

test("what the configuration shares is not taken back by the command", () =>
  withTwo(async ({ b, url }) => {
    const file = join(b.top, "config.json");
    writeFileSync(file, JSON.stringify({ remotes: [{ book: "my-book", blobs: url }] }));
    b.env.PFS_CONFIG = file;
    const daemon = b.start(PFS, "up");
    await eventually("it runs", async () => (await b.status()).pid !== null);
    await b.pfs("prefetch", "my-book");
    const refused = await b.run("remote", "remove", "my-book");
    assert.match(refused.stderr, /The configuration .* says that my-book is shared\.\n.*`remotes`/);
    writeFileSync(file, JSON.stringify({ remotes: [] }));
    await eventually("it is read", async () => (await b.run("remote", "remove", "my-book")).code === 0);
    assert.deepEqual(await syncOf(b), []);
    await b.pfs("stop");
    assert.equal(await daemon.exit, 0);
  }));
