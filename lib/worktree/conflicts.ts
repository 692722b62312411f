/**
 * Owns what a refused save carried (W2): its bytes in the store's conflicts/, with a note of what they were. Must never
 * remove anything there.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BlobHash, newFileId } from "../../schema/ids.ts";
import { writeFully } from "../content.ts";
import type { Actor } from "../node.ts";
import type { OpenFile } from "./open-file.ts";
import type { Version } from "./save.ts";
import type { Tree } from "./tree.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Writes `conflicts/<id>/mine` and `info.json`; returns the folder's path. */
export function keepRefusedBytes(
  tree: Tree,
  file: OpenFile,
  version: Version,
  currentHash: BlobHash | null,
  actor: Actor,
): string {
  const time = new Date().toISOString();
  // The time is for people, the random part so that two of one millisecond are two.
  const id = `${time.replace(/[:.]/g, "-")}-${newFileId()}`;
  const folder = join(tree.store.directory, "conflicts", id);
  mkdirSync(folder, { mode: 0o700 });
  copyContent(file, join(folder, "mine"));
  const info = {
    time,
    book: tree.book.bookId,
    path: version.path,
    user: tree.layer,
    agent: actor.agent,
    base: file.hash,
    mine: version.hash,
    theirs: currentHash,
  };
  writeFileSync(join(folder, "info.json"), `${JSON.stringify(info, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  });
  return folder;
}

function copyContent(file: OpenFile, path: string): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(1, file.size)));
    for (let offset = 0; ; ) {
      const length = file.read(offset, chunk);
      if (length === 0) break;
      writeFully(fd, offset, chunk.subarray(0, length));
      offset += length;
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
