/** Owns the line on standard error by which a command that goes on says what its user ought to know. */
import { printable } from "./text.ts";

export function warn(text: string): void {
  process.stderr.write(`pfs: ${printable(text)}\n`);
}
