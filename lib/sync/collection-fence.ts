/**
 * Owns that a push and the collecting of a remote's garbage do each other no harm. A collection looks at the log, and takes
 * away what nobody names; a push puts bytes, or finds them there, and names them only then. So a collection says when it begins
 * to remove (the position of its claim becomes odd) and when it has ended (even), and a push that one came upon puts its bytes
 * once more when that is over: later ones see its rows. Must never keep anybody from pushing, nor wait for ever for what a
 * remote says.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CLAIM_MS, type ClaimState } from "../remote/remote-claims.ts";
import { RemoteError } from "../remote/remote-error.ts";
import type { RemoteLog } from "../remote/remote-log.ts";

const LOOK_EVERY_MS = 250;

type Log = Pick<RemoteLog, "readClaim">;

/** The position at which a collection may remove. @param position of the claim */
export function removingPosition(position: number): number {
  return position + (position % 2 === 0 ? 1 : 2);
}

function isRemoving({ position, isHeld }: ClaimState): boolean {
  return isHeld && position % 2 === 1;
}

export class CollectionFence {
  readonly #log: Log;
  readonly #before: ClaimState;

  private constructor(log: Log, before: ClaimState) {
    this.#log = log;
    this.#before = before;
  }

  /** To be set up before bytes are put, or found. */
  static async setUp(log: Log): Promise<CollectionFence> {
    return new CollectionFence(log, await log.readClaim("collect"));
  }

  /**
   * To be asked when the rows that name these bytes are in the log. Waits no longer than a claim lasts that nobody renews:
   * whoever may write to the remote could say for ever that somebody is at it.
   * @returns false when bytes may have been removed since: then that is over now, and they are to be put once more
   * @throws RemoteError UNAVAILABLE: it is not over yet, or they may have been removed by now; to be tried again
   */
  async holds(signal: AbortSignal | undefined): Promise<boolean> {
    let now = await this.#log.readClaim("collect");
    if (now.position === this.#before.position && !isRemoving(this.#before)) return true;
    const startedMs = performance.now();
    while (isRemoving(now)) {
      if (performance.now() - startedMs > CLAIM_MS) throw endlessCollection();
      await sleep(LOOK_EVERY_MS, undefined, signal === undefined ? {} : { signal });
      now = await this.#log.readClaim("collect");
    }
    return false;
  }
}

export function endlessCollection(): RemoteError {
  return new RemoteError(
    "UNAVAILABLE",
    "The remote says that a collection of its garbage does not end: whether bytes that were sent are still there is not known.",
    {
      isRetryable: true,
      hint: "It is tried again by itself. If nobody runs `pfs gc --remote`, remove the row `collect` from the remote's table `claim`.",
    },
  );
}
