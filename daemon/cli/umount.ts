/** `pfs umount`: makes a directory an ordinary one again. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { clearStale, unmountDirectory } from "../../mount/kernel/mounting.ts";
import { PfsError } from "../../schema/errors.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";

export function addUmount(program: Command, contextOf: ContextOf): void {
  program
    .command("umount")
    .summary("make it an ordinary directory again")
    .description("Unmounts a book; also clears what a killed daemon has left behind.")
    .argument("<dir>", "as `pfs status` lists it")
    .option("-l, --lazy", "also when programs use it: they may go on until they leave it")
    .addHelpText("after", "\nExample:\n  pfs umount ./book")
    .action(async (dir: string, { lazy = false }: { lazy?: boolean }, command: Command) => {
      const context = contextOf(command);
      const directory = resolve(dir);
      const wasAsked = await askDaemon(context, directory, lazy);
      if (!wasAsked) await unmountDirectly(directory, lazy);
      context.output.say(`Unmounted ${directory}.`);
      context.output.put({ directory });
    });
}

/** False: no daemon of this store has mounted it. */
async function askDaemon(context: Context, directory: string, lazy: boolean): Promise<boolean> {
  const daemon = await context.daemon();
  if (daemon === undefined) return false;
  const query = new URLSearchParams({ directory, lazy: lazy ? "1" : "0" });
  try {
    await daemon.call("DELETE", `/mounts?${query}`);
    return true;
  } catch (error) {
    if (error instanceof PfsError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}

/** What a dead daemon has left, or the mount of another store's daemon, which hears of it from the kernel. */
async function unmountDirectly(directory: string, lazy: boolean): Promise<void> {
  const state = await mountState(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "none" as const;
    throw error;
  });
  if (state === "stale") await clearStale(directory);
  else if (state === "pfs") await unmountDirectory(directory, { lazy });
  else {
    const what = state === "none" ? "nothing is mounted there" : "what is mounted there is no book";
    throw new PfsError("NOT_FOUND", `Cannot unmount ${directory}: ${what}.`, {
      hint: "`pfs status` names the mounts.",
    });
  }
}
