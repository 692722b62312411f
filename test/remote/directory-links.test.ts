// A shared directory in which somebody else has put links to what is this user's: nothing there is read, changed or removed.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DirectoryBlobs } from "../../lib/remote/directory-blobs.ts";
import { type BlobSource, SEGMENT_MAX_BYTES } from "../../lib/remote/remote-blobs.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { collect, sourceOf } from "./sources.ts";

const NAME = "my-book/content/a.md";
const SECRET = "what only alice may read";
const lesson = sourceOf("the lesson");

interface Place {
  /** The shared one. */
  readonly directory: string;
  /** Alice's own, with a file `a.md` that is two days old. */
  readonly home: string;
  /** Of alice's process, with one blob. */
  readonly blobs: DirectoryBlobs;
}

/** Nothing in alice's own directory has changed when it ends. */
async function withPlace(work: (place: Place) => Promise<void>): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const [directory, home] = [join(top, "shared"), join(top, "alice")];
    mkdirSync(home);
    for (const name of ["a.md", "0".repeat(24)]) {
      writeFileSync(join(home, name), SECRET);
      const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 3600;
      utimesSync(join(home, name), twoDaysAgo, twoDaysAgo);
    }
    const blobs = new DirectoryBlobs(directory, { isNew: true });
    await blobs.put(lesson);
    await work({ directory, home, blobs });
    assert.deepEqual(readdirSync(home).sort(), ["0".repeat(24), "a.md"]);
    for (const name of readdirSync(home)) assert.equal(readFileSync(join(home, name), "utf8"), SECRET);
  } finally {
    rmSync(top, { recursive: true });
  }
}

/** Puts a link in the place of what is there. */
function replace(path: string, target: string): void {
  rmSync(path, { recursive: true, force: true });
  symlinkSync(target, path);
}

function published({ hash, sizeBytes }: BlobSource) {
  return { name: NAME, hash, sizeBytes };
}

function isRefused(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RemoteError, String(error));
    assert.deepEqual([error.code, error.isRetryable], [code, false]);
    assert.match(error.message, message);
    return true;
  };
}

for (const name of ["tmp", "blobs", "books", "log"]) {
  test(`links: where ${name} is a link the remote is refused, by whoever has it open, too`, async () => {
    await withPlace(async ({ directory, home, blobs }) => {
      const linked = isRefused(
        "UNAVAILABLE",
        new RegExp(`/shared/${name} is no directory, and symbolic links`),
      );
      replace(join(directory, name), home);
      for (const each of [
        blobs,
        new DirectoryBlobs(directory),
        new DirectoryBlobs(directory, { isNew: true }),
      ]) {
        if (name === "log") {
          await assert.rejects(each.putSegment("a.md", Buffer.from("rows")), linked);
          await assert.rejects(each.getSegment("a.md"), linked);
        } else if (name === "books") {
          await assert.rejects(each.publish({ ...published(lesson), name: "a.md" }), linked);
          await assert.rejects(each.unpublish(["a.md"]), linked);
          await assert.rejects(each.findPublished("a.md"), linked);
          await assert.rejects(Array.fromAsync(each.listPublished("")), linked);
        } else {
          await assert.rejects(each.put(sourceOf("another lesson")), linked);
        }
      }
    });
  });
}

test("links: R2: a blob that is a link is neither published nor given, whatever bytes it leads to", async () => {
  await withPlace(async ({ directory, home, blobs }) => {
    const secret = sourceOf(SECRET);
    for (const hash of [secret.hash, "0".repeat(64) as BlobHash]) {
      const folder = join(directory, "blobs", hash.slice(0, 2));
      mkdirSync(folder, { recursive: true });
      symlinkSync(join(home, "a.md"), join(folder, hash));
      const noFile = isRefused("CORRUPT", new RegExp(`${hash} is no file`));
      await assert.rejects(blobs.publish({ ...published(secret), hash }), noFile);
      await assert.rejects(collect(blobs.get(hash)), noFile);
      await assert.rejects(blobs.has(hash), noFile);
      await assert.rejects(blobs.delete(hash), noFile);
    }
    assert.equal(await blobs.findPublished(NAME), undefined);
    assert.deepEqual(readdirSync(join(directory, "tmp")), []);
    assert.deepEqual((await Array.fromAsync(blobs.list())).flat().length, 1);
  });
});

test("links: R2: nothing of a directory of blobs that is a link is published, given, listed or removed, and nothing comes into it", async () => {
  await withPlace(async ({ directory, home, blobs }) => {
    const { hash } = lesson;
    const folder = join(directory, "blobs", hash.slice(0, 2));
    renameSync(folder, join(directory, "elsewhere"));
    symlinkSync(join(directory, "elsewhere"), folder);
    const noDirectory = isRefused("CORRUPT", new RegExp(`blobs/${hash.slice(0, 2)} is no directory`));
    await assert.rejects(blobs.publish(published(lesson)), noDirectory);
    await assert.rejects(collect(blobs.get(hash)), noDirectory);
    await assert.rejects(blobs.has(hash), noDirectory);
    await assert.rejects(blobs.delete(hash), noDirectory);
    assert.deepEqual(await Array.fromAsync(blobs.list()), []);
    replace(folder, home);
    await assert.rejects(blobs.put(lesson), noDirectory);
  });
});

test("links: R2: a blob with other bytes than its name says is not published", async () => {
  await withPlace(async ({ directory, blobs }) => {
    const path = join(directory, "blobs", lesson.hash.slice(0, 2), lesson.hash);
    for (const bytes of ["THE LESSON", "the lesson, and more", ""]) {
      writeFileSync(path, bytes);
      await assert.rejects(
        blobs.publish(published(lesson)),
        isRefused("CORRUPT", new RegExp(`${lesson.hash} has other bytes than its name says`)),
      );
    }
    assert.equal(await blobs.findPublished(NAME), undefined);
    assert.deepEqual(readdirSync(join(directory, "tmp")), []);
    writeFileSync(path, "the lesson");
    await blobs.publish(published(lesson));
    assert.equal((await blobs.findPublished(NAME))?.hash, lesson.hash);
  });
});

for (const [at, name] of [
  ["my-book", "my-book/a.md"],
  ["my-book/content", NAME],
] as const) {
  test(`links: through books/${at} nothing is taken away, found or listed; what is published takes the link's place`, async () => {
    await withPlace(async ({ directory, home, blobs }) => {
      await blobs.publish({ ...published(lesson), name });
      replace(join(directory, "books", at), home);
      await blobs.unpublish([name]);
      assert.equal(await blobs.findPublished(name), undefined);
      const listed = (await Array.fromAsync(blobs.listPublished(""))).flat();
      assert.deepEqual(
        listed.filter((found) => found.name.startsWith(`${at}/`)),
        [],
      );
      await blobs.publish({ ...published(lesson), name });
      assert.equal((await blobs.findPublished(name))?.hash, lesson.hash);
      assert.equal(readFileSync(join(directory, "books", name), "utf8"), "the lesson");
    });
  });
}

test("links: where a file is published in a directory's place, links in it go and what they lead to stays", async () => {
  await withPlace(async ({ directory, home, blobs }) => {
    const folder = join(directory, "books", NAME);
    mkdirSync(join(folder, "deep/deeper"), { recursive: true });
    for (const path of ["linked", "deep/linked", "deep/deeper/linked"]) symlinkSync(home, join(folder, path));
    symlinkSync(join(home, "a.md"), join(folder, "deep/a.md"));
    await blobs.publish(published(lesson));
    assert.equal(readFileSync(folder, "utf8"), "the lesson");
  });
});

test("links: a segment of a log is read from a plain file only, and no more of it than a segment has", async () => {
  await withPlace(async ({ directory, home, blobs }) => {
    const name = "my-book/store/00000001";
    await blobs.putSegment(name, Buffer.from("rows"));
    const path = join(directory, "log", name);
    // They say that they have no bytes, and the last two never end.
    for (const target of [join(home, "a.md"), "/proc/self/pagemap", "/dev/zero"]) {
      replace(path, target);
      await assert.rejects(blobs.getSegment(name), isRefused("CORRUPT", /00000001 is no file/), target);
    }
    rmSync(path);
    writeFileSync(path, "");
    truncateSync(path, SEGMENT_MAX_BYTES + 1);
    await assert.rejects(blobs.getSegment(name), isRefused("CORRUPT", /it is too long/));
    replace(join(directory, "log/my-book"), home);
    const noDirectory = isRefused("CORRUPT", /log\/my-book is no directory/);
    await assert.rejects(blobs.getSegment("my-book/a.md"), noDirectory);
    await assert.rejects(blobs.putSegment("my-book/a.md", Buffer.from("rows")), noDirectory);
    await assert.rejects(blobs.putSegment(name, Buffer.from("rows")), noDirectory);
  });
});

test("links: the remote as a whole may be behind a link", async () => {
  await withPlace(async ({ directory }) => {
    const link = `${directory}-link`;
    symlinkSync(directory, link);
    const blobs = new DirectoryBlobs(link);
    await blobs.publish(published(lesson));
    assert.equal(
      createHash("sha256")
        .update(await collect(blobs.get(lesson.hash)))
        .digest("hex"),
      lesson.hash,
    );
    assert.ok(existsSync(join(directory, "books", NAME)));
  });
});
