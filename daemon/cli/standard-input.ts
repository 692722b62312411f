/**
 * Owns reading standard input as bytes: its beginning is held, so that it can be begun again until somebody has read on.
 * Must never hold more than that.
 */
import { fstatSync } from "node:fs";
import { PfsError } from "../../schema/errors.ts";

const STDIN_FD = 0;

/** All of standard input, of which `heldBytes` at least are read before this returns, if there are as many. */
export async function readAhead(heldBytes: number): Promise<AsyncIterable<Uint8Array>> {
  const rest = readInput();
  const held: Uint8Array[] = [];
  for (let sizeBytes = 0; sizeBytes <= heldBytes; ) {
    const next = await rest.next();
    if (next.done === true) break;
    held.push(next.value);
    sizeBytes += next.value.byteLength;
  }
  return {
    async *[Symbol.asyncIterator]() {
      yield* held;
      yield* rest;
    },
  };
}

/** @throws PfsError USAGE */
async function* readInput(): AsyncGenerator<Uint8Array, void> {
  // Of a directory Node reads nothing, and finds no fault with it.
  if (fstatSync(STDIN_FD).isDirectory()) throw unreadable("it is a directory");
  try {
    yield* process.stdin as AsyncIterable<Uint8Array>;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw unreadable(code ?? message, cause);
  }
}

function unreadable(why: string, cause?: unknown): PfsError {
  return new PfsError("USAGE", `Standard input cannot be read: ${why}.`, {
    hint: "Give the file's bytes: `pfs write BOOK PATH < FILE`.",
    cause,
  });
}
