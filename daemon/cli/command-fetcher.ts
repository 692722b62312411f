/**
 * Owns bringing bytes that a command reads and that are on a remote only: through the daemon, or, when none runs, as the
 * store's owner for a moment. Must never ask twice for what could not be had.
 */
import type { BlobFetcher } from "../../lib/blob-fetcher.ts";
import { StoreReader } from "../../lib/reader.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { findRemote } from "../../lib/shared-rows.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, BookId } from "../../schema/ids.ts";
import { notShared, openRemote, type Remote } from "../book-sync.ts";
import type { DaemonClient } from "../daemon-client.ts";
import { errorFrom } from "../error-report.ts";
import type { FetchAnswer } from "../fetch-answer.ts";
import { RemoteFetcher } from "../remote-fetcher.ts";
import type { StoreOwner } from "../store-owner.ts";

type Failures = ReadonlyMap<BlobHash, PfsError>;

/** As Context.own, while this process reads the store. */
type Own = (ways: {
  viaDaemon(daemon: DaemonClient): Promise<Failures>;
  directly(owner: StoreOwner): Promise<Failures>;
}) => Promise<Failures>;

/** Somebody waits. */
const RETRY = { policy: { attempts: 3, totalMs: 10_000 } };

export class CommandFetcher implements BlobFetcher {
  readonly #reader: StoreReader;
  readonly #own: Own;
  readonly #failed = new Map<BlobHash, PfsError>();
  readonly #remotes = new Map<BookId, Promise<Remote>>();
  /** One at a time: the store has one owner. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(reader: StoreReader, own: Own) {
    this.#reader = reader;
    this.#own = own;
  }

  async fetch(hashes: readonly BlobHash[]): Promise<Failures> {
    const turn = this.#turn.then(() => this.#fetch(hashes.filter((hash) => !this.#failed.has(hash))));
    this.#turn = turn;
    await turn;
    return this.#failed;
  }

  async close(): Promise<void> {
    await this.#turn;
    for (const remote of this.#remotes.values()) await (await remote.catch(() => undefined))?.close();
  }

  async #fetch(hashes: readonly BlobHash[]): Promise<void> {
    if (hashes.length === 0) return;
    try {
      const failures = await this.#own({
        viaDaemon: async (daemon) =>
          failuresOf((await daemon.call("POST", "/blobs/fetch", { hashes })) as FetchAnswer),
        directly: (owner) => this.#fetchAsOwner(owner, hashes),
      });
      for (const [hash, failure] of failures) this.#failed.set(hash, failure);
    } catch (error) {
      if (!(error instanceof PfsError)) throw error;
      for (const hash of hashes) this.#failed.set(hash, error);
    }
  }

  #fetchAsOwner(owner: StoreOwner, hashes: readonly BlobHash[]): Promise<Failures> {
    const reader = this.#reader;
    const blobsOf = async (bookId: BookId) => (await this.#remoteOf(bookId)).blobs;
    return new RemoteFetcher({ reader, owner, blobsOf }).fetch(hashes);
  }

  #remoteOf(bookId: BookId): Promise<Remote> {
    let remote = this.#remotes.get(bookId);
    if (remote === undefined) {
      const { database, directory } = this.#reader;
      const state = findRemote(database, bookId);
      if (state === undefined) throw notShared(bookId);
      remote = openRemote(state, directory, { counters: new RemoteCounters(), retry: RETRY });
      this.#remotes.set(bookId, remote);
    }
    return remote;
  }
}

/** Calls `use` as the store's owner, with a reader beside it and what fetches for it. */
export async function withOwnFetcher<Result>(
  owner: StoreOwner,
  use: (reader: StoreReader, fetcher: BlobFetcher) => Promise<Result>,
): Promise<Result> {
  const reader = StoreReader.openBeside(owner.storeDirectory);
  const fetcher = new CommandFetcher(reader, ({ directly }) => directly(owner));
  try {
    return await use(reader, fetcher);
  } finally {
    await fetcher.close();
    reader.close();
  }
}

function failuresOf({ failures }: FetchAnswer): Failures {
  return new Map(
    failures.map(({ hash, failure }) => {
      const error = errorFrom(failure);
      return [hash, error instanceof PfsError ? error : new PfsError("UNAVAILABLE", error.message)];
    }),
  );
}
