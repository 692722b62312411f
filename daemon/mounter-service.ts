/**
 * Owns answering one connection of a daemon that has a directory mounted, or unmounted, by another process: what is asked is
 * done if it is admitted, and said. Must never believe the daemon, nor keep anything.
 */
import { closeFd, readFd, waitReadable } from "../lib/libc.ts";
import { type PeerCredentials, peerCredentials, sendMessage } from "../lib/libc-sockets.ts";
import { notYours } from "../mount/kernel/guest-place.ts";
import { HeldDirectory } from "../mount/kernel/held-directory.ts";
import {
  MAX_MOUNTER_LINE_BYTES,
  type MounterAnswer,
  type MounterDone,
  type MounterMount,
  type MounterRequest,
  type MounterUnmount,
  parseMounterRequest,
} from "../schema/mounter-request.ts";
import { reportOf } from "./error-report.ts";
import { findMounted } from "./mounter-rules.ts";

/** A daemon asks as soon as it has connected. */
const PATIENCE_MS = 10_000;

export interface MounterServiceOptions {
  /** @throws PfsError where the caller may not have that done */
  admit(held: HeldDirectory, request: MounterRequest, caller: PeerCredentials): Promise<void>;
  /** Told of what was done or refused. */
  tell(what: string): void;
}

/** The connection is left open; what goes wrong is the answer. */
export async function answerConnection(
  connection: number,
  { admit, tell }: MounterServiceOptions,
): Promise<void> {
  // Who may connect is the socket's matter; the mounts are for whoever did.
  const caller = peerCredentials(connection);
  try {
    const request = parseMounterRequest(await receiveLine(connection));
    const { fd, ...done } =
      request.operation === "mount"
        ? await mount(request, caller, admit)
        : await unmount(request, caller, admit);
    answer(connection, { done }, fd);
    tell(`${request.operation} ${done.directory} for user ${caller.uid}`);
  } catch (error) {
    const { code, message, hint } = reportOf(error);
    tell(`refused user ${caller.uid}: ${message}`);
    answer(connection, { error: { code, message, hint } });
  }
}

interface Done extends MounterDone {
  readonly fd: number | undefined;
}

async function mount(
  request: MounterMount,
  caller: PeerCredentials,
  admit: MounterServiceOptions["admit"],
): Promise<Done> {
  const held = await HeldDirectory.open(request.directory).catch((cause) => {
    throw notYours(request.directory, cause);
  });
  await admit(held, request, caller);
  const { allowOther, readOnly, fsname, guest: owner = caller } = request;
  const fd = held.mount({ allowOther, readOnly, fsname, owner });
  return { fd, directory: held.directory, mountId: (await held.mountThere())?.id ?? "0" };
}

async function unmount(
  request: MounterUnmount,
  caller: PeerCredentials,
  admit: MounterServiceOptions["admit"],
): Promise<Done> {
  const held = await findMounted(request);
  await admit(held, request, caller);
  const mountId = (await held.mountThere())?.id ?? "0";
  await held.unmount(request);
  return { fd: undefined, directory: held.directory, mountId };
}

async function receiveLine(connection: number): Promise<string> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  let line = Buffer.alloc(0);
  const bytes = Buffer.alloc(4096);
  while (!line.includes("\n") && line.length <= MAX_MOUNTER_LINE_BYTES) {
    const leftMs = Math.ceil(deadlineMs - performance.now());
    if (leftMs <= 0 || !(await waitReadable(connection, leftMs))) break;
    const count = readFd(connection, bytes, bytes.length);
    if (count <= 0) break;
    line = Buffer.concat([line, bytes.subarray(0, count)]);
  }
  return line.toString("utf8");
}

function answer(connection: number, words: MounterAnswer, fd?: number): void {
  sendMessage(connection, Buffer.from(`${JSON.stringify(words)}\n`), fd);
  if (fd !== undefined) closeFd(fd);
}
