/** Owns `.pfs/manifest` and `.pfs/manifest.hash`: the state of the base in lines, and in one hash. */
import type { Manifest, ManifestView } from "../../lib/manifest.ts";
import type { ManifestText } from "../../lib/manifest-text.ts";
import type { Time } from "../../lib/time.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlContent, ControlFile } from "./control-node.ts";
import { SnapshotContent } from "./generated-file.ts";

export const manifestFile: ControlModule = {
  name: "manifest",
  description: "a line path:sha256 for each file of the book, sorted bytewise by path",
  make: ({ manifest }) => manifestView(manifest, ({ text, since }) => new TextContent(text, since)),
};

export const manifestHashFile: ControlModule = {
  name: "manifest.hash",
  description: "the SHA-256 of exactly those bytes, which names this state of the book from then on",
  make: ({ manifest }) =>
    manifestView(manifest, ({ hash, since }) => new SnapshotContent(Buffer.from(`${hash}\n`), since)),
};

function manifestView(manifest: ManifestView, show: (manifest: Manifest) => ControlContent): ControlFile {
  return {
    kind: "file",
    look: () => show(manifest.get()),
    open: () => show(manifest.tell()),
  };
}

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
