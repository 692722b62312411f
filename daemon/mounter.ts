/**
 * The mounter: what systemd runs as root for each connection to its socket, which is standard input. Does the one thing that the
 * daemon asks for and ends. Runs when it is imported. Must never believe the daemon, nor keep anything.
 */
import { closeFd, readFd, waitReadable } from "../lib/libc.ts";
import { peerCredentials, sendMessage } from "../lib/libc-sockets.ts";
import { notYours } from "../mount/kernel/guest-place.ts";
import { HeldDirectory } from "../mount/kernel/held-directory.ts";
import {
  MAX_MOUNTER_LINE_BYTES,
  type MounterAnswer,
  type MounterDone,
  type MounterMount,
  type MounterUnmount,
  parseMounterRequest,
} from "../schema/mounter-request.ts";
import { configPlace, readConfig } from "./config-file.ts";
import { reportOf } from "./error-report.ts";
import { admitMounting, findMounted } from "./mounter-rules.ts";

const CONNECTION = 0;
/** A daemon asks as soon as it has connected. */
const PATIENCE_MS = 10_000;

async function main(): Promise<void> {
  // Who may connect is the socket's matter; the mounts are for whoever did.
  const caller = peerCredentials(CONNECTION);
  try {
    const request = parseMounterRequest(await receiveLine());
    const { fd, ...done } =
      request.operation === "mount" ? await mount(request, caller) : await unmount(request);
    answer({ done }, fd);
    tell(`${request.operation} ${done.directory} for user ${caller.uid}`);
  } catch (error) {
    const { code, message, hint } = reportOf(error);
    tell(`refused user ${caller.uid}: ${message}`);
    answer({ error: { code, message, hint } });
  }
}

interface Done extends MounterDone {
  readonly fd: number | undefined;
}

async function mount(
  request: MounterMount,
  caller: { readonly uid: number; readonly gid: number },
): Promise<Done> {
  const held = await HeldDirectory.open(request.directory).catch((cause) => {
    throw notYours(request.directory, cause);
  });
  const rules = {
    below: process.env.PFS_MOUNT_BELOW,
    config: () => readConfig(configPlace()),
  };
  await admitMounting(held, request, { uid: caller.uid, rules });
  const { allowOther, readOnly, fsname, guest: owner = caller } = request;
  const fd = held.mount({ allowOther, readOnly, fsname, owner });
  return { fd, directory: held.directory, mountId: (await held.mountThere())?.id ?? "0" };
}

async function unmount(request: MounterUnmount): Promise<Done> {
  const held = await findMounted(request);
  const mountId = (await held.mountThere())?.id ?? "0";
  await held.unmount(request);
  return { fd: undefined, directory: held.directory, mountId };
}

async function receiveLine(): Promise<string> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  let line = Buffer.alloc(0);
  const bytes = Buffer.alloc(4096);
  while (!line.includes("\n") && line.length <= MAX_MOUNTER_LINE_BYTES) {
    const leftMs = Math.ceil(deadlineMs - performance.now());
    if (leftMs <= 0 || !(await waitReadable(CONNECTION, leftMs))) break;
    const count = readFd(CONNECTION, bytes, bytes.length);
    if (count <= 0) break;
    line = Buffer.concat([line, bytes.subarray(0, count)]);
  }
  return line.toString("utf8");
}

function answer(words: MounterAnswer, fd?: number): void {
  sendMessage(CONNECTION, Buffer.from(`${JSON.stringify(words)}\n`), fd);
  if (fd !== undefined) closeFd(fd);
}

/** To the journal: escaped, as names may hold anything. */
function tell(what: string): void {
  process.stderr.write(`${JSON.stringify(what).slice(1, -1)}\n`);
}

await main();
