/** Owns `.pfs/manifest.json`: the manifest with what else is known of each file. */
import { ANY_MANIFEST_HASH } from "../../lib/manifest.ts";
import { type ManifestFile, ManifestPages } from "../../lib/manifest-pages.ts";
import { fromIso, type Time } from "../../lib/time.ts";
import type { Seq } from "../../schema/ids.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlContent, ControlFile } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { SnapshotContent } from "./generated-file.ts";
import { LineStream } from "./line-stream.ts";

/** Up to so many pages are made at once, so that the size is known: the beginning, some 400 files, the end. */
const MEASURED_PAGES = 4;
/** And so many for whoever opens it, some 2,000 files: tar believes the size that an open file has. */
const OPENED_PAGES = 12;

export const manifestJson: ControlModule = {
  name: "manifest.json",
  description: "the same with size, mtime, and the last row of the log of each: its seq and agent",
  make: (source) => new ManifestJson(source),
};

class ManifestJson implements ControlFile {
  readonly kind = "file";
  readonly #source: ControlSource;
  /** How many bytes it has at a position; undefined when more than are made to know. */
  #measured: { readonly seq: number; readonly sizeBytes: number | undefined } | undefined;

  constructor(source: ControlSource) {
    this.#source = source;
  }

  look() {
    const { seq } = this.#source.manifest.look();
    if (seq !== this.#measured?.seq) {
      this.#measured = { seq, sizeBytes: undefined };
      this.#streamOf(ANY_MANIFEST_HASH, seq).takeWhole(MEASURED_PAGES);
    }
    return { sizeBytes: this.#measured.sizeBytes, mtime: this.#mtime() };
  }

  open(): ControlContent {
    const { hash, seq } = this.#source.manifest.tell();
    const stream = this.#streamOf(hash, seq);
    const whole = stream.takeWhole(OPENED_PAGES);
    return whole === undefined ? stream : new SnapshotContent(whole, stream.mtime);
  }

  #streamOf(hash: string, seq: Seq): LineStream {
    const { store, worktree } = this.#source;
    const { bookId } = worktree.book;
    return new LineStream({
      mtime: this.#mtime(),
      sizeBytes: seq === this.#measured?.seq ? (this.#measured.sizeBytes ?? 0) : 0,
      *pages() {
        yield [`{"book":"${bookId}","manifest_hash":"${hash}","position":${seq},"files":[`];
        let separator = "\n";
        for (const files of new ManifestPages(store, bookId).pages(seq)) {
          yield files.map((file, at) => `${at === 0 ? separator : ",\n"}${lineOf(file)}`);
          separator = ",\n";
        }
        yield ["\n]}\n"];
      },
      onEnd: (sizeBytes) => {
        this.#measured = { seq, sizeBytes };
      },
    });
  }

  /** It names the position: of the present it is another one after any row of the log. */
  #mtime(): Time {
    const { log, manifest, position, worktree } = this.#source;
    if (position !== undefined) return manifest.look().since;
    return fromIso(log.timestamp === "" ? worktree.book.createdAt : log.timestamp);
  }
}

function lineOf({ path, sha256, sizeBytes, mtime, seq, agent }: ManifestFile): string {
  const ms = mtime.seconds * 1000 + Math.floor(mtime.nanoseconds / 1_000_000);
  return JSON.stringify({ path, sha256, size: sizeBytes, mtime: new Date(ms).toISOString(), seq, agent });
}
