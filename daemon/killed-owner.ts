/** Owns what is done about a store's owner that was killed and cannot end (SEMANTICS, Saving). Must never touch one that lives. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { abortConnections, isKilledButThere } from "../mount/kernel/abort.ts";
import { PfsError } from "../schema/errors.ts";

const END_TIMEOUT_MS = 10_000;
const RETRY_MS = 20;

/** The process id in a store's lock file; undefined when nobody has the store. */
export function ownerOf(storeDirectory: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(storeDirectory, "lock"), "utf8"), 10);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Has the kernel end a store's owner that was killed. True: nobody owns the store now; false: its owner was not killed.
 * @throws PfsError DAEMON_UNREACHABLE naming it, where that is not in this process's power
 */
export async function endKilledOwner(storeDirectory: string): Promise<boolean> {
  const pid = ownerOf(storeDirectory);
  if (pid === undefined || !isKilledButThere(pid)) return false;
  let cause: unknown;
  try {
    if (await abortConnections(pid)) {
      const deadlineMs = performance.now() + END_TIMEOUT_MS;
      while (isKilledButThere(pid) && performance.now() < deadlineMs) await sleep(RETRY_MS);
    }
  } catch (error) {
    cause = error;
  }
  if (!isKilledButThere(pid)) return true;
  throw new PfsError(
    "DAEMON_UNREACHABLE",
    `The daemon of the store ${storeDirectory} (process ${pid}) was killed and cannot end: a program waits for it that it waits for.`,
    { hint: "Run `umount -f -l DIR` as root for each directory that it had mounted.", cause },
  );
}
