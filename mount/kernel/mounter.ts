/**
 * Mounting and unmounting by the mounter, a service of root's beside a daemon that has no privileges. Owns asking it over its
 * socket; what it agrees to is its own affair.
 */
import { closeFd, waitReadable } from "../../lib/libc.ts";
import { connectSocket, receiveMessage, sendMessage } from "../../lib/libc-sockets.ts";
import { PfsError } from "../../schema/errors.ts";
import {
  MAX_MOUNTER_LINE_BYTES,
  type MounterDone,
  type MounterRequest,
  parseMounterAnswer,
} from "../../schema/mounter-request.ts";
import type { MountOptions } from "./mounting.ts";

/** How long the mounter may take, which is a program that has to be started. */
const PATIENCE_MS = 60_000;

/** A mount that the mounter has made, and the connection to it. */
export interface MounterMounted extends MounterDone {
  readonly fd: number;
}

/** Where the mounter listens; undefined: this process mounts by itself. */
export function mounterSocket(): string | undefined {
  return process.env.PFS_MOUNTER || undefined;
}

/** @throws PfsError MOUNT_FAILED, NOT_PERMITTED */
export async function mounterAttach(
  socket: string,
  directory: string,
  { allowOther, readOnly, fsname, owner: guest }: MountOptions,
): Promise<MounterMounted> {
  const { fd, ...done } = await ask(socket, {
    operation: "mount",
    directory,
    fsname,
    allowOther,
    readOnly,
    guest: guest && { uid: guest.uid, gid: guest.gid },
  });
  if (fd !== undefined) return { fd, ...done };
  throw new PfsError("MOUNT_FAILED", `Cannot mount ${directory}: the mounter has sent no descriptor.`);
}

export interface DetachOptions {
  readonly lazy: boolean;
  /** Of its MounterMounted; undefined: what is mounted on the directory is meant. */
  readonly mountId?: string;
}

/** @throws PfsError MOUNT_FAILED, NOT_PERMITTED; PosixError EBUSY: it is in use; EINVAL: nothing is mounted there */
export async function mounterDetach(
  socket: string,
  directory: string,
  options: DetachOptions,
): Promise<void> {
  const { fd } = await ask(socket, { operation: "unmount", directory, ...options });
  if (fd !== undefined) closeFd(fd);
}

async function ask(
  path: string,
  request: MounterRequest,
): Promise<MounterDone & { readonly fd: number | undefined }> {
  const connection = connect(path);
  let fd: number | undefined;
  try {
    sendMessage(connection, Buffer.from(`${JSON.stringify(request)}\n`));
    const deadlineMs = performance.now() + PATIENCE_MS;
    let answer = Buffer.alloc(0);
    while (!answer.includes("\n") && answer.length <= MAX_MOUNTER_LINE_BYTES) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || !(await waitReadable(connection, Math.ceil(leftMs)))) throw silent();
      const bytes = Buffer.alloc(4096);
      const received = receiveMessage(connection, bytes);
      if (received?.count === 0) break;
      fd ??= received?.fd;
      answer = Buffer.concat([answer, bytes.subarray(0, received?.count ?? 0)]);
    }
    return { fd, ...parseMounterAnswer(answer.toString("utf8")) };
  } catch (error) {
    if (fd !== undefined) closeFd(fd);
    throw error;
  } finally {
    closeFd(connection);
  }
}

function connect(path: string): number {
  try {
    return connectSocket(path);
  } catch (cause) {
    throw new PfsError(
      "MOUNT_FAILED",
      `The mounter cannot be reached at ${path}: ${(cause as { code?: string }).code}.`,
      {
        hint: "PFS_MOUNTER names its socket; `systemctl status pfs-mounter.socket` says whether it is there.",
        cause,
      },
    );
  }
}

function silent(): PfsError {
  return new PfsError("MOUNT_FAILED", `The mounter has not answered for ${PATIENCE_MS / 1000} seconds.`, {
    hint: "`journalctl -u 'pfs-mounter@*'` says more.",
  });
}
