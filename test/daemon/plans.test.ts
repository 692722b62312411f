// What has changed since a build: pfs plan with and without a daemon, and .pfs/plan on users' mounts and mounts of the past.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PFSD, type Place, withPlace } from "./harness.ts";
import { importFiles, withAndWithoutDaemon } from "./imported.ts";

const hashOf = (text: string): string => hash("sha256", text);

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, "utf8"));
}

async function manifestHash({ pfs }: Place): Promise<string> {
  return (await pfs("manifest", "my-book", "--hash")).trim();
}

test("FR-025: pfs plan lists what has changed since a manifest hash, and says the present one; --json is one object", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs } = place;
    await importFiles(place, { "a.md": "1", "d/b.md": "1" });
    assert.match(
      await pfs("plan", "my-book"),
      /^added {5}a\.md\nadded {5}d\/b\.md\n2 files to build\.\nmanifest {2}[0-9a-f]{64}\n$/,
    );
    const built = await manifestHash(place);
    assert.equal(
      await pfs("plan", "my-book", built),
      `Nothing has changed since ${built.slice(0, 8)}.\nmanifest  ${built}\n`,
    );
    assert.deepEqual(JSON.parse(await pfs("plan", "my-book", built, "--json")), {
      status: "unchanged",
      manifest_hash: built,
      files: [],
    });
    await importFiles(place, { "a.md": "2", "c.md": "1" });
    const text = await pfs("plan", "my-book", built.slice(0, 10), "--json");
    const current = await manifestHash(place);
    assert.equal(text.indexOf("\n"), text.length - 1, "one line");
    assert.deepEqual(JSON.parse(text), {
      status: "changed",
      manifest_hash: current,
      files: [
        { path: "a.md", change: "modified", current_hash: hashOf("2"), target_hash: hashOf("1") },
        { path: "c.md", change: "added", current_hash: hashOf("1"), target_hash: null },
      ],
    });
    assert.equal(
      await pfs("plan", "my-book", built),
      `modified  a.md\nadded     c.md\n2 files changed since ${built.slice(0, 8)}: 1 added, 1 modified, 0 deleted.\nmanifest  ${current}\n`,
    );
  }));

test("pfs plan: a hash that is not known lists all and says so; what is no hash, or begins none, is refused", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs, run } = place;
    await importFiles(place, { "a.md": "1" });
    const unknown = "0f".repeat(32);
    assert.match(
      await pfs("plan", "my-book", unknown),
      /^added {5}a\.md\nThe manifest 0f0f.* is not known here/,
    );
    const plan = JSON.parse(await pfs("plan", "my-book", unknown, "--json"));
    assert.deepEqual([plan.status, plan.files.length], ["changed", 1]);
    assert.match(plan.warning, /is not known here/);
    for (const [word, code, said] of [
      ["0f0f0f0f", 1, /^pfs: No manifest hash of my-book that is known here begins with 0f0f0f0f\.\n/],
      ["2h", 2, /^pfs: "2h" is no manifest hash\.\n/],
    ] as const) {
      const outcome = await run("plan", "my-book", word);
      assert.match(outcome.stderr, said);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ""]);
    }
    assert.match((await run("plan", "other")).stderr, /^pfs: There is no book other/);
  }));

test("pfs plan: without a store it makes none", () =>
  withPlace(async ({ run, store }) => {
    const { code, stderr } = await run("plan", "my-book");
    assert.match(stderr, /^pfs: There is no store in /);
    assert.equal(code, 1);
    await assert.rejects(readFile(join(store, "pfs.db")), { code: "ENOENT" });
  }));

test("manifest and plan are of the base on a user's mount, and of what it shows on a mount of the past; hashes outlive the daemon", () =>
  withPlace(async (place) => {
    const { pfs, dir, otherDir, start } = place;
    await importFiles(place, { "a.md": "1", "b.md": "1" });
    await pfs("mount", "my-book", dir, "-o", "agent=bob");
    const built = (await readFile(join(dir, ".pfs/manifest.hash"), "utf8")).trim();
    await writeFile(join(dir, "a.md"), "2");
    const second = (await readJson(join(dir, `.pfs/plan/${built}`))).manifest_hash as string;
    await writeFile(join(dir, "b.md"), "2");

    await pfs("mount", "my-book", otherDir, "-o", "agent=ulla,user=ulla");
    await writeFile(join(otherDir, "a.md"), "ulla's");
    assert.equal(
      await readFile(join(otherDir, ".pfs/manifest"), "utf8"),
      `a.md:${hashOf("2")}\nb.md:${hashOf("2")}\n`,
    );
    const names = ({ files }: Record<string, unknown>) =>
      (files as { path: string }[]).map(({ path }) => path);
    assert.deepEqual(names(await readJson(join(otherDir, `.pfs/plan/${built}`))), ["a.md", "b.md"]);
    assert.deepEqual(names(await readJson(join(otherDir, `.pfs/plan/${second}`))), ["b.md"]);
    await pfs("umount", otherDir);

    await pfs("stop");
    await start(PFSD).until(/"started"/);
    await pfs("mount", "my-book", otherDir, "-o", `at=${second}`);
    assert.equal((await readFile(join(otherDir, ".pfs/manifest.hash"), "utf8")).trim(), second);
    assert.equal(hashOf(await readFile(join(otherDir, ".pfs/manifest"), "utf8")), second);
    const past = await readJson(join(otherDir, `.pfs/plan/${built}`));
    assert.deepEqual([past.status, past.manifest_hash, names(past)], ["changed", second, ["a.md"]]);
    assert.equal((await readJson(join(otherDir, `.pfs/plan/${second}`))).status, "unchanged");
    assert.equal((await readJson(join(otherDir, ".pfs/manifest.json"))).manifest_hash, second);
    await pfs("mount", "my-book", dir, "-o", "agent=bob");
    await rm(join(dir, "a.md"));
    assert.equal((await readJson(join(otherDir, `.pfs/plan/${built}`))).manifest_hash, second);
  }));
