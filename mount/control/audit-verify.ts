/**
 * Owns `.pfs/audit/verify`: whether the log's chain is whole, checked anew each time it is opened. Must never check it in this
 * thread.
 */
import { Deferred } from "../../lib/errands.ts";
import { now } from "../../lib/time.ts";
import type { LogCheck } from "../../lib/verify.ts";
import { PosixError } from "../../schema/errors.ts";
import type { ControlContent, ControlFile, ControlLook, Opening } from "./control-node.ts";
import { jsonText, UncachedSnapshot } from "./generated-file.ts";

export class AuditVerify implements ControlFile {
  readonly kind = "file";
  /** What the last check said, so that its size is known. */
  #latest: UncachedSnapshot | undefined;
  #latestSeq = -1;
  /** For the opening that is being asked for again. */
  #checked: LogCheck | undefined;
  readonly #madeAt = now();
  readonly #seq: () => number;
  readonly #showsFindings: boolean;

  /**
   * @param seq position of the log as it is now
   * @param showsFindings or only whether there are any: they may name what is another user's (R5)
   */
  constructor(seq: () => number, showsFindings: boolean) {
    this.#seq = seq;
    this.#showsFindings = showsFindings;
  }

  look(): ControlLook {
    const isKnown = this.#latestSeq === this.#seq();
    return {
      sizeBytes: isKnown ? this.#latest?.sizeBytes : undefined,
      mtime: this.#latest?.mtime ?? this.#madeAt,
    };
  }

  open({ mayDefer }: Opening): ControlContent {
    const check = this.#checked;
    this.#checked = undefined;
    if (check !== undefined) return this.#snapshotOf(check);
    if (!mayDefer) throw new PosixError("EIO", "The log could not be checked; `pfs verify` says more.");
    throw Deferred.of(
      { type: "check-log" },
      (check) => {
        this.#checked = check;
      },
      () => {
        this.#checked = undefined;
      },
    );
  }

  #snapshotOf(check: LogCheck): UncachedSnapshot {
    const bytes = Buffer.from(jsonText(this.#showsFindings ? check : { ...check, findings: [] }));
    this.#latestSeq = check.rows;
    if (this.#latest?.bytes.equals(bytes) !== true) this.#latest = new UncachedSnapshot(bytes, now());
    return this.#latest as UncachedSnapshot;
  }
}
