/**
 * Owns the sync of one book in this process: its remote, opened when it is first needed, and one step at a time. Must never
 * decide when: that is the daemon's, or a command's.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { HeadSigner } from "../lib/head-signer.ts";
import { hasOutbox, measureOutbox, type OutboxSize } from "../lib/outbox.ts";
import type { StoreReader } from "../lib/reader.ts";
import { openRemoteBlobs } from "../lib/remote/open-remote-blobs.ts";
import { openRemoteLog } from "../lib/remote/open-remote-log.ts";
import type { RemoteBlobs } from "../lib/remote/remote-blobs.ts";
import type { RemoteLog } from "../lib/remote/remote-log.ts";
import type { RemoteCounters } from "../lib/remote/with-metrics.ts";
import type { RetryOptions } from "../lib/remote/with-retry.ts";
import type { MoveLimits } from "../lib/retention/movable.ts";
import { findRemote, type RemoteState } from "../lib/shared-rows.ts";
import type { ChangeToShare } from "../lib/strict-change.ts";
import { type Moved, moveBook, type RetentionParts, recallBook } from "../lib/sync/move-book.ts";
import { absentBlobs, type Prefetched, prefetch } from "../lib/sync/prefetch.ts";
import { type PublishOutcome, publish } from "../lib/sync/publish.ts";
import { pull } from "../lib/sync/pull.ts";
import { type Pushed, push } from "../lib/sync/push.ts";
import { SentNotes } from "../lib/sync/sent-notes.ts";
import { type SharedFirst, shareFirst } from "../lib/sync/share-first.ts";
import type { SyncParts, SyncStep } from "../lib/sync/sync-parts.ts";
import { PfsError } from "../schema/errors.ts";
import type { BookId } from "../schema/ids.ts";
import { openingUrl, type RemoteUrls } from "./remote-urls.ts";
import type { StoreOwner } from "./store-owner.ts";
import { SyncTimes } from "./sync-times.ts";

export interface BookSyncOptions {
  readonly bookId: BookId;
  readonly reader: StoreReader;
  readonly owner: StoreOwner;
  readonly counters: RemoteCounters;
  readonly retry?: RetryOptions;
}

/** What is done: others' changes are brought here, or own ones go there, too. */
export type SyncKind = "pull" | "push";

/** Of the store: what a push that is cut off goes on from. */
const UPLOADS = "uploads";

/** An opened remote. */
export interface Remote {
  readonly log: RemoteLog;
  readonly blobs: RemoteBlobs;
  close(): Promise<void>;
}

/** Opens a remote; nothing is asked of it yet. @param isNew makes what is missing there. @throws PfsError USAGE */
export async function openRemote(
  { logUrl, blobsUrl }: RemoteUrls,
  storeDirectory: string,
  options: { readonly counters: RemoteCounters; readonly retry?: RetryOptions; readonly isNew?: boolean },
): Promise<Remote> {
  const log = await openRemoteLog(openingUrl(logUrl), options);
  const uploadsDirectory = join(storeDirectory, UPLOADS);
  const blobs = await openRemoteBlobs(blobsUrl, { ...options, uploadsDirectory });
  return {
    log,
    blobs,
    close: async () => {
      await Promise.all([log.close(), blobs.close()]);
    },
  };
}

/**
 * Behind a URL there may be another database by now, whose rows are none of this book's.
 * @throws PfsError STORE_DAMAGED
 */
export async function recognizeRemote(
  log: RemoteLog,
  { remoteId, logUrl }: Pick<RemoteState, "remoteId" | "logUrl">,
): Promise<void> {
  if ((await log.identity()) === remoteId) return;
  throw new PfsError("STORE_DAMAGED", `The remote log ${logUrl} is another one than it was.`, {
    hint: "Nothing was sent. Restore it from a backup, or see to it that the URL means the same database.",
  });
}

export function notShared(bookId: BookId): PfsError {
  return new PfsError("USAGE", `The book ${bookId} is not shared.`, {
    hint: `\`pfs remote add ${bookId} URL…\` shares it.`,
  });
}

export class BookSync {
  readonly bookId: BookId;
  readonly #options: BookSyncOptions;
  readonly #signer: HeadSigner;
  #remote: Promise<Remote> | undefined;
  #isKnown = false;
  readonly #syncTimes: SyncTimes;
  #turn: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  /** Of its own: copies may take long, and nobody's save is to wait for them. */
  #publishTurn: Promise<unknown> = Promise.resolve();

  constructor(options: BookSyncOptions) {
    this.bookId = options.bookId;
    this.#options = options;
    this.#syncTimes = new SyncTimes((timeMs) => options.owner.noteSynced(options.bookId, timeMs));
    this.#signer = new HeadSigner(options.reader.directory);
  }

  /** Where the book is shared. @throws PfsError USAGE: nowhere */
  state(): RemoteState {
    const state = findRemote(this.#options.reader.database, this.bookId);
    if (state !== undefined) return state;
    throw notShared(this.bookId);
  }

  /** When the last sync went well, milliseconds since 1970: of this process, or of one before it. */
  get lastSyncMs(): number | undefined {
    return this.#syncTimes.lastMs ?? this.state().lastSyncMs ?? undefined;
  }

  /** Whether the outbox has anything. */
  get isWaiting(): boolean {
    return hasOutbox(this.#options.reader.database, this.bookId);
  }

  waiting(): OutboxSize {
    return measureOutbox(this.#options.reader.database, this.bookId);
  }

  /** Whether a {@link run} or a {@link publish} goes on, or waits for its turn. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /** How many rows the remote has that are not here. @throws as RemoteLog.findBook and {@link remote} */
  async behind(): Promise<number> {
    const { log } = await this.remote();
    const found = await log.findBook(this.bookId);
    return found === undefined ? 0 : Math.max(0, found.head.seq - this.state().pulledSeq);
  }

  /** The book's remote; whether it is still the same is asked by {@link run}. @throws PfsError USAGE */
  async remote(): Promise<Remote> {
    const { reader, counters, retry = {} } = this.#options;
    this.#remote ??= openRemote(this.state(), reader.directory, { counters, retry });
    try {
      return await this.#remote;
    } catch (error) {
      // Credentials, say, may be there the next time.
      this.#remote = undefined;
      throw error;
    }
  }

  /**
   * One after the other; what waits is told of in the log first.
   * @throws as pull and push of lib/sync/; STORE_DAMAGED: behind the URL is another remote
   */
  run(
    kind: SyncKind,
    { signal, onStep }: { signal?: AbortSignal | undefined; onStep?: (step: SyncStep) => void } = {},
  ): Promise<Pushed> {
    this.#underWay++;
    const turn = this.#turn.then(() => this.#run(kind, signal, onStep)).finally(() => this.#underWay--);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Gives the shared log a change that is in no log yet, once it has all that waits here. Whoever asks is answered before
   * anything else is synced: what comes of it is in the store by then.
   * @param signal nothing is sent after it
   * @throws as {@link run}
   */
  share(change: ChangeToShare, signal: AbortSignal): Promise<SharedFirst> {
    const done = this.#turn.then(() => this.#share(change, signal));
    this.#turn = done.catch(() => undefined).then(() => setImmediate());
    return done;
  }

  /** Makes the published copies what the shared log says. @throws as publish of lib/sync/; STORE_DAMAGED as {@link run} */
  publish(signal?: AbortSignal): Promise<PublishOutcome> {
    this.#underWay++;
    const turn = this.#publishTurn.then(() => this.#publish(signal)).finally(() => this.#underWay--);
    this.#publishTurn = turn.catch(() => undefined);
    return turn;
  }

  /** Fetches what is on the remote only; with `history` of older versions, too. @throws as prefetch of lib/sync/ */
  async prefetch(
    history: boolean,
    signal?: AbortSignal,
    onFetched?: (bytes: number) => void,
  ): Promise<Prefetched> {
    const { owner, reader } = this.#options;
    const { blobs } = await this.remote();
    return await prefetch({ bookId: this.bookId, history, reader, blobs, owner, signal }, onFetched);
  }

  /** Moves old rows of the log into segments. @throws as moveBook of lib/sync/; STORE_DAMAGED as {@link run} */
  async moveOldRows(limits: MoveLimits, signal?: AbortSignal): Promise<Moved> {
    return await moveBook(await this.#retentionParts(signal), limits);
  }

  /** Brings them back. @returns how many. @throws as recallBook of lib/sync/; STORE_DAMAGED as {@link run} */
  async recallRows(signal?: AbortSignal): Promise<number> {
    return await recallBook(await this.#retentionParts(signal));
  }

  /** What {@link prefetch} has to fetch. */
  absent(history: boolean): { readonly blobs: number; readonly bytes: number } {
    const absent = absentBlobs(this.#options.reader, { bookId: this.bookId, history });
    return { blobs: absent.length, bytes: absent.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  }

  async close(): Promise<void> {
    await Promise.all([this.#turn, this.#publishTurn]);
    await this.#syncTimes.save();
    await (await this.#remote?.catch(() => undefined))?.close();
    this.#remote = undefined;
  }

  async #run(
    kind: SyncKind,
    signal: AbortSignal | undefined,
    onProgress: ((step: SyncStep) => void) | undefined,
  ): Promise<Pushed> {
    const parts = await this.#parts(signal, onProgress);
    await this.#options.owner.settle(this.bookId);
    const done = kind === "push" ? await push(parts) : { pushed: 0, pulled: await pull(parts) };
    await this.#syncTimes.synced();
    return done;
  }

  async #share(change: ChangeToShare, signal: AbortSignal): Promise<SharedFirst> {
    signal.throwIfAborted();
    const outcome = await shareFirst(await this.#parts(signal), change);
    this.#syncTimes.shared();
    return outcome;
  }

  async #parts(signal: AbortSignal | undefined, onProgress?: (step: SyncStep) => void): Promise<SyncParts> {
    const { owner, reader } = this.#options;
    const { log, blobs } = await this.remote();
    await this.#recognize(log);
    const { bookId } = this;
    const { storeId } = this.#signer;
    const sent = new SentNotes(join(reader.directory, UPLOADS), bookId);
    return { bookId, storeId, log, blobs, reader, owner, sent, signal, onProgress };
  }

  async #retentionParts(signal: AbortSignal | undefined): Promise<RetentionParts> {
    const { owner, reader } = this.#options;
    const { log, blobs } = await this.remote();
    await this.#recognize(log);
    const { storeId } = this.#signer;
    return { bookId: this.bookId, storeId, reader, blobs, retain: (step) => owner.retain(step), signal };
  }

  async #publish(signal: AbortSignal | undefined): Promise<PublishOutcome> {
    const { reader } = this.#options;
    const { log, blobs } = await this.remote();
    await this.#recognize(log);
    const { pulledSeq } = this.state();
    const { storeId } = this.#signer;
    return await publish({ bookId: this.bookId, storeId, log, blobs, reader, signal }, pulledSeq);
  }

  async #recognize(log: RemoteLog): Promise<void> {
    if (this.#isKnown) return;
    await recognizeRemote(log, this.state());
    this.#isKnown = true;
  }
}
