/**
 * Owns a control file that is quick to make: it is made at every look, so that its size is right, and its mtime moves only
 * when its bytes do. Must never be used for what grows with the book or its log.
 */
import { now, type Time } from "../../lib/time.ts";
import type { ControlContent, ControlFile, ControlLook } from "./control-node.ts";

export class GeneratedFile implements ControlFile {
  readonly kind = "file";
  readonly #generate: () => string;
  #latest: SnapshotContent | undefined;

  /** @param generate the whole content as of now */
  constructor(generate: () => string) {
    this.#generate = generate;
  }

  look(): ControlLook {
    return this.open();
  }

  open(): ControlContent {
    const bytes = Buffer.from(this.#generate());
    if (this.#latest?.bytes.equals(bytes)) return this.#latest;
    this.#latest = new SnapshotContent(bytes, now());
    return this.#latest;
  }
}

/** Bytes in memory, which serve any number of opens. */
export class SnapshotContent implements ControlContent {
  readonly bytes: Buffer;
  readonly mtime: Time;

  constructor(bytes: Buffer, mtime: Time) {
    this.bytes = bytes;
    this.mtime = mtime;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  get version(): unknown {
    return this;
  }

  read(offset: number, target: Uint8Array): number {
    const bytes = this.bytes.subarray(offset, offset + target.byteLength);
    target.set(bytes);
    return bytes.length;
  }

  close(): void {}
}

/** Whoever opens it next may get other bytes: the kernel's pages are of no use. */
export class UncachedSnapshot extends SnapshotContent {
  readonly isUncached = true;
}

/** A JSON object as the control files show it: indented, with a line's end. */
export function jsonText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
