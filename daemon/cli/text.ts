/** Owns how text from a book becomes text for people: safe on a terminal, times and sizes readable. */

import { type Cell, textOf } from "./style.ts";

/**
 * Controls, line and paragraph separators, halves of pairs, and what Unicode calls format characters (those that turn the
 * writing round, or are not seen at all), but for the two joiners, which Persian, Indian scripts and emoji are written with.
 */
const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?![\u200c\u200d])\p{Cf}/gu;

/** `text` without anything that could steer a terminal or turn the writing round: such characters are shown as \u{…}. */
export function printable(text: string): string {
  return text.replace(unsafe, (char) => `\\u{${(char.codePointAt(0) as number).toString(16)}}`);
}

/** An ISO time as local date and time to the second. */
export function localTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${clockTime(iso)}`;
}

/** An ISO time as local hours, minutes and seconds. */
export function clockTime(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 8);
}

const AGES: readonly (readonly [unit: string, seconds: number])[] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** How long ago an ISO time was: "2 hours ago". */
export function ageOf(iso: string, nowMs: number): string {
  const seconds = Math.floor((nowMs - Date.parse(iso)) / 1000);
  for (const [unit, length] of AGES)
    if (seconds >= length) return `${counted(Math.floor(seconds / length), unit)} ago`;
  return "just now";
}

/** Bytes as 1.2 MB. */
export function readableSize(sizeBytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "1 file", "2 files". */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A whole number with commas. Without the tables of locales, which take a command longer to load than most take. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Rows of equal columns, each but the last padded. */
export function columns(rows: readonly (readonly Cell[])[]): Cell[][] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries())
      widths[index] = Math.max(widths[index] ?? 0, textOf(cell).length);
  }
  const padded = (cell: Cell, width: number): Cell =>
    typeof cell === "string" ? cell.padEnd(width) : { ...cell, text: cell.text.padEnd(width) };
  return rows.map((row) =>
    row.map((cell, index) => (index === row.length - 1 ? cell : padded(cell, widths[index] ?? 0))),
  );
}
