// Remotes that fail as planned, once for every interface: before something is done, after it was done, late, or with wrong
// bytes. Must never fail otherwise.

import { setTimeout as sleep } from "node:timers/promises";
import { type Decorator, decorate, type Operations } from "../../lib/remote/operations.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { seededRandom } from "./random.ts";

/** "after": it was done, but its answer is lost; a stream ends behind its first item. "wrong-bytes": of streams. */
export type CallFault = "before" | "after" | "slow" | "wrong-bytes";

/** Says what is to happen to the next call of an operation. */
export type FaultPlan = (operation: string) => CallFault | undefined;

const FAULTS: readonly CallFault[] = ["before", "after", "slow", "wrong-bytes"];
const SLOW_MS = 5;

/** A share of the calls fails, each in any of the ways; the same seed gives the same faults. */
export function seededPlan(seed: number, share: number, faults = FAULTS): FaultPlan {
  const random = seededRandom(seed);
  return () => (random() < share ? faults[Math.floor(random() * faults.length)] : undefined);
}

/** Faults one after the other, for calls of one operation; then none. */
export function listedPlan(operation: string, faults: readonly (CallFault | undefined)[]): FaultPlan {
  const left = [...faults];
  return (called) => (called === operation ? left.shift() : undefined);
}

export function withFaults<Remote extends object>(
  remote: Remote,
  operations: Operations<Remote>,
  plan: FaultPlan,
): Remote {
  const decorator: Decorator = {
    async answer({ name, start }) {
      const fault = plan(name);
      if (fault === "before") throw injected(name, fault);
      if (fault === "slow") await sleep(SLOW_MS);
      const answer = await start();
      if (fault === "after") throw injected(name, fault);
      return answer;
    },
    async *stream({ name, start }) {
      const fault = plan(name);
      if (fault === "before") throw injected(name, fault);
      let items = 0;
      for await (const item of start()) {
        if (fault === "slow") await sleep(SLOW_MS);
        yield fault === "wrong-bytes" && items++ === 0 ? withWrongByte(item) : item;
        if (fault === "after") throw injected(name, fault);
      }
    },
  };
  return decorate(remote, operations, decorator);
}

function injected(name: string, fault: CallFault): RemoteError {
  return new RemoteError("UNAVAILABLE", `The call of ${name} fails as planned (${fault}).`, {
    isRetryable: true,
  });
}

function withWrongByte<Item>(item: Item): Item {
  if (!(item instanceof Uint8Array) || item.byteLength === 0) return item;
  const changed = Uint8Array.from(item);
  changed[0] = changed[0]! ^ 1;
  return changed as Item;
}
