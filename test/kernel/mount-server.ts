/**
 * A process that serves books of a temporary store on directories, as the daemon will: a worker runs the loop, this
 * thread mounts, unmounts and writes notifications. Obeys its parent's messages, and its end ends the mounts.
 */
import { MessageChannel, Worker } from "node:worker_threads";
import { Doorbell } from "../../lib/doorbell.ts";
import type { Errand } from "../../lib/errands.ts";
import { runErrand } from "../../lib/run-errand.ts";
import { FuseNativeBridge } from "../../mount/fuse-native/attach.ts";
import { mountDirectory, unmountDirectory } from "../../mount/kernel/mounting.ts";
import { Notifier } from "../../mount/kernel/notifier.ts";
import type { CheckMode, Transport } from "../../schema/mount-options.ts";
import type { ThreadOrder, ThreadReport, ThreadStart } from "./mount-thread.ts";

export interface ServerStart {
  readonly store: string;
  readonly profile: "any" | "docusaurus" | "strict";
}

export interface MountOrder {
  readonly kind: "mount";
  readonly dir: string;
  readonly readOnly: boolean;
  readonly check: CheckMode;
  readonly allowOther: boolean;
  readonly transport: Transport;
}

export type ServerOrder =
  | MountOrder
  | { readonly kind: "unmount"; readonly dir: string }
  | { readonly kind: "stop" };

export type ServerAnswer =
  | { readonly kind: "ok" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "fault"; readonly message: string };

interface Served {
  readonly dir: string;
  readonly fd: number;
  readonly notifier: Notifier;
  readonly ended: PromiseWithResolvers<void>;
}

class Server {
  readonly #store: string;
  readonly #doorbell = new Doorbell();
  readonly #channel = new MessageChannel();
  readonly #worker: Worker;
  readonly #mounts = new Map<number, Served>();
  readonly #waiting: (() => void)[] = [];

  constructor({ store, profile }: ServerStart) {
    this.#store = store;
    const workerData: ThreadStart = {
      store,
      profile,
      doorbellFd: this.#doorbell.fd,
      port: this.#channel.port2,
    };
    this.#worker = new Worker(new URL("./mount-thread.ts", import.meta.url), {
      workerData,
      transferList: [this.#channel.port2],
    });
    this.#worker.on("error", (error) => tell({ kind: "fault", message: error.stack ?? error.message }));
    this.#channel.port1.on("message", (report: ThreadReport) => this.#hear(report));
  }

  ready(): Promise<void> {
    return this.#next();
  }

  async mount({ dir, readOnly, check, allowOther, transport }: MountOrder): Promise<void> {
    const bridge = transport === "fuse-native" ? new FuseNativeBridge() : undefined;
    const attach = bridge?.attach.bind(bridge);
    // As the daemon does it: that nothing changes is for the session to see to.
    const isFixed = readOnly && transport !== "kernel";
    const fd = await mountDirectory(dir, { readOnly: isFixed, allowOther, fsname: "test" }, attach);
    const notifier = new Notifier({
      fd,
      delivered: (ticket, isKnown) => this.#order({ kind: "delivered", ticket, isKnown }),
      onFault: (error) => tell({ kind: "fault", message: String(error) }),
    });
    this.#mounts.set(fd, { dir, fd, notifier, ended: Promise.withResolvers<void>() });
    this.#order({ kind: "serve", fd, readOnly, check });
    await this.#next();
  }

  async unmount(dir: string): Promise<void> {
    const mount = [...this.#mounts.values()].find((candidate) => candidate.dir === dir);
    if (mount === undefined) return;
    await unmountDirectory(dir, { lazy: false });
    await mount.ended.promise;
    await mount.notifier.close();
    this.#mounts.delete(mount.fd);
    this.#order({ kind: "close", fd: mount.fd });
    await this.#next();
  }

  async stop(): Promise<void> {
    for (const { dir } of [...this.#mounts.values()]) await this.unmount(dir);
    this.#order({ kind: "leave" });
    await new Promise((resolve) => this.#worker.once("exit", resolve));
  }

  #hear(report: ThreadReport): void {
    if (report.kind === "notify") this.#mounts.get(report.fd)?.notifier.send(report.notification);
    else if (report.kind === "ended") this.#mounts.get(report.fd)?.ended.resolve();
    else if (report.kind === "errand") void this.#run(report.id, report.errand);
    else if (report.kind === "fault") tell(report);
    else this.#waiting.shift()?.();
  }

  async #run(id: number, errand: Errand): Promise<void> {
    const outcome =
      errand.type === "metrics"
        ? "pfs_test 1\n"
        : errand.type === "fetch" || errand.type === "share"
          ? undefined
          : await runErrand(errand, this.#store).catch(() => undefined);
    this.#order({ kind: "errandDone", id, outcome });
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #order(order: ThreadOrder): void {
    this.#channel.port1.postMessage(order);
    this.#doorbell.ring();
  }
}

function tell(answer: ServerAnswer): void {
  process.send?.(answer);
}

let server: Server | undefined;

async function obey(order: ServerOrder): Promise<void> {
  if (order.kind === "mount") await server?.mount(order);
  else if (order.kind === "unmount") await server?.unmount(order.dir);
  else await server?.stop();
}

process.once("message", (start: ServerStart) => {
  server = new Server(start);
  process.on("message", (order: ServerOrder) => {
    obey(order).then(
      () => {
        tell({ kind: "ok" });
        if (order.kind === "stop") process.disconnect();
      },
      (error: Error) => tell({ kind: "failed", message: error.message }),
    );
  });
  void server.ready().then(() => tell({ kind: "ok" }));
});
