/** `pfs mount`: makes a directory show a book, with a daemon in the background or in this process. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { isAutomount } from "../../mount/kernel/mount-table.ts";
import { clearStale } from "../../mount/kernel/mounting.ts";
import { PfsError } from "../../schema/errors.ts";
import { type AgentName, type BookId, parseBookId } from "../../schema/ids.ts";
import { type MountOptions, parseMountOptions } from "../../schema/mount-options.ts";
import { DaemonClient } from "../daemon-client.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import type { MountDescription } from "../mount-registry.ts";
import type { OwnMounter } from "../own-mounter.ts";
import { startInBackground } from "../start-in-background.ts";
import { makeTerminalReporter } from "../terminal-reporter.ts";
import { transportWarning } from "../transport-warning.ts";
import type { ContextOf } from "./command.ts";
import { type Context, statusOf } from "./context.ts";
import { localTime } from "./text.ts";
import { warn } from "./warn.ts";

interface Wanted {
  readonly bookId: BookId;
  readonly directory: string;
  readonly agent: AgentName;
  /** As after `-o`, parsed. */
  readonly options: MountOptions;
  readonly optionText: string;
}

interface MountFlags {
  readonly o?: string[];
  readonly foreground?: boolean;
  readonly socket?: string | undefined;
  readonly transport?: string;
}

export function addMount(program: Command, contextOf: ContextOf): void {
  program
    .command("mount")
    .summary("make a directory show a book")
    .description(
      "Mounts a book on a directory, on which any program may then work: each save is checked, journaled and " +
        "logged. Returns once the directory is usable; a daemon in the background serves it until `pfs stop`.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("<dir>", "what is in it is hidden while the book is mounted")
    .option(
      "-o <options>",
      "agent=NAME, user=NAME, check=seen|require|off, delete=revert|hide, sync=background|strict, at=REF, ro, allow_other; several with commas",
      collect,
    )
    .option("--transport <name>", "fuse-native: through the package of that name; as `-o transport=…`")
    .option("-f, --foreground", "stay here, tell saves and refusals, unmount on Ctrl-C")
    .option(
      "--socket <path>",
      "mount from root's daemon, as what it admits your Unix user to (or PFS_SOCKET)",
    )
    .addHelpText(
      "after",
      `\nThe agent is who answers for what is saved; without agent= it is ${DEFAULT_AGENT}.` +
        "\n\nExamples:\n  mkdir book && pfs mount my-book ./book\n  pfs mount my-book ./book -o agent=claude-7\n  pfs mount my-book ./look -o ro" +
        "\n  pfs mount my-book ./look -o at=2h    the book as it was two hours ago",
    )
    .action(
      async (
        book: string,
        dir: string,
        { o = [], foreground = false, socket = process.env.PFS_SOCKET, transport }: MountFlags,
        command: Command,
      ) => {
        const context = contextOf(command);
        const optionText = [...o, ...(transport === undefined ? [] : [`transport=${transport}`])].join(",");
        const options = parseMountOptions(optionText);
        const bookId = parseBookId(book);
        const place = { bookId, directory: resolve(dir), options, optionText };
        if (socket) return mountAsGuest(context, place, resolve(socket));
        const wanted: Wanted = { ...place, agent: options.agent ?? findAgent(undefined) };
        await (foreground ? mountHere(context, wanted) : mountThere(context, wanted));
      },
    );
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

async function mountThere(context: Context, wanted: Wanted): Promise<void> {
  const running = await context.daemon();
  if (running === undefined) await requireStore(context.storeDirectory);
  const daemon = running ?? (await startInBackground(context.storeDirectory));
  let mounter: OwnMounter | undefined;
  try {
    mounter = await mounterFor(wanted.directory, context.storeDirectory);
    await tellMount(context, await askToMount(daemon, { ...wanted, mounter: mounter?.path }));
    // The daemon logs it, where whoever mounts does not look.
    const warning = transportWarning(wanted.options);
    if (warning !== undefined) warn(warning);
  } catch (error) {
    if (running === undefined) await endUnused(daemon);
    throw error;
  } finally {
    await mounter?.close();
  }
}

/** Undefined where the daemon may mount by itself: on a directory of no automounter, or where this process may not, either. */
async function mounterFor(directory: string, storeDirectory: string): Promise<OwnMounter | undefined> {
  if (process.geteuid?.() !== 0 || !(await isAutomount(directory))) return undefined;
  const { OwnMounter } = await import("../own-mounter.ts");
  return OwnMounter.open(directory, storeDirectory);
}

/** Another Unix user's daemon decides who answers for it, unless somebody is named. */
async function mountAsGuest(context: Context, wanted: Omit<Wanted, "agent">, socket: string): Promise<void> {
  // What a daemon that was killed has left can be taken away only by whom it was mounted for.
  await clearStale(wanted.directory);
  const agent = wanted.options.agent ?? process.env.PFS_AGENT_ID;
  await tellMount(
    context,
    await askToMount(new DaemonClient(context.storeDirectory, socket), { ...wanted, agent }),
  );
}

async function tellMount(context: Context, mount: MountDescription): Promise<void> {
  const isOpen = await opensToUs(mount.directory);
  context.output.say(
    `Mounted ${mount.book} on ${mount.directory} (${mount.options}, agent ${mount.agent})${pastOf(mount)}.`,
  );
  if (!isOpen) context.output.say("Only the daemon's Unix user gets in; -o allow_other lets others in, too.");
  context.output.put(mount);
}

/** A mount of another Unix user's daemon is closed to us, be we root, unless it lets others in. @throws Node's system error */
async function opensToUs(directory: string): Promise<boolean> {
  try {
    await stat(directory);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return false;
    throw error;
  }
}

function pastOf({ position, position_time: time }: MountDescription): string {
  if (position === null) return "";
  return ` as it was at position ${position}${time === null ? "" : `, ${localTime(time)}`}`;
}

/** A daemon makes a store where there is none; that would be a mistyped --store, as there is no book to mount in it. */
async function requireStore(storeDirectory: string): Promise<void> {
  const { StoreReader } = await import("../../lib/reader.ts");
  StoreReader.open(storeDirectory).close();
}

async function askToMount(
  daemon: DaemonClient,
  wanted: Omit<Wanted, "agent"> & {
    readonly agent: string | undefined;
    readonly mounter?: string | undefined;
  },
): Promise<MountDescription> {
  const { bookId, directory, agent, optionText, mounter } = wanted;
  const body = { book: bookId, directory, agent, options: optionText, mounter };
  return (await daemon.call("POST", "/mounts", body)) as MountDescription;
}

/** A daemon that was started for a mount which failed is of no use, unless somebody else has found one meanwhile. */
async function endUnused(daemon: DaemonClient): Promise<void> {
  const { mounts } = await statusOf(daemon);
  if (mounts.length === 0) for await (const _event of daemon.stream("POST", "/stop"));
}

async function mountHere(context: Context, wanted: Wanted): Promise<void> {
  const { bookId, directory, agent, options } = wanted;
  const running = await context.daemon();
  if (running !== undefined) {
    const { pid } = await statusOf(running);
    throw new PfsError(
      "STORE_BUSY",
      `A daemon (process ${pid}) serves the store ${context.storeDirectory} already.`,
      {
        hint: "Leave out -f to mount with it, or end it first with `pfs stop`.",
      },
    );
  }
  await requireStore(context.storeDirectory);
  // The whole daemon, which most mounts find running.
  const { runDaemon } = await import("../run-daemon.ts");
  await runDaemon({
    storeDirectory: context.storeDirectory,
    reporter: makeTerminalReporter(context.output),
    onListening: async (daemon) => void (await daemon.mount({ ...options, bookId, directory, agent })),
  });
}
