/**
 * Owns `.pfs/metrics`: what the daemon counts and measures, as Prometheus reads it. Who knows it all is another thread, which
 * gathers it while the opening waits. Must never count anything.
 */
import { Deferred } from "../../lib/errands.ts";
import { now } from "../../lib/time.ts";
import { PosixError } from "../../schema/errors.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlContent, ControlFile, ControlLook, Opening } from "./control-node.ts";
import { UncachedSnapshot } from "./generated-file.ts";

export const metricsFile: ControlModule = {
  name: "metrics",
  description: "what the daemon has counted and measured, as Prometheus reads it",
  make: () => new MetricsFile(),
};

class MetricsFile implements ControlFile {
  readonly kind = "file";
  readonly #madeAt = now();
  /** For the opening that is being asked for again. */
  #text: string | undefined;
  #latest: UncachedSnapshot | undefined;

  /** As it was last opened. */
  look(): ControlLook {
    return { sizeBytes: this.#latest?.sizeBytes, mtime: this.#latest?.mtime ?? this.#madeAt };
  }

  open({ mayDefer }: Opening): ControlContent {
    const text = this.#text;
    this.#text = undefined;
    if (text !== undefined) return this.#snapshotOf(Buffer.from(text));
    if (!mayDefer) throw new PosixError("EIO", "The metrics could not be gathered.");
    throw Deferred.of(
      { type: "metrics" },
      (text) => {
        this.#text = text;
      },
      () => {
        this.#text = undefined;
      },
    );
  }

  #snapshotOf(bytes: Buffer): UncachedSnapshot {
    if (!this.#latest?.bytes.equals(bytes)) this.#latest = new UncachedSnapshot(bytes, now());
    return this.#latest as UncachedSnapshot;
  }
}
