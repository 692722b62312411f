/** Owns `.pfs/manifest` and `.pfs/manifest.hash`: the state of the base in lines, and in one hash. */
import type { ManifestText } from "../../lib/manifest-text.ts";
import type { Time } from "../../lib/time.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlContent } from "./control-node.ts";
import { SnapshotContent } from "./generated-file.ts";

/** SHA-256 in hexadecimal digits, and a newline. */
const HASH_LINE_BYTES = 65;

export const manifestFile: ControlModule = {
  name: "manifest",
  description: "a line path:sha256 for each file of the book, sorted bytewise by path",
  make: ({ manifest }) => ({
    kind: "file",
    look: () => ({ sizeBytes: manifest.sizeBytes(), mtime: manifest.look().since }),
    open: () => {
      const { text, since } = manifest.tell();
      return new TextContent(text, since);
    },
  }),
};

export const manifestHashFile: ControlModule = {
  name: "manifest.hash",
  description: "the SHA-256 of exactly those bytes, which names this state of the book from then on",
  make: ({ manifest }) => ({
    kind: "file",
    look: () => ({ sizeBytes: HASH_LINE_BYTES, mtime: manifest.look().since }),
    open: () => {
      const { hash, since } = manifest.tell();
      return new SnapshotContent(Buffer.from(`${hash}\n`), since);
    },
  }),
};

class TextContent implements ControlContent {
  readonly #text: ManifestText;
  readonly mtime: Time;

  constructor(text: ManifestText, mtime: Time) {
    this.#text = text;
    this.mtime = mtime;
  }

  get sizeBytes(): number {
    return this.#text.length;
  }

  get version(): unknown {
    return this.#text;
  }

  read(offset: number, target: Uint8Array): number {
    return this.#text.read(offset, target);
  }

  close(): void {}
}
