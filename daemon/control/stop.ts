/** Owns the route that ends the daemon. */
import { EventEmitter, on } from "node:events";
import type { Daemon } from "../daemon.ts";
import { check, type Route } from "./route.ts";
import { stopBody } from "./shapes.ts";

/** What the daemon tells while it ends. */
export type StopEvent = { readonly type: "busy"; readonly message: string } | { readonly type: "stopped" };

export function stopRoutes(daemon: Daemon): Route[] {
  return [
    {
      method: "POST",
      path: "/stop",
      summary:
        'Unmounts everything and ends the daemon; tells what is in use, one a line. {"lazy": true}: at once.',
      servesWhileStopping: true,
      handle: ({ body }) => stop(daemon, check(stopBody, body)),
    },
  ];
}

async function* stop(daemon: Daemon, { lazy }: { readonly lazy: boolean }): AsyncGenerator<StopEvent, void> {
  const busy = new EventEmitter();
  void daemon.stop({ lazy, onBusy: (message) => void busy.emit("busy", message) });
  // Not the end of stopping, which waits for this very answer.
  void daemon.stopped.then(() => busy.emit("ended"));
  for await (const [message] of on(busy, "busy", { close: ["ended"] }) as AsyncIterable<[string]>) {
    yield { type: "busy", message };
  }
  yield { type: "stopped" };
}
