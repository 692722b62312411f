// Hot reload from machine to machine: what is saved on one daemon's mount shows in the page that a Docusaurus dev server on
// another's serves, over PostgreSQL and S3, and nobody polls.

import assert from "node:assert/strict";
import { existsSync, readFileSync, watch } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Locator, Page } from "playwright-core";
import { VACANCY_MS } from "../../lib/worktree/vacancies.ts";
import { type Place, SAMPLE, withPlace } from "../daemon/harness.ts";
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
/** On a machine so busy that Docusaurus and the browser take longer than that: what pfs may take of it, and all of it. */
const HEARD_MS = 1000;
const BUSY_MS = 10_000;
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

/** How long something took, in milliseconds, from the end of what was done on the one machine. */
interface Reload {
  /** Until programs that watch the mount on the other machine heard of it and saw it: what pfs takes. */
  readonly heard: number;
  /** Until the page showed it. */
  readonly shown: number;
}

interface Change {
  readonly reader: Place;
  act(): Promise<void>;
  /** On the reader's mount. */
  isThere(): boolean;
  isShown(): Promise<void>;
}

async function reload({ reader, act, isThere, isShown }: Change): Promise<Reload> {
  const heard = Promise.withResolvers<number>();
  const watcher = watch(join(reader.dir, CHAPTER), () => {
    if (isThere()) heard.resolve(performance.now());
  });
  try {
    await act();
    const doneMs = performance.now();
    await isShown();
    const shownMs = performance.now();
    const heardMs = await within(heard.promise);
    return { heard: Math.round(heardMs - doneMs), shown: Math.round(shownMs - doneMs) };
  } finally {
    watcher.close();
  }
}

/** @throws AssertionError: nobody who watches the mount has heard of it */
async function within(heard: Promise<number>): Promise<number> {
  const late = setTimeout(LATEST_MS, undefined, { ref: false });
  const heardMs = await Promise.race([heard, late]);
  assert.ok(heardMs !== undefined, "inotify told of it");
  return heardMs;
}

/** The quickest counts: it was shown soon enough, or pfs had done its part soon enough for the rest to be shown soon. */
function assertSoon(reloads: readonly Reload[], moreMs = 0): void {
  const shownMs = Math.min(...reloads.map(({ shown }) => shown));
  const heardMs = Math.min(...reloads.map(({ heard }) => heard));
  const limitMs = heardMs < HEARD_MS + moreMs ? BUSY_MS : SHOWN_MS;
  assert.ok(shownMs < limitMs + moreMs, JSON.stringify(reloads));
}

test("hot reload: a save on one machine shows in the page that Docusaurus serves on another within two seconds; so do a new and a removed lesson", (t) =>
  withSite(async (writer, reader, page) => {
    const link = (name: string): Locator =>
      page.getByRole("navigation", { name: "Docs sidebar" }).getByRole("link", { name, exact: true });
    const first = "Ana opens a lesson at ten o'clock";
    const original = await readFile(join(writer.dir, LESSON), "utf8");
    const [changed, added, removed]: [Reload[], Reload[], Reload[]] = [[], [], []];
    await page.getByText(first).waitFor();
    for (let round = 0; round < SAVES; round++) {
      const words = `Ana opens a lesson at time ${round}`;
      changed.push(
        await reload({
          reader,
          act: () => writeFile(join(writer.dir, LESSON), original.replace(first, words)),
          isThere: () => readFileSync(join(reader.dir, LESSON), "utf8").includes(words),
          isShown: () => page.getByText(words).waitFor(),
        }),
      );
    }
    await link("Small changes").waitFor();
    for (let round = 0; round < SAVES; round++) {
      const name = `A quiet hour ${round}`;
      added.push(
        await reload({
          reader,
          act: () => writeFile(join(writer.dir, ADDED), `---\ntitle: ${name}\n---\n\nNobody else is here.\n`),
          isThere: () => existsSync(join(reader.dir, ADDED)),
          isShown: () => link(name).waitFor(),
        }),
      );
      removed.push(
        await reload({
          reader,
          act: () => rm(join(writer.dir, ADDED)),
          isThere: () => !existsSync(join(reader.dir, ADDED)),
          isShown: () => link(name).waitFor({ state: "detached" }),
        }),
      );
    }
    t.diagnostic(JSON.stringify({ changed, added, removed }));
    assertSoon(changed);
    assertSoon(added);
    // A path that is removed may come back at once, as editors do it: only after a second it is a deletion.
    assertSoon(removed, VACANCY_MS);
  }));
