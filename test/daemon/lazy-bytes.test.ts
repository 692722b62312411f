// Bytes that are on the remote only, through the real commands and mounts: whoever needs them gets them, or is told why not.

import assert from "node:assert/strict";
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
import { type Place, withPlace } from "./harness.ts";

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

test("a mount of a clone: readlink(2) and truncate(2) wait for the bytes that they need", () =>
  withClone(async ({ place }) => {
    await place.pfs("mount", "my-book", place.dir);
    const at = (name: string): string => join(place.dir, "part", name);
    assert.equal(readlinkSync(at("link.md")), "small.md");
    assert.equal(readFileSync(at("link.md"), "utf8"), SMALL.toString(), "through the link");
    truncateSync(at("large.md"), 200_000);
    assert.deepEqual(readFileSync(at("large.md")), LARGE.subarray(0, 200_000));
    await place.pfs("verify");
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
