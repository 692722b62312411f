/**
 * The second machine of the soak: a store that pulls what the first one pushes, with a Docusaurus dev server on its mount. Owns
 * seeing that what is saved there shows here; must never write into a book.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, type Place } from "../daemon/harness.ts";
import { DocusaurusSite } from "../long/docusaurus-site.ts";

/** The book whose site is served. */
export const SITE = "site-book";
const LESSON = "content/02-Writing-Together/04-When-Two-People-Edit/01-lost-updates.md";
const MARK = /ten o'clock|time \d+ of the soak/;
/** How long an edit may take to show, whatever network and processors do meanwhile. */
const LATEST_MS = 120_000;
const PAUSE_MS = 2_000;
const RETRY_MS = 200;

export class Follower {
  readonly #place: Place;
  /** Installed while the first machine is being made. */
  readonly #installed: Promise<DocusaurusSite>;
  #following: Promise<void> | undefined;
  #isStopped = false;
  /** How many edits have shown. */
  shown = 0;

  /** Begins to install the dev server. */
  constructor(place: Place) {
    this.#place = place;
    this.#installed = DocusaurusSite.install({ dir: join(place.top, "site"), book: place.dir });
    this.#installed.catch(() => undefined);
  }

  /** Brings the books from where the first machine shares them, and mounts the one with the site. */
  async clone(
    books: readonly string[],
    { log, blobs }: { readonly log: string; readonly blobs: string },
  ): Promise<void> {
    const { run, pfs, dir } = this.#place;
    for (const book of books)
      await eventually(`${book} is shared`, async () => (await run("clone", log, blobs, book)).code === 0);
    await pfs("mount", SITE, dir);
  }

  /** The daemon's process. */
  async pid(): Promise<number> {
    return (await this.#place.status()).pid as number;
  }

  /**
   * Starts the dev server, then edits a lesson on the first machine's mount, which comes and goes, until `isOver`, and
   * waits until each edit shows: one at least. To be called once.
   */
  follow(writersMount: string, isOver: () => boolean): Promise<void> {
    this.#following = this.#follow(writersMount, isOver);
    // Nobody may be waiting when it fails.
    this.#following.catch(() => undefined);
    return this.#following;
  }

  /** Ends the dev server; resolves once nothing goes on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const site = await this.#installed.catch(() => undefined);
    await site?.stop();
    await this.#following?.catch(() => undefined);
    await site?.stop();
  }

  async #follow(writersMount: string, isOver: () => boolean): Promise<void> {
    const site = await this.#installed;
    this.#goOn();
    const address = await site.start();
    while (this.shown === 0 || !isOver()) {
      const text = `time ${this.shown + 1} of the soak`;
      await this.#edit(join(writersMount, LESSON), text);
      const deadlineMs = performance.now() + LATEST_MS;
      while (!(await site.lesson(address, LESSON)).includes(text)) {
        const late = `the dev server does not show: ${text}\n${site.output.slice(-2000)}`;
        assert.ok(performance.now() < deadlineMs, late);
        this.#goOn();
        await sleep(RETRY_MS);
      }
      this.shown++;
      if (!isOver()) await sleep(PAUSE_MS);
    }
  }

  /** Resolves once it is acknowledged: a killed daemon's mount answers nothing, and an ordinary directory is where it was. */
  async #edit(path: string, text: string): Promise<void> {
    const deadlineMs = performance.now() + LATEST_MS;
    for (;;) {
      this.#goOn();
      try {
        const before = await readFile(path, "utf8");
        if (!before.includes(text)) await writeFile(path, before.replace(MARK, text));
        if ((await readFile(path, "utf8")).includes(text)) return;
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
      }
      await sleep(RETRY_MS);
    }
  }

  #goOn(): void {
    if (this.#isStopped) throw new Error("it was stopped");
  }
}
