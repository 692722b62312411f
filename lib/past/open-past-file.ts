/** Owns an open file of the past: bytes that never change. Must never be written. */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, FileId } from "../../schema/ids.ts";
import type { TreeFile } from "../book-tree.ts";
import type { Content } from "../content.ts";
import { ERRAND_MIN_BYTES } from "../errands.ts";
import type { Node } from "../node.ts";

export interface PastFileParts {
  /** Called at the first read or before it. */
  openContent(mayDefer: boolean): Content;
  /** Its bytes may be on a remote only. */
  readonly mayBeAbsent: boolean;
  /** Called with the last release. */
  onEnd(): void;
}

export class OpenPastFile implements TreeFile {
  /** Nothing of the past is ever saved: who reads it has read no version of the file that there is now. */
  readonly state = "orphan";
  readonly dirty = false;
  readonly lastWriter = undefined;
  readonly #node: Node;
  readonly #openContent: (mayDefer: boolean) => Content;
  readonly #mayBeAbsent: boolean;
  readonly #onEnd: () => void;
  #content: Content | undefined;
  #handles = 0;

  constructor(node: Node, { openContent, mayBeAbsent, onEnd }: PastFileParts) {
    this.#node = node;
    this.#openContent = openContent;
    this.#mayBeAbsent = mayBeAbsent;
    this.#onEnd = onEnd;
  }

  get fileId(): FileId {
    return this.#node.fileId;
  }

  get hash(): BlobHash | null {
    return this.#node.hash ?? null;
  }

  get isShared(): boolean {
    return this.#handles > 1;
  }

  get size(): number {
    return this.#node.size;
  }

  node(): Node {
    return this.#node;
  }

  prepare(): void {
    if (this.#content !== undefined || (this.size < ERRAND_MIN_BYTES && !this.#mayBeAbsent)) return;
    try {
      this.#content = this.#openContent(true);
    } catch (error) {
      // Damaged bytes can be opened; who reads them is told.
      if (!(error instanceof PfsError)) throw error;
    }
  }

  read(offset: number, target: Uint8Array): number {
    return this.#opened().read(offset, target);
  }

  seek(offset: number, whence: number): number {
    return this.#opened().seek(offset, whence);
  }

  write(): void {
    refuseChange();
  }

  truncate(): void {
    refuseChange();
  }

  allocate(): void {
    refuseChange();
  }

  keepDisplaced(): never {
    refuseChange();
  }

  commit(): "unchanged" {
    return "unchanged";
  }

  retain(): void {
    this.#handles++;
  }

  release(): void {
    this.#handles--;
    if (this.#handles > 0) return;
    this.#content?.close();
    this.#content = undefined;
    this.#onEnd();
  }

  #opened(): Content {
    this.#content ??= this.#openContent(false);
    return this.#content;
  }
}

/** @throws PfsError READ_ONLY */
export function refuseChange(): never {
  throw new PfsError("READ_ONLY", "This mount shows the past, which cannot be changed.", {
    hint: "Change the book on a mount without at=, or bring a file back with `pfs restore`.",
  });
}
