/**
 * Owns how standard error tells systemd's journal how grave a line is. Source: sd-daemon(3), systemd.exec(5) on JOURNAL_STREAM,
 * syslog(3) on levels, pino on `Symbol.for("pino.metadata")`
 */
import { fstatSync } from "node:fs";
import type { DestinationStream } from "pino";

/** By pino's level: the least that is told as each of syslog's. */
const PRIORITIES: readonly (readonly [level: number, priority: number])[] = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
  [0, 7],
];

/** Whether a descriptor is the stream to the journal that systemd has given this process. */
export function isJournal(fd: number): boolean {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return process.env.JOURNAL_STREAM === `${dev}:${ino}`;
}

/** The same stream, with `<N>` before each line, which the journal takes away. */
export function withPriorities(stream: DestinationStream): DestinationStream {
  const prefixing = {
    // Pino then says the level of what it is about to write.
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 0,
    write(line: string): void {
      const priority = PRIORITIES.find(([level]) => prefixing.lastLevel >= level)?.[1] ?? 7;
      stream.write(`<${priority}>${line}`);
    },
  };
  return prefixing;
}
