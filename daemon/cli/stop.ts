/** `pfs stop`: unmounts everything and ends the daemon. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { PfsError } from "../../schema/errors.ts";
import type { StopEvent } from "../control/stop.ts";
import { ownerOf } from "../killed-owner.ts";
import type { ContextOf } from "./command.ts";
import { statusOf } from "./context.ts";
import { printable } from "./text.ts";

const EXIT_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

export function addStop(program: Command, contextOf: ContextOf): void {
  program
    .command("stop")
    .summary("unmount everything and end the daemon")
    .description(
      "Unmounts everything and ends the daemon. A mount in use is waited for some seconds, and who uses it is " +
        "said; then it is taken away lazily.",
    )
    .option("-l, --lazy", "do not wait for programs that use a mount")
    .action(async ({ lazy = false }: { lazy?: boolean }, command: Command) => {
      const context = contextOf(command);
      const { output, storeDirectory } = context;
      const daemon = await context.daemon();
      if (daemon === undefined) {
        output.say(`No daemon runs for the store ${storeDirectory}.`);
        output.put({ store: storeDirectory, pid: null });
        return;
      }
      // Its status needs a database that can be read, and it is to end without one, too.
      const pid = ownerOf(storeDirectory) ?? (await statusOf(daemon)).pid;
      for await (const event of daemon.stream("POST", "/stop", { lazy }) as AsyncIterable<StopEvent>) {
        if (event.type === "busy") process.stderr.write(`pfs: ${printable(event.message)} Waiting for it.\n`);
      }
      await waitForEnd(pid);
      output.say(`Stopped the daemon (process ${pid}) of the store ${storeDirectory}.`);
      output.put({ store: storeDirectory, pid });
    });
}

async function waitForEnd(pid: number): Promise<void> {
  const deadlineMs = performance.now() + EXIT_TIMEOUT_MS;
  while (isAlive(pid)) {
    if (performance.now() > deadlineMs) {
      throw new PfsError(
        "DAEMON_UNREACHABLE",
        `The daemon (process ${pid}) has closed the store and does not end.`,
        {
          hint: `End it with \`kill -9 ${pid}\`; nothing is lost.`,
        },
      );
    }
    await sleep(POLL_MS);
  }
}

/** A zombie has ended: only its parent has not asked for its exit code yet. */
function isAlive(pid: number): boolean {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return false;
  }
  return !/^State:\s+[ZX]/m.test(status);
}
