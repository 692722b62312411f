// Hot reload from machine to machine: what is saved on one daemon's mount shows in the page that a Docusaurus dev server on
// another's serves, over PostgreSQL and S3, and nobody polls.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { VACANCY_MS } from "../../lib/worktree/vacancies.ts";
import { eventually, type Place, SAMPLE, withPlace } from "../daemon/harness.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { openBrowser } from "./browser.ts";
import { DocusaurusSite } from "./docusaurus-site.ts";

const CHAPTER = "content/02-Writing-Together/04-When-Two-People-Edit";
const LESSON = `${CHAPTER}/01-lost-updates.md`;
const LESSON_ADDRESS = "/Writing-Together/When-Two-People-Edit/lost-updates";
const ADDED = `${CHAPTER}/04-a-quiet-hour.md`;
/** The promise. */
const SHOWN_MS = 2000;
/** What pfs may add on a machine so busy that Docusaurus alone, told by a save on its own mount, takes longer than that. */
const ADDED_MS = 1000;
/** Of so many saves the quickest counts. */
const SAVES = 5;
const LATEST_MS = 60_000;

/** A book that two daemons share, mounted by each; the second one's mount has the site. */
async function withSite(use: (writer: Place, reader: Place, page: Page) => Promise<void>): Promise<void> {
  const postgres = await PostgresServer.make("embedded");
  const s3 = await startS3Server();
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  const as = (agent: string) => ({ env: { ...env, PFS_AGENT_ID: agent } });
  try {
    const database = await postgres.makeDatabase();
    const urls = [`postgres://pfs@127.0.0.1:${postgres.port}/${database}`, s3.urlOf("hot-reload")];
    await withPlace(async (writer) => {
      await withPlace(async (reader) => {
        await writer.pfs("import", "my-book", SAMPLE);
        await writer.pfs("remote", "add", "my-book", ...urls);
        await writer.pfs("push", "my-book");
        await reader.pfs("clone", ...urls, "my-book");
        await writer.pfs("mount", "my-book", writer.dir);
        await reader.pfs("mount", "my-book", reader.dir);
        const site = await DocusaurusSite.install({ dir: join(reader.top, "site"), book: reader.dir });
        const home = join(reader.top, "browser");
        try {
          const address = await site.start();
          const browser = await openBrowser(home);
          try {
            const page = browser.pages()[0];
            assert.ok(page !== undefined);
            page.setDefaultTimeout(LATEST_MS);
            await page.goto(`${address}${LESSON_ADDRESS}`);
            await use(writer, reader, page);
          } finally {
            await browser.close();
          }
        } finally {
          await site.stop();
        }
      }, as("reader"));
    }, as("writer"));
  } finally {
    await s3.stop();
    await postgres.remove();
  }
}

/** Milliseconds from the end of what is done until the page shows it. */
async function shownMs(act: () => Promise<void>, isShown: () => Promise<void>): Promise<number> {
  await act();
  const doneMs = performance.now();
  await isShown();
  return Math.round(performance.now() - doneMs);
}

/** The quickest of the saves on the other machine is soon enough, or as good as one on the machine of the site itself. */
function assertSoon(far: readonly number[], near: readonly number[], moreMs = 0): void {
  const limitMs = Math.max(SHOWN_MS, Math.min(...near) + ADDED_MS) + moreMs;
  assert.ok(Math.min(...far) < limitMs, `${far} ms; on the site's own mount ${near} ms`);
}

test("hot reload: a save on one machine shows in the page that Docusaurus serves on another within two seconds; so do a new and a removed lesson", (t) =>
  withSite(async (writer, reader, page) => {
    const link = (name: string): Locator =>
      page.getByRole("navigation", { name: "Docs sidebar" }).getByRole("link", { name, exact: true });
    const original = await readFile(join(writer.dir, LESSON), "utf8");
    const places = { near: [reader, writer], far: [writer, reader] } as const;
    const changed = { near: [] as number[], far: [] as number[] };
    const added = { near: [] as number[], far: [] as number[] };
    const removed = { near: [] as number[], far: [] as number[] };
    await page.getByText("Ana opens a lesson at ten o'clock").waitFor();
    for (let round = 0; round < SAVES; round++)
      for (const which of ["near", "far"] as const) {
        const [here, there] = places[which];
        const words = `Ana opens a lesson at ${which} time ${round}`;
        changed[which].push(
          await shownMs(
            () =>
              writeFile(join(here.dir, LESSON), original.replace("Ana opens a lesson at ten o'clock", words)),
            () => page.getByText(words).waitFor(),
          ),
        );
        await eventually(words, async () =>
          (await readFile(join(there.dir, LESSON), "utf8")).includes(words),
        );
      }
    await link("Small changes").waitFor();
    for (let round = 0; round < SAVES; round++)
      for (const which of ["near", "far"] as const) {
        const [here, there] = places[which];
        const name = `A quiet hour ${which} ${round}`;
        added[which].push(
          await shownMs(
            () => writeFile(join(here.dir, ADDED), `---\ntitle: ${name}\n---\n\nNobody else is here.\n`),
            () => link(name).waitFor(),
          ),
        );
        await eventually(name, async () => existsSync(join(there.dir, ADDED)));
        removed[which].push(
          await shownMs(
            () => rm(join(here.dir, ADDED)),
            () => link(name).waitFor({ state: "detached" }),
          ),
        );
        await eventually(`no ${name}`, async () => !existsSync(join(there.dir, ADDED)));
      }
    t.diagnostic(JSON.stringify({ changed, added, removed }));
    assertSoon(changed.far, changed.near);
    assertSoon(added.far, added.near);
    // A path that is removed may come back at once, as editors do it: only after a second it is a deletion.
    assertSoon(removed.far, removed.near, VACANCY_MS);
  }));
