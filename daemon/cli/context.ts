/**
 * What every command is given: the store, how to print, and the way to whoever owns the store, be it a daemon or this
 * process. Owns that choice, and that what reads and what writes a store is loaded only by who needs it: it is most of what a
 * command's start takes. Must never know a command.
 */
import type { StoreReader } from "../../lib/reader.ts";
import type { StoreOptions } from "../../lib/store.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import { answersAt, type DaemonClient, findDaemon } from "../daemon-client.ts";
import type { DaemonStatus } from "../daemon-status.ts";
import { findStore } from "../store-location.ts";
import type { StoreOwner } from "../store-owner.ts";
import type { CommandFetcher } from "./command-fetcher.ts";
import { makeOutput, type Output } from "./output.ts";

/** Options that every command takes. */
export interface GlobalOptions {
  readonly store?: string;
  readonly json?: boolean;
}

/** How something is done by the store's owner. */
interface Ways<Result> {
  viaDaemon(daemon: DaemonClient): Promise<Result>;
  directly(owner: StoreOwner): Promise<Result>;
}

export class Context {
  readonly storeDirectory: string;
  readonly output: Output;

  constructor({ store, json }: GlobalOptions) {
    this.storeDirectory = findStore(store);
    this.output = makeOutput(json === true);
  }

  /** The store's daemon, undefined when none runs. */
  daemon(): Promise<DaemonClient | undefined> {
    return findDaemon(this.storeDirectory);
  }

  /** Does something as the store's owner: through its daemon, or, when none runs, in this process. */
  async own<Result>(ways: Ways<Result>, options: StoreOptions = {}): Promise<Result> {
    for (;;) {
      const daemon = await this.daemon();
      if (daemon !== undefined) return ways.viaDaemon(daemon);
      const { withLocalOwner } = await import("../local-owner.ts");
      try {
        return await withLocalOwner(this.storeDirectory, ways.directly, options);
      } catch (error) {
        const isBusy = error instanceof PfsError && error.code === "STORE_BUSY";
        // A daemon may have been started meanwhile.
        if (!isBusy || !(await answersAt(this.storeDirectory))) throw error;
      }
    }
  }

  /**
   * Calls `use` with a reader that shows everything that is decided, what was just removed too, and that fetches bytes which are on
   * a remote only. @throws as StoreReader.open
   */
  async read<Result>(
    use: (reader: StoreReader) => Promise<Result> | Result,
    bookId?: BookId,
  ): Promise<Result> {
    const daemon = await this.daemon();
    if (daemon !== undefined) await daemon.call("POST", "/settle", { book: bookId });
    else (await import("../local-owner.ts")).settleStore(this.storeDirectory);
    const { StoreReader: Reader } = await import("../../lib/reader.ts");
    const reader = Reader.open(this.storeDirectory);
    let fetcher: Promise<CommandFetcher> | undefined;
    // All that syncs comes with it: few commands find that bytes are missing.
    const begin = async (): Promise<CommandFetcher> => {
      const module = await import("./command-fetcher.ts");
      return new module.CommandFetcher(reader, (ways) => this.own(ways, { isRead: true }));
    };
    reader.fetcher = {
      fetch: async (hashes) => {
        fetcher ??= begin();
        return await (await fetcher).fetch(hashes);
      },
    };
    try {
      return await use(reader);
    } finally {
      try {
        await (await fetcher)?.close();
      } finally {
        reader.close();
      }
    }
  }
}

/** How the daemon is. */
export async function statusOf(daemon: DaemonClient): Promise<DaemonStatus> {
  return (await daemon.call("GET", "/status")) as DaemonStatus;
}
