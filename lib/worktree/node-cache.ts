/**
 * Owns the nodes of the book's files and directories that were asked for by id lately: what is opened once is opened again.
 * Not those of listings, which would only fill the memory (measured: 20 MB after `find`). Must never give one that was read before
 * anything was written: each write transaction empties it.
 */
import type { FileId } from "../../schema/ids.ts";
import type { Node } from "../node.ts";
import type { Store } from "../store.ts";

/** Some 250 bytes each. */
const MAX_NODES = 2048;

export class NodeCache {
  readonly #store: Store;
  readonly #nodes = new Map<FileId, Node>();
  #readAt = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  get(fileId: FileId): Node | undefined {
    return this.#isCurrent() ? this.#nodes.get(fileId) : undefined;
  }

  /** Remembers what was just read; returns it. */
  keep(node: Node): Node {
    // What is read within a transaction may be undone, or change without one.
    if (this.#store.isWriting) return node;
    if (!this.#isCurrent() || this.#nodes.size >= MAX_NODES) this.#nodes.clear();
    this.#readAt = this.#store.writeCount;
    this.#nodes.set(node.fileId, node);
    return node;
  }

  #isCurrent(): boolean {
    return this.#readAt === this.#store.writeCount && !this.#store.isWriting;
  }
}
