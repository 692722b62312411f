// A real Docusaurus site on a mounted book: its dev server follows what is saved in the mount, a browser shows it, its
// build succeeds. Owns no other promise than that the mount serves such a site as an ordinary directory would.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { BrowserContext, Locator, Page } from "playwright-core";
import type { LogRow } from "../../schema/log-row.ts";
import { openBrowser } from "./browser.ts";
import { DocusaurusSite } from "./docusaurus-site.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const CHAPTER = "content/02-Writing-Together/04-When-Two-People-Edit";
const LESSON = `${CHAPTER}/01-lost-updates.md`;
const LESSON_ADDRESS = "/Writing-Together/When-Two-People-Edit/lost-updates";
const ADDED = `${CHAPTER}/04-a-quiet-hour.md`;
const IMAGE = "img/two-editors.png";
const IMAGE_WIDTH = 480;
/** Seconds are enough for a dev server that hears of a change; this is for a machine that is busy with something else. */
const SEEN_MS = 60_000;

let home = "";
let book = "";
let site: DocusaurusSite | undefined;
let browser: BrowserContext | undefined;
let address = "";

/** Runs a command of pfs on the test's own store; resolves with what it prints. */
async function pfs(...args: string[]): Promise<string> {
  const env = { ...process.env, PFS_STORE: join(home, "store") };
  const { stdout } = await run(process.execPath, [join(ROOT, "bin/pfs.js"), ...args], { env });
  return stdout;
}

/** Operation, path and program of the log's rows after the import, oldest first. */
async function readLog(): Promise<string[]> {
  const lines = (await pfs("log", "sample", "--agent", "docusaurus-test", "--json")).trim().split("\n");
  const rows = lines.map((line) => JSON.parse(line) as LogRow).reverse();
  return rows.map(({ operation, path, command, status }) => `${status} ${operation} ${path} ${command}`);
}

function page(): Page {
  const first = browser?.pages()[0];
  assert.ok(first !== undefined, "the browser has not been opened");
  return first;
}

function linkInSidebar(name: string): Locator {
  return page().getByRole("navigation", { name: "Docs sidebar" }).getByRole("link", { name, exact: true });
}

before(async () => {
  home = mkdtempSync(join(tmpdir(), "pfs-test-"));
  book = join(home, "book");
  mkdirSync(book);
  await pfs("init", "sample", "--schema", "strict");
  await pfs("import", "sample", join(ROOT, "examples/sample-book"));
  await pfs("mount", "sample", book, "-o", "agent=docusaurus-test");
  site = await DocusaurusSite.install({ dir: join(home, "site"), book });
  address = await site.start();
  browser = await openBrowser(join(home, "browser"));
  page().setDefaultTimeout(SEEN_MS);
});

after(async () => {
  try {
    await browser?.close();
    await site?.stop();
  } finally {
    await pfs("stop");
    rmSync(home, { recursive: true, force: true });
  }
});

test("docusaurus: the site is pointed at the mount by the lines that README shows", () => {
  const shown = /docs: (\{.*?\})[\s\S]*?staticDirectories: (\[.*\])/.exec(
    readFileSync(join(ROOT, "README.md"), "utf8"),
  );
  const used = readFileSync(join(ROOT, "test/sites/docusaurus/docusaurus.config.js"), "utf8");
  assert.ok(shown !== null, "README.md shows docs and staticDirectories");
  for (const lines of shown.slice(1)) {
    const own = lines.replace(/"\/home\/[^"]*?\/(content|static)"/, "`$${book}/$1`");
    assert.ok(used.includes(own), `the site's configuration has ${own}`);
  }
});

test("docusaurus: the dev server shows a lesson of the mount, with its image", async () => {
  const failures: string[] = [];
  page().on("pageerror", (error) => failures.push(error.message));
  await page().goto(`${address}${LESSON_ADDRESS}`);
  await page().getByRole("heading", { name: "Lost updates", level: 1 }).waitFor();
  assert.match(await page().title(), /^Lost updates/);
  await page().getByText("Ana opens a lesson at ten o'clock").waitFor();
  const image = "document.querySelector('article img')";
  await page().waitForFunction(`${image}.complete`);
  assert.equal(await page().evaluate(`${image}.naturalWidth`), IMAGE_WIDTH);

  const served = await fetch(`${address}/${IMAGE}`);
  assert.equal(served.headers.get("content-type"), "image/png");
  assert.deepEqual(Buffer.from(await served.arrayBuffer()), await readFile(join(book, "static", IMAGE)));
  assert.deepEqual(failures, []);
});

test("docusaurus: what vim saves in the mount shows in the open page, without polling", async () => {
  const lesson = join(book, LESSON);
  const [original, { ino }] = [await readFile(lesson, "utf8"), await stat(lesson)];
  const edit = ["-c", "%s/ten o'clock/noon/", "-c", "wq"];
  // As users have it: a swap file beside the lesson, and the old version renamed to a backup while the new one is written.
  const dance = ["-c", "set swapfile writebackup backupcopy=no directory=."];
  await run("vim", ["-Nu", "NONE", "-i", "NONE", "-es", lesson, ...dance, ...edit], {
    env: { ...process.env, HOME: home },
  });
  await page().getByText("Ana opens a lesson at noon").waitFor();
  assert.equal(await readFile(lesson, "utf8"), original.replace("ten o'clock", "noon"));
  assert.equal((await stat(lesson)).ino, ino, "I1: it is the same file");
});

test("docusaurus: a lesson that is added to the mount appears in the sidebar, a removed one goes", async () => {
  await linkInSidebar("Small changes").waitFor();
  assert.equal(await linkInSidebar("A quiet hour").count(), 0);
  await writeFile(join(book, ADDED), "---\ntitle: A quiet hour\n---\n\nNobody else is here.\n");
  await linkInSidebar("A quiet hour").waitFor();
  await rm(join(book, ADDED));
  await linkInSidebar("A quiet hour").waitFor({ state: "detached" });
  await linkInSidebar("Small changes").waitFor();
});

test("docusaurus: the site builds from the mount, every link checked", async () => {
  assert.ok(site !== undefined);
  await site.stop();
  const built = await site.build();
  const html = await readFile(join(built, LESSON_ADDRESS, "index.html"), "utf8");
  assert.match(html, /Ana opens a lesson at noon/);
  assert.deepEqual(await readFile(join(built, IMAGE)), await readFile(join(book, "static", IMAGE)));
});

test("docusaurus: the log has one update for vim's save, and nothing of the dev server or the build", async () => {
  const [update, ...others] = await readLog();
  assert.equal(update, `ok update ${LESSON} vim`);
  assert.deepEqual(
    others.map((row) => row.replace(/ \S+$/, "")),
    [`ok create ${ADDED}`, `ok delete ${ADDED}`],
  );
  await pfs("verify");
});
