// Bytes that are on the remote only, through the real commands and mounts: whoever needs them gets them, or is told why not.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execute, PFS, type Place, withPlace } from "../daemon/harness.ts";

/** Longer than what is kept in the database. */
const LARGE = Buffer.alloc(300_000, "large ");
const SMALL = Buffer.from("one\ntwo\nthree\n");

interface Clone {
  /** A store that has a book `my-book` and none of its bytes. */
  readonly place: Place;
  /** Takes the remote away. */
  takeAway(): void;
  bringBack(): void;
}

async function withClone(use: (clone: Clone) => Promise<void>): Promise<void> {
  await withPlace(async (a) => {
    await withPlace(
      async (place) => {
        const [source, remote, away] = ["source", "remote", "away"].map((name) => join(a.top, name));
        mkdirSync(join(source!, "part"), { recursive: true });
        writeFileSync(join(source!, "part/small.md"), SMALL);
        writeFileSync(join(source!, "part/large.md"), LARGE);
        symlinkSync("small.md", join(source!, "part/link.md"));
        await a.pfs("import", "my-book", source!, "--schema", "any");
        await a.pfs("remote", "add", "my-book", `file://${remote}`);
        await a.pfs("push", "my-book");
        await place.pfs("clone", `file://${remote}`, "my-book");
        await use({
          place,
          takeAway: () => renameSync(remote!, away!),
          bringBack: () => renameSync(away!, remote!),
        });
      },
      { env: { PFS_AGENT_ID: "bob" } },
    );
  });
}

test("a mount of a clone: readlink(2), truncate(2) and rename(2) to a backup wait for the bytes that they need", () =>
  withClone(async ({ place }) => {
    await place.pfs("mount", "my-book", place.dir);
    const at = (name: string): string => join(place.dir, "part", name);
    assert.equal(readlinkSync(at("link.md")), "small.md");
    truncateSync(at("large.md"), 200_000);
    assert.deepEqual(readFileSync(at("large.md")), LARGE.subarray(0, 200_000));
    renameSync(at("small.md"), at("small.md~"));
    assert.equal(readFileSync(at("small.md~"), "utf8"), SMALL.toString());
    await place.pfs("verify");
  }));

test("the past of a clone, mounted and below .pfs/at: small and large files and links come when they are read", () =>
  withClone(async ({ place }) => {
    const { seq } = await place.status();
    await place.pfs("mount", "my-book", place.dir, "-o", `at=${seq}`);
    const at = (directory: string, name: string): string => join(directory, "part", name);
    assert.equal(readFileSync(at(place.dir, "small.md"), "utf8"), SMALL.toString());
    await place.pfs("mount", "my-book", place.otherDir);
    const below = join(place.otherDir, ".pfs/at", `${seq}`);
    assert.equal(readlinkSync(at(below, "link.md")), "small.md");
    assert.deepEqual(readFileSync(at(below, "large.md")), LARGE);
  }));

test("a small file below .pfs/at of a clone comes when it is read", () =>
  withClone(async ({ place }) => {
    const { seq } = await place.status();
    await place.pfs("mount", "my-book", place.dir);
    const file = join(place.dir, ".pfs/at", `${seq}`, "part/small.md");
    assert.equal(readFileSync(file, "utf8"), SMALL.toString());
  }));

test("a mount of a clone without its remote: EIO and nothing changed, and all of it when the remote is back", () =>
  withClone(async ({ place, takeAway, bringBack }) => {
    await place.pfs("mount", "my-book", place.dir);
    const at = (name: string): string => join(place.dir, "part", name);
    takeAway();
    const { seq } = await place.status();
    assert.throws(() => readlinkSync(at("link.md")), { code: "EIO" });
    assert.throws(() => truncateSync(at("small.md"), 3), { code: "EIO" });
    assert.equal((await place.status()).seq, seq);
    bringBack();
    truncateSync(at("small.md"), 3);
    assert.equal(readFileSync(at("link.md"), "utf8"), "one");
  }));

/** Names of the files in a ZIP archive with their bytes, as Python reads them. */
async function unzipped(path: string): Promise<Record<string, number>> {
  const script =
    "import json,sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); print(json.dumps({i.filename: len(z.read(i)) for i in z.infolist()}))";
  const { stdout, code, stderr } = await execute("python3", ["-c", script, path]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const WHOLE = { "part/large.md": LARGE.length, "part/link.md": 8, "part/small.md": SMALL.length };

for (const way of ["without a daemon", "through a daemon"] as const) {
  const begin = async (place: Place): Promise<void> => {
    if (way === "through a daemon") await place.pfs("mount", "my-book", place.dir);
  };

  test(`${way}: pfs cat, show and export fetch what they read, and leave it here`, () =>
    withClone(async ({ place, takeAway }) => {
      await begin(place);
      assert.equal(await place.pfs("cat", "my-book", "part/small.md"), SMALL.toString());
      const { seq } = await place.status();
      assert.equal(await place.pfs("show", "my-book", `${seq}`, "part/large.md"), LARGE.toString());
      const exported = join(place.top, "exported");
      await place.pfs("export", "my-book", exported);
      assert.deepEqual(readFileSync(join(exported, "part/large.md")), LARGE);
      assert.equal(readlinkSync(join(exported, "part/link.md")), "small.md");
      takeAway();
      await place.pfs("export", "my-book", join(place.top, "again"));
      await place.pfs("verify");
    }));

  test(`${way}: pfs diff fetches both versions`, () =>
    withClone(async ({ place }) => {
      await begin(place);
      await put(place, "part/small.md", "one\nTWO\nthree\n");
      const before = (await place.status()).seq - 1;
      const { code, stdout, stderr } = await place.run("diff", "my-book", `${before}`);
      assert.equal(code, 1, stderr);
      assert.match(stdout, /^-two$/m);
      assert.match(stdout, /^\+TWO$/m);
    }));

  test(`${way}: pfs archive fetches; the archive is whole`, () =>
    withClone(async ({ place }) => {
      await begin(place);
      const file = join(place.top, "book.zip");
      await place.pfs("archive", "my-book", "-o", file);
      assert.deepEqual(await unzipped(file), WHOLE);
    }));

  test(`${way}: pfs restore fetches what it brings back; where that cannot be had nothing has changed`, () =>
    withClone(async ({ place, takeAway, bringBack }) => {
      await begin(place);
      const { seq } = await place.status();
      await put(place, "part/small.md", "new\n");
      takeAway();
      const refused = await place.run("restore", "my-book", `${seq}`, "part");
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /part\/small\.md cannot be read: its bytes are on the remote only/);
      assert.equal(await place.pfs("cat", "my-book", "part/small.md"), "new\n");
      bringBack();
      assert.match(await place.pfs("restore", "my-book", `${seq}`, "part"), /1 updated/);
      assert.equal(await place.pfs("cat", "my-book", "part/small.md"), SMALL.toString());
    }));

  test(`${way}: what cannot be fetched is told with its reason; an archive names it and holds the rest`, () =>
    withClone(async ({ place, takeAway }) => {
      await begin(place);
      await place.pfs("cat", "my-book", "part/small.md");
      takeAway();
      const cat = await place.run("cat", "my-book", "part/large.md");
      assert.equal(cat.code, 1);
      assert.match(cat.stderr, /part\/large\.md cannot be read: its bytes are on the remote only\. .+/);
      const exported = await place.run("export", "my-book", join(place.top, "exported"));
      assert.match(exported.stderr, /its bytes are on the remote only/);
      const file = join(place.top, "book.zip");
      assert.equal((await place.run("archive", "my-book", "-o", file)).code, 3);
      const names = Object.keys(await unzipped(file)).sort();
      assert.deepEqual(names, ["ERRORS.json", "part/small.md"]);
    }));
}

test("reading .pfs/archive.zip of a clone fetches what is in it", () =>
  withClone(async ({ place }) => {
    await place.pfs("mount", "my-book", place.dir);
    const file = join(place.top, "book.zip");
    writeFileSync(file, readFileSync(join(place.dir, ".pfs/archive.zip")));
    assert.deepEqual(await unzipped(file), WHOLE);
  }));

async function put(place: Place, path: string, text: string): Promise<void> {
  const child = spawn(process.execPath, [PFS, "write", "my-book", path], {
    env: place.env,
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin.end(text);
  assert.deepEqual(await once(child, "exit"), [0, null]);
}
