/** Owns what commands write to standard output: lines for people, or one JSON object a line. Must never mix them. */
import { type Cell, paint, showsColours, textOf } from "./style.ts";
import { printable } from "./text.ts";

export interface Output {
  readonly json: boolean;
  /** A line for people, cells with two spaces between them; nothing with --json. */
  say(line: string | readonly Cell[]): void;
  /** An object for scripts; nothing without --json. */
  put(object: object): void;
}

/** Standard output. A reader that has seen enough (`| head`) is no failure. */
export function makeOutput(json: boolean): Output {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  const write = (text: string): void => void process.stdout.write(`${text}\n`);
  return {
    json,
    say: (line) => {
      if (!json) write(lineOf(typeof line === "string" ? [line] : line, showsColours()));
    },
    put: (object) => {
      if (json) write(JSON.stringify(object));
    },
  };
}

/** A line as a terminal gets it. */
export function lineOf(cells: readonly Cell[], inColour: boolean): string {
  return cells
    .map((cell) => (inColour ? paint(cell, printable(textOf(cell))) : printable(textOf(cell))))
    .join("  ");
}

/** A name of a book's file for a list: as it is where a program reads it, safe where a person does. */
export function listedName(name: string): string {
  return process.stdout.isTTY ? printable(name) : name;
}
