/** Owns what a book's tree says of the room on its disk: it is the store's. */
import { statfsSync } from "node:fs";
import { NAME_MAX_BYTES } from "../schema/paths.ts";

/** What statvfs(3) answers. Blocks are of `blockBytes`. */
export interface Space {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly blocksFree: number;
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameMaxBytes: number;
}

/** Of the disk that holds a directory. */
export function spaceAt(directory: string): Space {
  const disk = statfsSync(directory);
  return {
    blockBytes: disk.bsize,
    blocks: disk.blocks,
    blocksFree: disk.bfree,
    blocksAvailable: disk.bavail,
    files: disk.files,
    filesFree: disk.ffree,
    nameMaxBytes: NAME_MAX_BYTES,
  };
}
