/** Owns `.pfs/manifest` and `.pfs/manifest.hash`: the state of the base in lines, and in one hash. */
import type { Manifest, ManifestView } from "../../lib/manifest.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlFile } from "./control-node.ts";
import { SnapshotContent } from "./generated-file.ts";

export const manifestFile: ControlModule = {
  name: "manifest",
  description: "a line path:sha256 for each file of the book, sorted bytewise by path",
  make: ({ manifest }) => manifestView(manifest, ({ bytes }) => bytes),
};

export const manifestHashFile: ControlModule = {
  name: "manifest.hash",
  description: "the SHA-256 of exactly those bytes, which names this state of the book from then on",
  make: ({ manifest }) => manifestView(manifest, ({ hash }) => Buffer.from(`${hash}\n`)),
};

function manifestView(manifest: ManifestView, bytesOf: (manifest: Manifest) => Buffer): ControlFile {
  return {
    kind: "file",
    look() {
      const current = manifest.get();
      return { sizeBytes: bytesOf(current).length, mtime: current.since };
    },
    open() {
      const told = manifest.tell();
      return new SnapshotContent(bytesOf(told), told.since);
    },
  };
}
