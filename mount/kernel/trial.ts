/**
 * Mounts for a moment, on a directory of its own, to learn that this machine lets us and what its kernel offers. Owns taking
 * all of it away again; must never answer a request.
 */
import { mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PfsError } from "../../schema/errors.ts";
import { decodeInit } from "./decode-connection.ts";
import { Device } from "./device.ts";
import { type InitOutcome, negotiate } from "./init.ts";
import { mountDirectory, unmountDirectory } from "./mounting.ts";
import { Request } from "./request.ts";

const PATIENCE_MS = 2_000;
const RETRY_MS = 5;

/** What a kernel says of itself. */
export interface KernelOffer {
  /** The protocol's version, as `7.45`. */
  readonly protocol: string;
  readonly outcome: InitOutcome;
}

/** @param folder where the directory is made @throws PfsError MOUNT_FAILED */
export async function askKernel(folder: string, allowOther: boolean): Promise<KernelOffer> {
  const directory = await mkdtemp(join(folder, "pfs-trial-"));
  try {
    const fd = await mountDirectory(directory, { allowOther, readOnly: true, fsname: "pfs-trial" });
    const device = new Device(fd);
    try {
      return await receiveOffer(device);
    } finally {
      // First, so that nothing that looks at the mount waits for an answer.
      device.close();
      await unmountDirectory(directory, { lazy: true });
    }
  } finally {
    await rmdir(directory);
  }
}

async function receiveOffer(device: Device): Promise<KernelOffer> {
  const request = new Request();
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (device.receive(request) !== true) {
    if (performance.now() > deadlineMs)
      throw new PfsError("MOUNT_FAILED", "The kernel has not said a word on a mount that it has made.");
    await sleep(RETRY_MS);
  }
  const offer = decodeInit(request);
  return { protocol: `${offer.major}.${offer.minor}`, outcome: negotiate(offer) };
}
