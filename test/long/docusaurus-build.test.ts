// The build script of examples/build/ with a real Docusaurus site: built once, skipped while nothing changes, built again
// when a lesson does. Owns no other promise than that of the script's README.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { appendFile, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { DocusaurusSite } from "./docusaurus-site.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const SCRIPT = join(ROOT, "examples/build/build.mjs");
const CHAPTER = "content/02-Writing-Together/04-When-Two-People-Edit";
const LESSON = `${CHAPTER}/01-lost-updates.md`;
const PAGE = "build/Writing-Together/When-Two-People-Edit/lost-updates/index.html";
const BUILD = ["node_modules/.bin/docusaurus", "build", "--no-minify"];

let home = "";
let mount = "";
let site: DocusaurusSite | undefined;

async function pfs(...args: string[]): Promise<string> {
  const env = { ...process.env, PFS_STORE: join(home, "store") };
  const { stdout } = await run(process.execPath, [join(ROOT, "bin/pfs.js"), ...args], { env });
  return stdout;
}

function inSite(path: string): string {
  return join(home, "site", path);
}

/** Runs the script; resolves with what it printed. */
async function build(): Promise<string> {
  assert.ok(site !== undefined);
  return await site.runNode(SCRIPT, mount, ...BUILD);
}

async function lastBuilt(): Promise<string> {
  return JSON.parse(await readFile(inSite(".last-built.json"), "utf8")).built;
}

before(async () => {
  home = mkdtempSync(join(tmpdir(), "pfs-test-"));
  mount = join(home, "mount");
  mkdirSync(mount);
  await pfs("init", "sample", "--schema", "strict");
  await pfs("import", "sample", join(ROOT, "examples/sample-book"));
  await pfs("mount", "sample", mount, "-o", "agent=builder");
  site = await DocusaurusSite.install({ dir: join(home, "site"), book: join(home, "nowhere") });
});

after(async () => {
  try {
    await pfs("stop");
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("build script: the first time every file of the book is copied, and the site is built of it", async () => {
  const said = await build();
  assert.match(said, new RegExp(`^added ${LESSON}$`, "m"));
  assert.ok((await readFile(inSite(PAGE), "utf8")).includes("Ben opens the same lesson at five past."));
  assert.deepEqual(await readFile(inSite(`book-copy/${LESSON}`)), await readFile(join(mount, LESSON)));
  const hash = await lastBuilt();
  assert.equal(hash, (await readFile(join(mount, ".pfs/manifest.hash"), "utf8")).trim());
  assert.match(said, new RegExp(`^Built ${hash}\\.$`, "m"));
  const { stdout } = await run("diff", ["-r", "--exclude=.pfs", mount, inSite("book-copy")]);
  assert.equal(stdout, "");
});

test("build script: while nothing has changed, no build is run, also after the daemon was started anew", async () => {
  const { mtimeMs } = await stat(inSite(PAGE));
  assert.match(await build(), /^Nothing has changed since [0-9a-f]{64}: no build\.\n$/);
  await pfs("stop");
  await pfs("mount", "sample", mount, "-o", "agent=builder");
  const original = await readFile(join(mount, LESSON));
  await appendFile(join(mount, LESSON), "For a moment only.\n");
  await writeFile(join(mount, LESSON), original);
  assert.match(await build(), /^Nothing has changed since [0-9a-f]{64}: no build\.\n$/);
  assert.equal((await stat(inSite(PAGE))).mtimeMs, mtimeMs);
});

test("build script: a changed lesson is copied, alone, and the site built: the page has the text; what was deleted is gone", async () => {
  await appendFile(join(mount, LESSON), "\nWritten after the first build.\n");
  const lessons = (await readdir(join(mount, CHAPTER))).filter((name) => !name.startsWith("01-"));
  const removed = `${CHAPTER}/${lessons.filter((name) => name.endsWith(".summary.md")).at(-1)}`;
  await rm(join(mount, removed));
  const before = await lastBuilt();
  // A removal is in the log once nobody can be about to write the file anew.
  while ((await readFile(join(mount, ".pfs/manifest"), "utf8")).includes(removed)) await sleep(50);
  const said = await build();
  assert.deepEqual(
    said.split("\n").filter((line) => /^(added|modified|deleted) /.test(line)),
    [`modified ${LESSON}`, `deleted ${removed}`],
  );
  assert.ok((await readFile(inSite(PAGE), "utf8")).includes("Written after the first build."));
  assert.equal(existsSync(inSite(`book-copy/${removed}`)), false);
  assert.notEqual(await lastBuilt(), before);
  assert.match(await build(), /no build\.\n$/);
});

test("build script: a change of the site itself is built, a build that fails is run again, and its exit code is the script's", async () => {
  assert.ok(site !== undefined);
  const config = inSite("docusaurus.config.js");
  await writeFile(
    config,
    (await readFile(config, "utf8")).replace('title: "Writing together",', 'title: "Another title",'),
  );
  await assert.rejects(site.runNode(SCRIPT, mount, "sh", "-c", "exit 3"), (error: Error) => {
    assert.equal((error.cause as { code?: number }).code, 3);
    return true;
  });
  const said = await site.runNode(SCRIPT, mount, "sh", "-c", "echo built from $PFS_BOOK");
  assert.match(said, new RegExp(`^built from ${inSite("book-copy")}\nBuilt [0-9a-f]{64}\\.\n$`));
  assert.match(await build(), /no build\.\n$/);
});
