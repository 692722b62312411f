/**
 * Owns bringing a daemon to what its configuration says, and keeping it there while the file is edited: books are made,
 * mounts come and go, all others stay untouched. A file that is not valid changes nothing. Must never end the daemon.
 */
import { dirname } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import { findRemote } from "../lib/shared-rows.ts";
import type { AccessRule } from "../schema/access.ts";
import type { Config, ConfiguredBook, ConfiguredMount, ConfiguredRemote } from "../schema/config.ts";
import { PfsError } from "../schema/errors.ts";
import type { BookId } from "../schema/ids.ts";
import { parseProfile, profileToJson } from "../schema/profiles.ts";
import type { Retention } from "../schema/retention.ts";
import { type ConfigPlace, readConfig } from "./config-file.ts";
import type { Daemon } from "./daemon.ts";
import { findAgent } from "./default-agent.ts";
import { makeMountDirectory } from "./mount-directory.ts";
import { findConfiguredUrls } from "./remote-urls.ts";
import { addRemote, clone } from "./shared-books.ts";

/** How the configuration is, for `GET /status`. */
export interface ConfigStatus {
  readonly file: string;
  /** When what holds now was read, ISO 8601; null: there has never been a valid file. */
  readonly read_at: string | null;
  /** What is otherwise than the file says, each a whole sentence. */
  readonly problems: readonly string[];
}

export interface ConfigurationOptions {
  readonly daemon: Pick<
    Daemon,
    "host" | "mounts" | "mount" | "owner" | "reader" | "syncer" | "cache" | "checks"
  >;
  readonly place: ConfigPlace;
  /** What holds until the file is read again; undefined: there is none. */
  readonly config: Config | undefined;
  /** Told of each problem once, in a whole sentence. */
  onProblem(message: string): void;
}

/** What could not be done is tried again: a directory may come, a mount no longer be in use. */
const RETRY_MS = 5_000;
/** An editor may save in several steps. */
const SETTLE_MS = 100;

export class Configuration {
  readonly #options: ConfigurationOptions;
  /** The mounts that are there because the file says so, by what it says of each. */
  readonly #mounted = new Map<string, string>();
  #config: Config | undefined;
  #readAt: string | undefined;
  /** Why the file that is there now does not hold. */
  #invalid: string | undefined;
  #failures: readonly string[] = [];
  /** What cannot be as the file says until the daemon starts again. */
  readonly #lasting: string[] = [];
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
    this.#config = options.config;
    if (options.config !== undefined) this.#readAt = new Date().toISOString();
  }

  /** Resolves once everything that can be done has been done. To be called once. */
  async start(): Promise<void> {
    await this.#inTurn(() => this.#apply());
    if (!this.#isClosed) await this.#watch();
  }

  status(): ConfigStatus {
    return {
      file: this.#options.place.path,
      read_at: this.#readAt ?? null,
      problems: [
        ...(this.#invalid === undefined ? [] : [this.#invalid]),
        ...this.#failures,
        ...this.#lasting,
      ],
    };
  }

  /** What other Unix users may mount now. */
  accessRules(): readonly AccessRule[] {
    return this.#config?.access?.rules ?? [];
  }

  /** How many bytes of blobs the store is to keep at the most; undefined: all of them. */
  cacheLimitBytes(): number | undefined {
    return this.#config?.cacheLimitBytes;
  }

  /** How often everything is compared in the background; undefined: nothing is said; Infinity: never. */
  checkIntervalMs(): number | undefined {
    return this.#config?.checkIntervalMs;
  }

  /** How long rows of the log stay in the table; undefined: the file does not say it. */
  retention(): Retention | undefined {
    return this.#config?.retention;
  }

  /** Whether the file says that a book is shared. */
  shares(bookId: BookId): boolean {
    return this.#config?.remotes.some((remote) => remote.bookId === bookId) ?? false;
  }

  /** Something of the file could not be done, which lasts until the next start. */
  note(problem: string): void {
    this.#lasting.push(problem);
    this.#options.onProblem(problem);
  }

  /** Stops following the file; resolves once nothing is being done any more. Mounts stay. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#watcher?.close();
    await this.#turn;
  }

  async #watch(): Promise<void> {
    const { path } = this.#options.place;
    // Its directory, as saving a file often is replacing it.
    const watcher = watch(dirname(path), { depth: 0, ignoreInitial: true });
    this.#watcher = watcher;
    watcher.on("all", (_event, changed) => {
      if (changed === path) this.#soon(SETTLE_MS, () => this.#read());
    });
    watcher.on("error", (error) => this.#options.onProblem(`The configuration is not followed: ${error}.`));
    await new Promise<void>((resolve) => watcher.once("ready", resolve));
    // It may have changed before it was watched.
    await this.#inTurn(() => this.#read());
  }

  #soon(delayMs: number, action: () => Promise<void>): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#inTurn(action), delayMs);
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (!this.#isClosed) await action();
    });
    return this.#turn;
  }

  async #read(): Promise<void> {
    const { place, onProblem } = this.#options;
    try {
      const config = readConfig(place);
      this.#invalid = undefined;
      const isSame = JSON.stringify(config) === JSON.stringify(this.#config);
      this.#config = config;
      if (config !== undefined) this.#readAt = new Date().toISOString();
      if (isSame) return;
    } catch (error) {
      const what = error instanceof PfsError ? error.message : String(error);
      const message = `${what} What was read before holds.`;
      if (message !== this.#invalid) onProblem(message);
      this.#invalid = message;
      return;
    }
    await this.#apply();
  }

  async #apply(): Promise<void> {
    this.#options.daemon.cache.soon();
    this.#options.daemon.checks.schedule();
    const { books = [], mounts = [], remotes = [] } = this.#config ?? {};
    // The environment's is found with each mount.
    const agent = process.env.PFS_AGENT_ID === undefined ? this.#config?.agent : undefined;
    const failures: string[] = [];
    const attempt = async (what: string, action: () => Promise<void>): Promise<void> => {
      try {
        await action();
      } catch (error) {
        failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    const wanted = new Map(mounts.map((mount) => [keyOf(mount, agent), mount]));
    const kept = new Set(this.#options.daemon.mounts.list().map(({ directory }) => directory));
    for (const [key, directory] of this.#mounted) {
      // Somebody has unmounted it, which holds until the file says something else.
      if (!kept.has(directory) && !wanted.has(key)) this.#mounted.delete(key);
      else if (!wanted.has(key))
        await attempt(`${directory} is still mounted`, async () => {
          await this.#options.daemon.mounts.unmount(directory, { lazy: false });
          this.#mounted.delete(key);
        });
    }
    // A book that others share is not to be made anew.
    for (const remote of remotes) {
      const isMade = books.some(({ bookId }) => bookId === remote.bookId);
      await attempt(`The book ${remote.bookId} is not cloned`, () => this.#clone(remote, isMade));
    }
    for (const book of books)
      await attempt(`The book ${book.bookId} is not made`, () => this.#makeBook(book));
    for (const remote of remotes)
      await attempt(`The book ${remote.bookId} is not shared`, () => this.#share(remote));
    for (const [key, mount] of wanted) {
      if (this.#mounted.has(key)) continue;
      await attempt(`${mount.directory} is not mounted`, async () => {
        this.#mounted.set(key, await this.#mount(mount, agent));
      });
    }
    for (const failure of failures) if (!this.#failures.includes(failure)) this.#options.onProblem(failure);
    this.#failures = failures;
    if (failures.length > 0) this.#soon(RETRY_MS, () => this.#apply());
  }

  async #makeBook({ bookId, profileJson }: ConfiguredBook): Promise<void> {
    const { host } = this.#options.daemon;
    const found = await host.call("findBook", { bookId }).catch((error: unknown) => {
      if (error instanceof PfsError && error.code === "NOT_FOUND") return undefined;
      throw error;
    });
    if (found === undefined) await host.call("createBook", { bookId, profileJson });
    else if (JSON.stringify(found.profileJson) !== JSON.stringify(profileToJson(parseProfile(profileJson))))
      throw new PfsError("EXISTS", `it is there with another schema, ${found.profile}.`);
  }

  /** @param isMade where the remote has no such book, it is made and shared there */
  async #clone(remote: ConfiguredRemote, isMade: boolean): Promise<void> {
    const { reader, owner, syncer } = this.#options.daemon;
    const { bookId } = remote;
    if (reader.listBooks().some((book) => book.bookId === bookId)) return;
    try {
      await clone(owner, { bookId, urls: findConfiguredUrls(remote) });
      syncer.book(bookId);
    } catch (error) {
      if (!isMade || !(error instanceof PfsError) || error.code !== "NOT_FOUND") throw error;
    }
  }

  /** What is shared already stays where it is, whatever file and environment say. */
  async #share(remote: ConfiguredRemote): Promise<void> {
    const { reader, owner, syncer } = this.#options.daemon;
    const { bookId } = remote;
    const wanted = findConfiguredUrls(remote);
    const present = findRemote(reader.database, bookId);
    if (present === undefined) {
      // Its clone has failed, which is told.
      if (!reader.listBooks().some((book) => book.bookId === bookId)) return;
      await addRemote(owner, { bookId, urls: wanted });
      syncer.book(bookId);
    } else if (present.logUrl !== wanted.logUrl || present.blobsUrl !== wanted.blobsUrl)
      throw new PfsError(
        "EXISTS",
        `it is shared on ${present.logUrl} and ${present.blobsUrl} already, and not on ${wanted.logUrl} and ${wanted.blobsUrl}.`,
      );
  }

  /** Answers the directory as the kernel names it. */
  async #mount({ bookId, directory, options }: ConfiguredMount, agent: Config["agent"]): Promise<string> {
    const { daemon } = this.#options;
    await makeMountDirectory(directory);
    const { agent: named = agent ?? findAgent(undefined), ...mode } = options;
    const mounted = await daemon.mount({ ...mode, bookId, directory, agent: named });
    return mounted.directory;
  }
}

/** Equal for equal mounts. */
function keyOf(mount: ConfiguredMount, agent: Config["agent"]): string {
  return JSON.stringify([mount, mount.options.agent ?? agent ?? null]);
}
