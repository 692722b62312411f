/** The mount thread of the test server: one store, one book, any number of mounts of it. */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { Doorbell } from "../../lib/doorbell.ts";
import { Library } from "../../lib/library.ts";
import { Deliveries } from "../../mount/deliveries.ts";
import { DeviceLink } from "../../mount/device-link.ts";
import { Device } from "../../mount/kernel/device.ts";
import type { Notification } from "../../mount/kernel-link.ts";
import { Loop } from "../../mount/loop.ts";
import { Session } from "../../mount/session.ts";
import { parseAgentName, parseBookId } from "../../schema/ids.ts";
import { builtInProfile } from "../../schema/profiles.ts";

export interface ThreadStart {
  readonly store: string;
  readonly profile: "any" | "docusaurus" | "strict";
  readonly doorbellFd: number;
  readonly port: MessagePort;
}

export type ThreadOrder =
  | { readonly kind: "serve"; readonly fd: number; readonly readOnly: boolean }
  | { readonly kind: "delivered"; readonly ticket: number }
  | { readonly kind: "close"; readonly fd: number }
  | { readonly kind: "leave" };

export type ThreadReport =
  | { readonly kind: "done" }
  | { readonly kind: "ended"; readonly fd: number }
  | { readonly kind: "notify"; readonly fd: number; readonly notification: Notification }
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
const siblings = new Set<Session>();
const devices = new Map<number, Device>();

function serve(fd: number, readOnly: boolean): void {
  const device = new Device(fd);
  devices.set(fd, device);
  const session = new Session({
    worktree,
    agent: parseAgentName("test-agent"),
    readOnly,
    control: {
      status: () => ({ book: bookId, drafts: worktree.draftCount }),
      refusals: () => worktree.refusals.list(),
    },
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    deliveries,
    link: new DeviceLink(device, {
      notify: (notification) => tell({ kind: "notify", fd, notification }),
      onFault,
    }),
    siblings,
    onFault,
  });
  loop.add({ device, session, onEnd: () => tell({ kind: "ended", fd }) });
}

function obey(order: ThreadOrder): void {
  if (order.kind === "delivered") {
    deliveries.delivered(order.ticket);
    return;
  }
  if (order.kind === "serve") serve(order.fd, order.readOnly);
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
  beforeWaiting() {
    if (worktree.hasVacancies) worktree.settle(VACANCY_MS);
    library.store.rest();
    return worktree.hasVacancies ? VACANCY_MS : -1;
  },
  onFault,
});
tell({ kind: "done" });
loop.run();
library.close();
port.close();
