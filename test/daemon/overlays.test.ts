// Mounts of several users over one base, with real programs and the commands beside them.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, LESSON, SAMPLE, withPlace } from "./harness.ts";

const errnoOf = (action: () => void): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
};

test("R5, FR-015, FR-018: users and the base side by side, in real mounts: each sees its own, then gives it up", () =>
  withPlace(async ({ top, dir: base, pfs, run }) => {
    const [alice, bob] = [join(top, "alice"), join(top, "bob")];
    for (const path of [alice, bob]) mkdirSync(path);
    try {
      await pfs("import", "my-book", SAMPLE);
      await pfs("mount", "my-book", base);
      await pfs("mount", "my-book", alice, "-o", "user=alice,agent=claude-7");
      await pfs("mount", "my-book", bob, "-o", "user=bob,delete=hide");
      const before = readFileSync(join(base, LESSON), "utf8");
      const inode = statSync(join(base, LESSON)).ino;

      execFileSync("sed", ["-i", "1s/^/alice /", join(alice, LESSON)]);
      assert.equal(readFileSync(join(alice, LESSON), "utf8"), `alice ${before}`);
      for (const other of [base, bob]) assert.equal(readFileSync(join(other, LESSON), "utf8"), before);
      assert.equal(statSync(join(alice, LESSON)).ino, inode, "I1");

      appendFileSync(join(base, LESSON), "base too\n");
      assert.equal(readFileSync(join(alice, LESSON), "utf8"), `alice ${before}`);
      assert.equal(readFileSync(join(bob, LESSON), "utf8"), `${before}base too\n`, "C1");

      const other = LESSON.replace("01-why-plain-text", "02-markdown-in-practice");
      assert.equal(
        errnoOf(() => rmSync(join(alice, other))),
        "EPERM",
      );
      assert.equal(
        errnoOf(() => renameSync(join(alice, "content/01-Foundations"), join(alice, "content/09-F"))),
        "EPERM",
      );
      rmSync(join(bob, other));
      assert.equal(existsSync(join(bob, other)), false);
      execFileSync("mv", [join(bob, "content/02-Writing-Together"), join(bob, "content/09-Writing")]);
      assert.deepEqual(readdirSync(join(bob, "content")).sort(), [
        "01-Foundations",
        "03-Keeping-and-Publishing",
        "09-Writing",
      ]);
      assert.equal(readdirSync(join(base, "content")).length, 3);

      // The base renames a chapter: what alice has in it goes along.
      writeFileSync(join(alice, LESSON.replace("01-why-plain-text", "09-mine")), "mine\n");
      renameSync(join(base, "content/01-Foundations"), join(base, "content/08-Foundations"));
      const moved = LESSON.replace("01-Foundations", "08-Foundations");
      await eventually("alice sees the new name", () => existsSync(join(alice, moved)));
      assert.equal(readFileSync(join(alice, moved), "utf8"), `alice ${before}`);
      assert.equal(
        readFileSync(join(alice, moved.replace("01-why-plain-text", "09-mine")), "utf8"),
        "mine\n",
      );
      assert.equal(existsSync(join(alice, LESSON)), false);

      const status = JSON.parse(readFileSync(join(alice, ".pfs/status.json"), "utf8"));
      assert.deepEqual(
        status.mounts.map(({ user }: { user: string | null }) => user),
        [null, "alice", "bob"],
      );
      assert.match(await pfs("log", "my-book", "--user", "alice", "-n", "1"), /\[alice\] /);
      const overlays = (await pfs("overlays", "my-book", "--json"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        overlays.map(({ user, changed, added }) => [user, changed, added]),
        [
          ["alice", 1, 1],
          ["bob", 16, 0],
        ],
      );

      const diff = await run("diff", "my-book", "--user", "alice");
      assert.equal(diff.code, 1);
      assert.match(diff.stdout, /\n\+mine\n/);
      assert.match(diff.stdout, /\n\+alice /);
      const hidden = (await run("diff", "my-book", "--user", "bob", "--json")).stdout.trim().split("\n");
      const changes = hidden.map((line) => JSON.parse(line).change);
      assert.deepEqual([...new Set(changes)].sort(), ["deleted", "renamed"]);
      assert.equal(changes.length, 17);

      assert.match(
        await pfs("revert", join(alice, moved)),
        /is the base's again\nReverted 1 path of alice's overlay/,
      );
      assert.equal(readFileSync(join(alice, moved), "utf8"), `${before}base too\n`);
      const refused = await run("revert", join(base, moved));
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /is not in a mount of a user/);
      await pfs("revert", "my-book", "--user", "bob", "--all");
      await eventually(
        "bob sees the base again",
        () => spawnSync("diff", ["-r", "-x", ".pfs", base, bob], { encoding: "utf8" }).stdout === "",
      );
      await pfs("umount", alice);
      await pfs("revert", "my-book", "--user", "alice", "--all");
      assert.equal(await pfs("overlays", "my-book"), "Nobody has an overlay over my-book.\n");
      await pfs("stop");
      assert.match(await pfs("verify"), /^The store is sound/);
    } finally {
      for (const path of [alice, bob]) spawnSync("umount", ["-l", path]);
    }
  }));

test("R5: overlays outlive the daemon, and work without it", () =>
  withPlace(async ({ dir, pfs }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir, "-o", "user=alice");
    writeFileSync(join(dir, LESSON), "alice's own\n");
    await pfs("stop");
    assert.match(await pfs("overlays", "my-book"), /^alice {2}1 changed/);
    await pfs("mount", "my-book", dir, "-o", "user=alice");
    assert.equal(readFileSync(join(dir, LESSON), "utf8"), "alice's own\n");
    await pfs("stop");
    assert.match(await pfs("revert", "my-book", LESSON, "--user", "alice"), /is the base's again/);
    assert.equal(await pfs("overlays", "my-book"), "Nobody has an overlay over my-book.\n");
  }));
