/**
 * Owns bringing bytes of any number into the store for being recorded: few in memory, many as a file under drafts/ that is
 * hashed as they come. Only for the process that owns the store. Must never record them.
 */
import { createHash, hash as sha256 } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash } from "../schema/ids.ts";
import { INLINE_MAX_BYTES } from "./blobs.ts";
import { DiskSpace } from "./disk-space.ts";
import { newDraftPath } from "./draft-path.ts";
import { WriteBehind } from "./write-behind.ts";

/** For so much space is asked at a time: not for more, as several files may be on their way at once. */
const SPACE_BYTES = 256 * 1024;

/** Bytes that are ready to be recorded. Plain data: it may be sent to the thread that owns the store. */
export interface StagedBytes {
  readonly hash: BlobHash;
  readonly sizeBytes: number;
  readonly content: SmallBytes | LargeBytes;
}

/** In an ArrayBuffer of their own, that may be transferred. */
export interface SmallBytes {
  readonly bytes: Uint8Array;
}

/** A file in the store's drafts/, durable. */
export interface LargeBytes {
  readonly stagedPath: string;
}

export interface StageOptions {
  readonly storeDirectory: string;
  /** Of what is longer, one byte more is read: enough for whoever records it to refuse it. */
  readonly limitBytes: number;
}

/** Throws away what was staged, if nobody has recorded it. */
export async function discardStaged({ content }: { readonly content: object }): Promise<void> {
  if (!("stagedPath" in content)) return;
  await unlink((content as LargeBytes).stagedPath).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

/**
 * Reads all of `source`; what fails leaves nothing staged.
 * @throws PfsError FULL; what `source` throws
 */
export async function stageStream(
  source: AsyncIterable<Uint8Array>,
  { storeDirectory, limitBytes }: StageOptions,
): Promise<StagedBytes> {
  const held: Uint8Array[] = [];
  let large: LargeStage | undefined;
  let sizeBytes = 0;
  try {
    for await (const piece of source) {
      const chunk = piece.subarray(0, limitBytes + 1 - sizeBytes);
      sizeBytes += chunk.byteLength;
      held.push(chunk);
      if (sizeBytes > INLINE_MAX_BYTES) {
        large ??= await LargeStage.open(storeDirectory);
        for (const each of held.splice(0)) await large.write(each);
      }
      if (sizeBytes > limitBytes) break;
    }
    if (large !== undefined) return await large.finish();
  } catch (error) {
    await large?.discard();
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
    throw new PfsError("FULL", "The disk of the store is full.", { cause: error });
  }
  const bytes = new Uint8Array(sizeBytes);
  let end = 0;
  for (const each of held) {
    bytes.set(each, end);
    end += each.byteLength;
  }
  return { hash: sha256("sha256", bytes, "hex") as BlobHash, sizeBytes, content: { bytes } };
}

/** A large file on its way into drafts/. */
class LargeStage {
  readonly #storeDirectory: string;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #digest = createHash("sha256");
  readonly #writeBehind: WriteBehind;
  #sizeBytes = 0;
  /** Up to here there was space for it. */
  #spaceBytes = 0;

  static async open(storeDirectory: string): Promise<LargeStage> {
    const path = newDraftPath(storeDirectory);
    return new LargeStage(storeDirectory, path, await open(path, "wx", 0o600));
  }

  private constructor(storeDirectory: string, path: string, file: FileHandle) {
    this.#storeDirectory = storeDirectory;
    this.#path = path;
    this.#file = file;
    this.#writeBehind = new WriteBehind(file.fd);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#askForSpace(bytes.byteLength);
    this.#digest.update(bytes);
    await this.#file.writeFile(bytes);
    this.#sizeBytes += bytes.byteLength;
    this.#writeBehind.advance(this.#sizeBytes);
  }

  /** What saves need stays free. @throws PfsError FULL */
  #askForSpace(bytes: number): void {
    if (this.#sizeBytes + bytes <= this.#spaceBytes) return;
    const wanted = Math.max(bytes, SPACE_BYTES);
    // Looked at anew each time: others write there, too.
    new DiskSpace(this.#storeDirectory, undefined).check(wanted, undefined);
    this.#spaceBytes = this.#sizeBytes + wanted;
  }

  async finish(): Promise<StagedBytes> {
    await this.#file.sync();
    await this.#file.close();
    const hash = this.#digest.digest("hex") as BlobHash;
    return { hash, sizeBytes: this.#sizeBytes, content: { stagedPath: this.#path } };
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#path).catch(() => undefined);
  }
}
