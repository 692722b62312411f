/** The mount thread of the test server: one store, one book, any number of mounts of it. */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { Doorbell } from "../../lib/doorbell.ts";
import type { Errand, ErrandOutcome } from "../../lib/errands.ts";
import { Library } from "../../lib/library.ts";
import { PastTrees } from "../../lib/past/past-trees.ts";
import { Deliveries } from "../../mount/deliveries.ts";
import { DeviceLink } from "../../mount/device-link.ts";
import { ErrandDesk } from "../../mount/errand-desk.ts";
import { Device } from "../../mount/kernel/device.ts";
import type { Notification } from "../../mount/kernel-link.ts";
import { Loop } from "../../mount/loop.ts";
import { SeenCheck } from "../../mount/seen-check.ts";
import { Session } from "../../mount/session.ts";
import { parseAgentName, parseBookId, type Seq } from "../../schema/ids.ts";
import { type CheckMode, DEFAULT_MODE, type MountMode } from "../../schema/mount-options.ts";
import { builtInProfile } from "../../schema/profiles.ts";

export interface ThreadStart {
  readonly store: string;
  readonly profile: "any" | "docusaurus" | "strict";
  readonly doorbellFd: number;
  readonly port: MessagePort;
}

export type ThreadOrder =
  | { readonly kind: "serve"; readonly fd: number; readonly readOnly: boolean; readonly check: CheckMode }
  | { readonly kind: "delivered"; readonly ticket: number; readonly isKnown: boolean }
  | { readonly kind: "errandDone"; readonly id: number; readonly outcome: ErrandOutcome | undefined }
  | { readonly kind: "close"; readonly fd: number }
  | { readonly kind: "leave" };

export type ThreadReport =
  | { readonly kind: "done" }
  | { readonly kind: "ended"; readonly fd: number }
  | { readonly kind: "notify"; readonly fd: number; readonly notification: Notification }
  | { readonly kind: "errand"; readonly id: number; readonly errand: Errand }
  | { readonly kind: "fault"; readonly message: string };

const { store, profile, doorbellFd, port } = workerData as ThreadStart;
const VACANCY_MS = 1000;

function tell(report: ThreadReport): void {
  port.postMessage(report);
}

function onFault(error: unknown, operation: string): void {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  tell({ kind: "fault", message: `${operation}: ${message}` });
}

const bookId = parseBookId("test-book");
const library = Library.open(store);
if (library.books.find(bookId) === undefined) library.createBook(bookId, builtInProfile(profile));
const worktree = library.worktree(bookId);
const deliveries = new Deliveries();
const errands = new ErrandDesk((id, errand) => tell({ kind: "errand", id, errand }));
const siblings = new Set<Session>();
const seen = new SeenCheck(worktree);
const pastTrees = new PastTrees({ store: library.store, blobs: library.blobs, book: worktree.book });
const devices = new Map<number, Device>();

function serve(fd: number, mode: Pick<MountMode, "readOnly" | "check">): void {
  const device = new Device(fd);
  devices.set(fd, device);
  const session = new Session({
    tree: worktree,
    ...DEFAULT_MODE,
    ...mode,
    agent: parseAgentName("test-agent"),
    control: {
      store: library.store,
      worktree,
      base: undefined,
      position: undefined,
      past: (reference) => pastTrees.find(reference),
      layer: (user) => pastTrees.at(library.log.seq as Seq, user),
      manifest: library.manifest(bookId),
      log: library.log,
      logPages: library.logPages,
      shownLayers: undefined,
      signer: library.signer,
      process: () => ({}),
      mount: () => ({ read_only: mode.readOnly }),
    },
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    deliveries,
    errands,
    link: new DeviceLink(device, {
      notify: (notification) => tell({ kind: "notify", fd, notification }),
      onFault,
    }),
    siblings,
    seen,
    onFault,
  });
  loop.add({ device, session, onEnd: () => tell({ kind: "ended", fd }) });
}

function obey(order: ThreadOrder): void {
  if (order.kind === "delivered") {
    deliveries.delivered(order.ticket, order.isKnown);
    return;
  }
  if (order.kind === "errandDone") {
    errands.done(order.id, order.outcome);
    return;
  }
  if (order.kind === "serve") serve(order.fd, order);
  else if (order.kind === "close") {
    devices.get(order.fd)?.close();
    devices.delete(order.fd);
  } else loop.stop();
  tell({ kind: "done" });
}

const loop = new Loop({
  doorbell: new Doorbell(doorbellFd),
  onDoorbell() {
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port))
      obey(got.message);
  },
  isAtRest: () => !library.store.isReading && seen.lastReads.isSettled,
  beforeWaiting() {
    if (worktree.hasVacancies) worktree.settle(VACANCY_MS);
    seen.lastReads.rest();
    library.store.rest();
    return worktree.hasVacancies ? VACANCY_MS : -1;
  },
  onFault,
});
tell({ kind: "done" });
loop.runInTurns(() => {
  library.close();
  port.close();
});
