/**
 * Owns the manifest of a book at a position of the log, for a mount that shows it: made once, when somebody asks. Must never
 * look at the present.
 */
import type { BookId, Seq } from "../../schema/ids.ts";
import { type Manifest, type ManifestView, manifestLines, rememberManifest } from "../manifest.ts";
import { ManifestText } from "../manifest-text.ts";
import type { Store } from "../store.ts";
import { fromIso, now } from "../time.ts";
import { timeOf } from "./position.ts";

export class PastManifest implements ManifestView {
  readonly #store: Store;
  readonly #bookId: BookId;
  readonly #seq: Seq;
  #made: Manifest | undefined;
  #isRemembered = false;

  constructor(store: Store, bookId: BookId, seq: Seq) {
    this.#store = store;
    this.#bookId = bookId;
    this.#seq = seq;
  }

  get(): Manifest {
    this.#made ??= this.#make();
    return this.#made;
  }

  tell(): Manifest {
    const manifest = this.get();
    const { hash: manifestHash, seq } = manifest;
    if (!this.#isRemembered) rememberManifest(this.#store, this.#bookId, { manifestHash, seq });
    this.#isRemembered = true;
    return manifest;
  }

  #make(): Manifest {
    this.#store.read();
    const text = ManifestText.of(manifestLines(this.#store.database, this.#bookId, this.#seq));
    const time = timeOf(this.#store.database, this.#seq);
    return {
      text,
      hash: text.hash(),
      seq: this.#seq,
      since: time === undefined ? now() : fromIso(time),
    };
  }
}
