// What an operator does for a remote, through the real commands: verify it, repair it, remove its garbage.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, LESSON, SAMPLE, withPlace } from "./harness.ts";

function sha256(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("verify, repair and gc --remote: damages are named, mended and gone, and what nobody names goes", () =>
  withPlace(async (place) => {
    const remote = join(place.top, "remote");
    await place.pfs("import", "my-book", SAMPLE);
    assert.match(
      (await place.run("verify", "--remote", "my-book")).stderr,
      /The book my-book is not shared\..*pfs remote add/s,
    );
    await place.pfs("remote", "add", "my-book", `file://${remote}`);
    await place.pfs("push", "my-book");
    assert.match(await place.pfs("verify", "--remote", "my-book", "--rehash"), /is sound \(0 warnings\)/);

    const published = join(remote, "books/my-book", LESSON);
    const original = readFileSync(published);
    writeFileSync(published, "tampered with");
    writeFileSync(join(remote, "books/my-book/content/stray.md"), "nobody's");
    const blob = join(remote, "blobs", sha256(original).slice(0, 2), sha256(original));
    rmSync(blob);
    const found = await place.run("verify", "--remote", "my-book", "--json");
    assert.equal(found.code, 1);
    const findings = found.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { rule: string; subject: string });
    assert.deepEqual(findings.map(({ rule, subject }) => `${rule} ${subject}`).sort(), [
      `B1 ${sha256(original)}`,
      `published my-book/${LESSON}`,
      "published my-book/content/stray.md",
    ]);
    // A daemon may go on working.
    await place.pfs("mount", "my-book", place.dir);
    assert.match(
      await place.pfs("repair", "--remote", "my-book"),
      /Mended 3 damages\. What the remote has of my-book is sound\./,
    );
    assert.deepEqual(readFileSync(published), original);
    assert.equal(existsSync(join(remote, "books/my-book/content/stray.md")), false);
    assert.match(await place.pfs("repair", "--remote", "my-book"), /Nothing was to be mended\./);
    writeFileSync(join(place.dir, LESSON), "saved on the mount\n");
    await eventually(
      "the daemon publishes",
      () => readFileSync(published, "utf8") === "saved on the mount\n",
    );

    const garbage = join(remote, "blobs", sha256("old").slice(0, 2), sha256("old"));
    mkdirSync(join(garbage, ".."), { recursive: true });
    writeFileSync(garbage, "old");
    assert.match(await place.pfs("gc", "--remote", "my-book"), /1 blob that nothing names stayed/);
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    utimesSync(garbage, twoDaysAgo, twoDaysAgo);
    assert.match(await place.pfs("gc", "--remote", "my-book", "--dry-run"), /Would remove 1 blob \(3 B\)/);
    assert.match(await place.pfs("gc", "--remote", "my-book"), /Removed 1 blob \(3 B\)/);
    assert.equal(existsSync(garbage), false);
    assert.match(await place.pfs("verify", "--remote", "my-book", "--rehash"), /is sound/);
  }));
