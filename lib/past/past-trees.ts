/**
 * Owns the past states of a book that somebody looks at without mounting them: a few at a time, so that looking at one file
 * after another does not read it anew from the log. Must never change anything.
 */
import { BASE, type Seq, type UserId } from "../../schema/ids.ts";
import type { Blobs } from "../blobs.ts";
import type { Book } from "../book.ts";
import type { Store } from "../store.ts";
import { PastFiles } from "./past-files.ts";
import { PastTree } from "./past-tree.ts";
import { resolveReference } from "./position.ts";

const MAX_TREES = 4;

export class PastTrees {
  readonly #parts: { readonly store: Store; readonly blobs: Blobs; readonly book: Book };
  /** The one that was asked for last is the last. */
  readonly #trees = new Map<string, PastTree>();

  constructor(parts: { readonly store: Store; readonly blobs: Blobs; readonly book: Book }) {
    this.#parts = parts;
  }

  /** The state that a reference means now. @throws PfsError NOT_FOUND, USAGE */
  find(reference: string): PastTree {
    const { store, book } = this.#parts;
    store.read();
    return this.at(resolveReference(store.database, book.bookId, reference), BASE);
  }

  /** One layer alone at a position. */
  at(seq: Seq, layer: UserId): PastTree {
    const key = `${layer}/${seq}`;
    const tree = this.#trees.get(key) ?? this.#make(seq, layer);
    this.#trees.delete(key);
    this.#trees.set(key, tree);
    const [oldest] = this.#trees.keys();
    if (this.#trees.size > MAX_TREES && oldest !== undefined) this.#trees.delete(oldest);
    return tree;
  }

  #make(seq: Seq, layer: UserId): PastTree {
    const { store, book } = this.#parts;
    return new PastTree({ ...this.#parts, files: new PastFiles(store.database, book.bookId, layer), seq });
  }
}
