/**
 * Owns the manifest of a book at a position of the log, for a mount that shows it: made once, when somebody asks. Must never
 * look at the present.
 */
import type { BookId, Seq } from "../../schema/ids.ts";
import {
  type Manifest,
  type ManifestLook,
  type ManifestView,
  manifestLines,
  rememberManifest,
} from "../manifest.ts";
import { ManifestText } from "../manifest-text.ts";
import type { Store } from "../store.ts";
import { fromIso, now } from "../time.ts";
import { timeOf } from "./position.ts";

export class PastManifest implements ManifestView {
  readonly #store: Store;
  readonly #bookId: BookId;
  readonly #seq: Seq;
  #look: ManifestLook | undefined;
  #sizeBytes: number | undefined;
  #made: Manifest | undefined;
  #isRemembered = false;

  constructor(store: Store, bookId: BookId, seq: Seq) {
    this.#store = store;
    this.#bookId = bookId;
    this.#seq = seq;
  }

  look(): ManifestLook {
    this.#look ??= this.#lookOnce();
    return this.#look;
  }

  sizeBytes(): number {
    if (this.#made !== undefined) return this.#made.text.length;
    this.#sizeBytes ??= this.#sumUp();
    return this.#sizeBytes;
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
    const text = ManifestText.of(this.#lines());
    return { text, hash: text.hash(), ...this.look() };
  }

  #lookOnce(): ManifestLook {
    this.#store.read();
    const time = timeOf(this.#store.database, this.#seq);
    return { seq: this.#seq, since: time === undefined ? now() : fromIso(time) };
  }

  #sumUp(): number {
    this.#store.read();
    let sizeBytes = 0;
    for (const line of this.#lines()) sizeBytes += Buffer.byteLength(line) + 1;
    return sizeBytes;
  }

  #lines(): Iterable<string> {
    return manifestLines(this.#store.database, this.#bookId, this.#seq);
  }
}
