/**
 * The daemon: puts threads, mounts and control socket together and takes them down again in order. The one composition
 * root of a process that serves a store; must never hold what the store holds.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { FetchOutcome, ShareOutcome } from "../lib/errands.ts";
import { StoreReader } from "../lib/reader.ts";
import { RemoteCounters } from "../lib/remote/with-metrics.ts";
import { PfsError } from "../schema/errors.ts";
import type { HttpAddress } from "../schema/http-address.ts";
import type { BookId } from "../schema/ids.ts";
import { DEFAULT_RETENTION } from "../schema/retention.ts";
import { shellWord } from "../schema/shell-word.ts";
import { openAccessSocket } from "./access-socket.ts";
import { ArchiveMeter } from "./archive-meter.ts";
import { CacheKeeper } from "./cache-keeper.ts";
import { CheckpointHost } from "./checkpoint-host.ts";
import { CommitSignal } from "./commit-signal.ts";
import { Configuration, type ConfigurationOptions } from "./configuration.ts";
import { ControlServer } from "./control/control-server.ts";
import { routes } from "./control/routes.ts";
import { answersAt } from "./daemon-client.ts";
import { daemonOwner } from "./daemon-owner.ts";
import type { DaemonStatus } from "./daemon-status.ts";
import { DesyncChecks } from "./desync-checks.ts";
import { HealthChecks } from "./health.ts";
import { HttpPort } from "./http-port.ts";
import { type ImportEvent, type ImportRequest, importDirectory } from "./import-directory.ts";
import { LastVerify } from "./last-verify.ts";
import { Metrics } from "./metrics.ts";
import { packageVersion } from "./module-file.ts";
import { type MonitorPage, monitorPages } from "./monitor.ts";
import { MountHost } from "./mount-host.ts";
import { type MountDescription, MountRegistry } from "./mount-registry.ts";
import type { Reporter } from "./reporter.ts";
import { RetentionKeeper } from "./retention-keeper.ts";
import type { StoreOwner } from "./store-owner.ts";
import { openSocketAddress } from "./store-socket.ts";
import { Syncer } from "./syncer.ts";
import { transportWarning } from "./transport-warning.ts";
import { WatcherTouch } from "./watcher-touch.ts";

export interface DaemonOptions {
  readonly storeDirectory: string;
  readonly reporter: Reporter;
  /** Where to serve metrics and health over HTTP; by default nowhere. */
  readonly http?: HttpAddress | undefined;
}

export interface StopOptions {
  /** Take mounts away at once, also when they are in use. */
  readonly lazy?: boolean;
  /** Told whenever a mount cannot end because it is in use, in a whole sentence. */
  onBusy?(message: string): void;
}

/** How long a store may be held by a command that runs without a daemon, before it counts as another daemon's. */
const BUSY_PATIENCE_MS = 3_000;
const BUSY_RETRY_MS = 50;
/** How long a mount in use may keep the daemon from ending. */
const STOP_PATIENCE_MS = 5_000;
const STOP_RETRY_MS = 250;
/** How long a lazily unmounted mount may go on before its users lose it. */
const LAZY_END_MS = 500;
/** How often everything is compared in the background where the configuration does not say it. */
const CHECK_INTERVAL_MS = 86_400_000;

const NOT_YET = {
  type: "failed",
  failure: { code: "UNAVAILABLE", message: "The daemon is just starting.", hint: undefined },
} as const satisfies FetchOutcome & ShareOutcome;

export class Daemon {
  readonly storeDirectory: string;
  readonly reader: StoreReader;
  readonly mounts: MountRegistry;
  readonly host: MountHost;
  readonly lastVerify = new LastVerify();
  readonly archives: ArchiveMeter;
  readonly owner: StoreOwner;
  readonly remoteCounters = new RemoteCounters();
  readonly syncer: Syncer;
  readonly cache: CacheKeeper;
  readonly checks: DesyncChecks;
  readonly retention: RetentionKeeper;
  readonly monitorPages: readonly MonitorPage[];
  readonly #metrics: Metrics;
  readonly #watchers: WatcherTouch;
  /** Resolves once everything is closed and nothing keeps the process but whoever started it. */
  readonly stopped: Promise<void>;
  readonly #reporter: Reporter;
  readonly #checkpoint: CheckpointHost;
  readonly #startedAt = new Date().toISOString();
  readonly #end = Promise.withResolvers<void>();
  #control: ControlServer | undefined;
  /** For other Unix users; undefined: they are not served. */
  #access: ControlServer | undefined;
  #http: HttpPort | undefined;
  #configuration: Configuration | undefined;
  #stopping: Promise<void> | undefined;
  #hurried = false;

  /**
   * Opens the store and listens on its socket.
   * @throws PfsError STORE_BUSY naming the process that has it, and as Store.open and HttpPort.listen
   */
  static async start({ storeDirectory, reporter, http }: DaemonOptions): Promise<Daemon> {
    const commits = new CommitSignal();
    const archives = new ArchiveMeter();
    const mounts = new MountRegistry({
      storeDirectory,
      onUnmounted: (description) => reporter.unmounted(description),
      onFault: (operation, message) => reporter.fault(operation, message),
    });
    let daemon: Daemon | undefined;
    const host = await openStore(storeDirectory, () =>
      MountHost.start({
        storeDirectory,
        commits,
        tellsChanges: reporter.wantsChanges,
        onNotify: (mountId, notification) => mounts.notify(mountId, notification),
        onEnded: (mountId) =>
          void mounts.ended(mountId).catch((error) => reporter.fault("unmount", String(error))),
        onArchive: () => archives.begin(),
        onMetrics: async () => (daemon === undefined ? "" : daemon.#metrics.text()),
        onRow: (row) => reporter.row(row),
        onFetch: async (hash) => daemon?.syncer.fetchForOpening(hash) ?? NOT_YET,
        fetcher: () => daemon?.syncer.fetcher,
        onShare: async (change) => daemon?.syncer.share(change) ?? NOT_YET,
        onChanged: (books) => daemon?.syncer.changed(books),
        onRefusal: (bookId, refusal) => reporter.refusal(bookId, refusal),
        onFault: (operation, message) => reporter.fault(operation, message),
        onCrash: (error) => void daemon?.die(error),
      }),
    );
    mounts.useHost(host);
    const onFault = (message: string): void => reporter.fault("checkpoint", message);
    const checkpoint = new CheckpointHost({ storeDirectory, commits, onFault });
    const reader = StoreReader.openBeside(storeDirectory);
    daemon = new Daemon({ storeDirectory, reporter, host, mounts, checkpoint, reader, archives });
    try {
      if (http !== undefined) daemon.#http = await HttpPort.listen(http, daemon.monitorPages);
      daemon.#control = await ControlServer.listen({
        address: openSocketAddress(storeDirectory),
        mode: 0o600,
        routes: routes(daemon),
        admits: ({ uid }) => uid === 0 || uid === process.geteuid?.(),
      });
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    daemon.checks.schedule();
    reporter.started(storeDirectory);
    return daemon;
  }

  private constructor(parts: {
    storeDirectory: string;
    reporter: Reporter;
    host: MountHost;
    mounts: MountRegistry;
    checkpoint: CheckpointHost;
    reader: StoreReader;
    archives: ArchiveMeter;
  }) {
    this.archives = parts.archives;
    this.storeDirectory = parts.storeDirectory;
    this.#reporter = parts.reporter;
    this.host = parts.host;
    this.mounts = parts.mounts;
    this.#checkpoint = parts.checkpoint;
    this.reader = parts.reader;
    this.stopped = this.#end.promise;
    const owner = daemonOwner(this.storeDirectory, this.host);
    this.#watchers = new WatcherTouch(this.mounts);
    this.owner = {
      ...owner,
      followRemote: async (bookId, page) => {
        const outcome = await owner.followRemote(bookId, page);
        if (outcome.type === "applied") this.#watchers.pulled(bookId, page.rows);
        return outcome;
      },
    };
    this.syncer = new Syncer({
      reader: this.reader,
      owner: this.owner,
      counters: this.remoteCounters,
      onFailure: (bookId, message) => parts.reporter.fault(`sync of ${bookId}`, message),
    });
    this.cache = new CacheKeeper({
      reader: this.reader,
      host: this.host,
      syncer: this.syncer,
      limitBytes: () => this.#configuration?.cacheLimitBytes(),
      onFault: (message) => parts.reporter.fault("cache", message),
    });
    this.checks = new DesyncChecks({
      reader: this.reader,
      intervalMs: () => {
        const intervalMs = this.#configuration?.checkIntervalMs() ?? CHECK_INTERVAL_MS;
        return intervalMs === Number.POSITIVE_INFINITY ? undefined : intervalMs;
      },
      isBusy: () => this.syncer.isBusy,
      onDifference: (message) => parts.reporter.differs(message),
      onFault: (message) => parts.reporter.fault("check", message),
    });
    this.retention = new RetentionKeeper({
      reader: this.reader,
      syncer: this.syncer,
      mounts: this.mounts,
      retention: () => this.#configuration?.retention() ?? DEFAULT_RETENTION,
      onFault: (message) => parts.reporter.fault("retention", message),
    });
    this.#metrics = new Metrics(this);
    this.monitorPages = monitorPages(this.#metrics, new HealthChecks(this));
  }

  async status(): Promise<DaemonStatus> {
    const { seq, head, books } = await this.host.call("status", {});
    return {
      store: this.storeDirectory,
      pid: process.pid,
      version: packageVersion(),
      started_at: this.#startedAt,
      seq,
      head,
      drafts: books.reduce((sum, { drafts }) => sum + drafts, 0),
      conflicts: this.reader.countConflicts(),
      mounts: this.mounts.list(),
      http: this.#http?.address ?? null,
      config: this.#configuration?.status() ?? null,
      sync: this.syncer.status(),
      cache: this.cache.status(),
      check: this.checks.status(),
      retention: this.retention.status(),
    };
  }

  /** Brings the daemon to what a configuration says, and follows its file from then on. Never fails: `status` names problems. */
  async follow(configuration: Pick<ConfigurationOptions, "place" | "config">): Promise<void> {
    const onProblem = (message: string): void => this.#reporter.fault("configuration", message);
    this.#configuration = new Configuration({ ...configuration, daemon: this, onProblem });
    await this.#configuration.start();
    const { access } = configuration.config ?? {};
    if (access === undefined) return;
    try {
      this.#access = await openAccessSocket(access, () => this.#configuration?.accessRules() ?? [], this);
    } catch (error) {
      this.#configuration.note((error as Error).message);
    }
  }

  /**
   * @throws PfsError NOT_PERMITTED: the configuration wants the book to be shared, and would share it again; a strict mount takes no
   * saves without the remote
   */
  refuseUnsharing(bookId: BookId): void {
    const strict = this.mounts.list().find(({ book, options }) => book === bookId && isStrict(options));
    if (strict !== undefined)
      throw new PfsError("NOT_PERMITTED", `${bookId} is mounted with sync=strict at ${strict.directory}.`, {
        hint: `Nothing was changed. Run \`pfs umount ${shellWord(strict.directory)}\` first, and mount it without sync=strict.`,
      });
    if (this.#configuration?.shares(bookId) !== true) return;
    const { file } = this.#configuration.status();
    throw new PfsError("NOT_PERMITTED", `The configuration ${file} says that ${bookId} is shared.`, {
      hint: "Nothing was changed. Take it out of `remotes` there first.",
    });
  }

  /** Mounts a book and tells so. @throws as MountRegistry.mount */
  async mount(request: Parameters<MountRegistry["mount"]>[0]): Promise<MountDescription> {
    if (this.#stopping !== undefined) throw new PfsError("DAEMON_UNREACHABLE", "The daemon is stopping.");
    if (request.sync === "strict" && !request.readOnly) this.syncer.book(request.bookId);
    const description = await this.mounts.mount(request);
    this.#reporter.mounted(description);
    const warning = transportWarning(request);
    if (warning !== undefined) this.#reporter.lacks(`${description.directory}: ${warning}`);
    return description;
  }

  /** Brings a directory into a book. @throws as importDirectory */
  async *import(request: ImportRequest): AsyncGenerator<ImportEvent, void> {
    for await (const event of importDirectory(this.owner, request)) {
      if (event.type === "done") this.#reporter.imported(event, request.directory);
      yield event;
    }
  }

  /**
   * Unmounts everything, closes the store and stops listening. A mount in use is given some seconds, then taken away
   * lazily; asking again takes it away at once. Never fails.
   */
  stop({ lazy = false, onBusy }: StopOptions = {}): Promise<void> {
    if (lazy || this.#stopping !== undefined) this.#hurried = true;
    this.#stopping ??= this.#stop(onBusy);
    return this.#stopping;
  }

  /** The mount thread is gone: takes the dead mounts away and the process with them. */
  async die(error: Error): Promise<void> {
    this.#reporter.fault("the mount thread", error.stack ?? error.message);
    for (const { directory } of this.mounts.list()) {
      await this.mounts.unmount(directory, { lazy: true }).catch(() => undefined);
    }
    process.exit(1);
  }

  async #stop(onBusy: StopOptions["onBusy"]): Promise<void> {
    const attempt = async (what: string, action: () => Promise<void> | void): Promise<void> => {
      try {
        await action();
      } catch (error) {
        this.#reporter.fault(what, error instanceof Error ? error.message : String(error));
      }
    };
    await attempt("control socket", () => this.#control?.refuseMore());
    await attempt("socket for other users", () => this.#access?.close());
    await attempt("configuration", () => this.#configuration?.close());
    await attempt("check", () => this.checks.close());
    await attempt("cache", () => this.cache.close());
    await attempt("retention", () => this.retention.close());
    await attempt("sync", () => this.syncer.close());
    await attempt("sync", () => this.#watchers.idle());
    // What is being mounted is a mount, too, before anybody knows of it.
    await attempt("unmount", () => this.mounts.idle());
    await attempt("unmount", () => this.#unmountAll(onBusy));
    await attempt("unmount", () => this.mounts.abandon());
    await attempt("HTTP port", () => this.#http?.close());
    await attempt("store", () => this.reader.close());
    await attempt("checkpoint", () => this.#checkpoint.close());
    await attempt("store", () => this.host.leave());
    this.#reporter.stopped();
    this.#end.resolve();
    await attempt("control socket", () => this.#control?.close());
  }

  async #unmountAll(onBusy: StopOptions["onBusy"]): Promise<void> {
    const deadlineMs = performance.now() + STOP_PATIENCE_MS;
    const told = new Set<string>();
    // The last one made may lie within an earlier one.
    for (let left = this.mounts.list(); left.length > 0; left = this.mounts.list()) {
      const lazy = this.#hurried || performance.now() > deadlineMs;
      for (const { directory } of left.reverse()) {
        try {
          await this.mounts.unmount(directory, { lazy });
        } catch (error) {
          const message = (error as Error).message;
          if (!told.has(message)) {
            told.add(message);
            this.#reporter.busy(message);
            onBusy?.(message);
          }
        }
      }
      if (lazy) {
        await sleep(LAZY_END_MS);
        return;
      }
      if (this.mounts.list().length > 0) await sleep(STOP_RETRY_MS);
    }
  }
}

/** Of a mount that saves. */
function isStrict(options: string): boolean {
  const words = options.split(",");
  return words.includes("sync=strict") && !words.includes("ro");
}

/** A store may be in the hands of a command for a moment; a daemon that answers is there to stay. */
async function openStore(storeDirectory: string, open: () => Promise<MountHost>): Promise<MountHost> {
  const deadlineMs = performance.now() + BUSY_PATIENCE_MS;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      const isBusy = error instanceof PfsError && error.code === "STORE_BUSY";
      if (!isBusy || performance.now() > deadlineMs || (await answersAt(storeDirectory))) throw error;
      await sleep(BUSY_RETRY_MS);
    }
  }
}
