/**
 * Writes a stream as the next version of a path: owns the order of the steps. Runs in the main thread, or in a command that
 * owns the store; must never write the store itself.
 */
import { discardStaged, stageStream } from "../lib/staging.ts";
import type { WrittenFile } from "../lib/worktree/write-file.ts";
import type { StoreOwner } from "./store-owner.ts";
import type { WriteInput } from "./thread-calls.ts";

export interface WriteRequest extends Omit<WriteInput, "file"> {
  /** In the book. */
  readonly path: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Reads the stream to its end, then writes. @throws as stageStream of lib/ and Worktree.write; what `bytes` throws */
export async function writeStream(
  owner: StoreOwner,
  { path, bytes, ...input }: WriteRequest,
): Promise<WrittenFile> {
  const { fileSizeLimitBytes: limitBytes } = await owner.findBook(input.bookId);
  const staged = await stageStream(bytes, { storeDirectory: owner.storeDirectory, limitBytes });
  try {
    return await owner.writeFile({ ...input, file: { path, ...staged } });
  } finally {
    await discardStaged(staged);
  }
}
