/** Owns colours on a terminal: what is wrong stands out, and nothing depends on it. Must never colour what is piped. */
import { styleText } from "node:util";

/** In what colour something is told: all is well, somebody has to look, something is broken, beside the point. */
export type Style = "green" | "yellow" | "red" | "dim" | "bold";

/** Text for people, or a piece of it in a style. */
export type Cell = string | { readonly text: string; readonly style: Style };

export function styled(style: Style, text: string): Cell {
  return { text, style };
}

export function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}

/** Whether standard output shows colours. NO_COLOR: see no-color.org */
export function showsColours(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

/** `text` as what the cell is told in. */
export function paint(cell: Cell, text: string): string {
  return typeof cell === "string" ? text : styleText(cell.style, text, { validateStream: false });
}
