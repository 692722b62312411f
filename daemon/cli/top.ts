/** `pfs top`: the status of a store, and what is changed, as it happens. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { PfsError } from "../../schema/errors.ts";
import type { ContextOf } from "./command.ts";
import { lineOf } from "./output.ts";
import { look, type Seen, statusLines } from "./status-lines.ts";
import { type Cell, showsColours, styled, textOf } from "./style.ts";

const DEFAULT_SECONDS = "1";
/** Terminals: another screen without a cursor, and back to what was there. Source: ECMA-48, xterm's control sequences */
const [ENTER, LEAVE] = ["\u001b[?1049h\u001b[?25l", "\u001b[?25h\u001b[?1049l"];
const [HOME, TO_LINE_END, TO_SCREEN_END] = ["\u001b[H", "\u001b[K", "\u001b[J"];
/** For terminals that do not say how large they are. */
const [DEFAULT_ROWS, DEFAULT_COLUMNS] = [24, 80];
const QUIT: ReadonlySet<string> = new Set(["q", "Q", "\u0003", "\u0004"]);

export function addTop(program: Command, contextOf: ContextOf): void {
  program
    .command("top")
    .summary("what happens, live")
    .description(
      "Shows what `pfs status` tells, and the last changes as they come, until q is typed. Needs a terminal.",
    )
    .option("-d, --delay <seconds>", "between two looks", DEFAULT_SECONDS)
    .action(async ({ delay }: { delay: string }, command: Command) => {
      const context = contextOf(command);
      const delayMs = Number(delay) * 1000;
      if (!(delayMs >= 100 && delayMs <= 3_600_000))
        throw new PfsError("USAGE", `--delay takes seconds, from 0.1 to 3600, not ${delay}.`);
      if (!process.stdin.isTTY || !process.stdout.isTTY)
        throw new PfsError("USAGE", "`pfs top` needs a terminal.", {
          hint: "`pfs status` tells the same once, `pfs status --json` for scripts.",
        });
      // Failures of the first look are told as those of any command.
      const first = await look(context, screenSize().rows);
      await onScreen(async (signal) => {
        for (let seen = first; !signal.aborted; seen = await look(context, screenSize().rows)) {
          draw(seen);
          await sleep(delayMs, undefined, { signal }).catch(() => undefined);
        }
      });
    });
}

/** Calls `use` with the screen to itself until somebody quits; whatever ends it, the terminal is as it was. */
async function onScreen(use: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  const quit = (): void => abort.abort();
  const onKeys = (keys: Buffer): void => {
    for (const key of keys.toString()) if (QUIT.has(key)) quit();
  };
  process.once("SIGTERM", quit).once("SIGHUP", quit);
  process.stdin.setRawMode(true).on("data", onKeys).once("end", quit);
  process.stdout.write(ENTER);
  try {
    await use(abort.signal);
  } finally {
    process.stdout.write(LEAVE);
    process.stdin.setRawMode(false).off("data", onKeys).off("end", quit).pause();
    process.removeListener("SIGTERM", quit).removeListener("SIGHUP", quit);
  }
}

function screenSize(): { readonly rows: number; readonly columns: number } {
  const { rows, columns } = process.stdout;
  return { rows: rows || DEFAULT_ROWS, columns: columns || DEFAULT_COLUMNS };
}

function draw(seen: Seen): void {
  const { rows, columns } = screenSize();
  const title: Cell[] = [
    styled("bold", "pfs top"),
    styled("dim", `${new Date().toTimeString().slice(0, 8)}, q ends it`),
  ];
  const lines = [title, ...statusLines(seen, Date.now())].slice(0, rows);
  const text = lines
    .map((line) => `${lineOf(cut(line, columns), showsColours())}${TO_LINE_END}`)
    .join("\r\n");
  process.stdout.write(`${HOME}${text}${TO_SCREEN_END}`);
}

/** So much of a line as a terminal's has room for. */
function cut(line: readonly Cell[], width: number): Cell[] {
  const kept: Cell[] = [];
  let left = width;
  for (const cell of line) {
    if (left <= 0) break;
    const text = [...textOf(cell)].slice(0, left).join("");
    kept.push(typeof cell === "string" ? text : { ...cell, text });
    left -= text.length + 2;
  }
  return kept;
}
