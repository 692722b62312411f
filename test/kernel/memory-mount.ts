/**
 * A process that mounts the memory file system on a directory and obeys its parent's messages. Starts as the user it
 * was started as and, told to, goes on as another, so that it needs nothing that only the first may read.
 */
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { Doorbell } from "../../lib/doorbell.ts";
import { type MountOptions, mountDirectory, unmountDirectory } from "../../mount/kernel/mounting.ts";
import { encodeInvalidateInode, sendNotificationAsync } from "../../mount/kernel/notify.ts";
import type { PfsError } from "../../schema/errors.ts";
import type { ServeData, ServeOrder, ServeReport } from "./memory-filesystem.ts";

export interface MemoryMountStart {
  dir: string;
  options: MountOptions;
  /** Become this user and group before mounting. */
  asUser?: number | undefined;
}

export type MemoryMountOrder =
  | ServeOrder
  | { kind: "invalidate"; nodeid: number }
  | { kind: "unmount"; lazy: boolean };

export type MemoryMountAnswer =
  | { kind: "ready" }
  | { kind: "failed"; message: string; hint: string | undefined }
  | { kind: "report"; report: ServeReport }
  | { kind: "notified"; outcome: string };

function tell(answer: MemoryMountAnswer): void {
  process.send?.(answer);
}

function become(user: number): void {
  process.chdir("/");
  process.setgroups?.([]);
  process.setgid?.(user);
  process.setuid?.(user);
}

async function main({ dir, options, asUser }: MemoryMountStart): Promise<void> {
  const doorbell = new Doorbell();
  const { port1, port2 } = new MessageChannel();
  const workerData: ServeData = { doorbellFd: doorbell.fd, port: port2 };
  const worker = new Worker(new URL("./memory-filesystem.ts", import.meta.url), {
    workerData,
    transferList: [port2],
  });
  worker.on("exit", () => process.exit(0));
  const order = (message: ServeOrder): void => {
    port1.postMessage(message);
    doorbell.ring();
  };
  await once(port1, "message");
  if (asUser !== undefined) become(asUser);
  let deviceFd: number;
  try {
    deviceFd = await mountDirectory(dir, options);
  } catch (error) {
    tellFailure(error);
    // The worker waits in poll(2), where no process.exit can reach it.
    return order({ kind: "leave" });
  }
  order({ kind: "serve", deviceFd });
  await once(port1, "message");
  port1.on("message", (report: ServeReport) => tell({ kind: "report", report }));
  process.on("message", (message: MemoryMountOrder) => {
    if (message.kind === "invalidate") {
      const notification = encodeInvalidateInode({ nodeid: message.nodeid, offset: 0, length: 0 });
      void sendNotificationAsync(deviceFd, notification).then((outcome) =>
        tell({ kind: "notified", outcome }),
      );
    } else if (message.kind === "unmount") unmountDirectory(dir, { lazy: message.lazy }).catch(tellFailure);
    else order(message);
  });
  tell({ kind: "ready" });
}

function tellFailure(error: unknown): void {
  const { message, hint } = error as PfsError;
  tell({ kind: "failed", message, hint });
}

process.once("message", (start: MemoryMountStart) => void main(start));
