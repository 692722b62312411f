/** Owns what a daemon has to tell while it runs, as an interface: to a log file or to a person at a terminal. */
import type { Refusal } from "../lib/worktree/refusals.ts";
import type { BookId } from "../schema/ids.ts";
import type { LogRow } from "../schema/log-row.ts";
import type { ImportSummary } from "./import-directory.ts";
import type { MountDescription } from "./mount-registry.ts";

export interface Reporter {
  /** Whether rows and refusals are wanted: telling them costs the mount thread some microseconds each. */
  readonly wantsChanges: boolean;
  started(storeDirectory: string): void;
  mounted(mount: MountDescription): void;
  /** A mount does not give all that is promised. `message` names it, and is whole sentences. */
  lacks(message: string): void;
  unmounted(mount: MountDescription): void;
  imported(summary: ImportSummary, directory: string): void;
  /** A committed row of the log; those of an import are not told one by one. */
  row(row: LogRow): void;
  refusal(bookId: BookId, refusal: Refusal): void;
  /** A mount that should end is in use. `message` is a whole sentence. */
  busy(message: string): void;
  /** Journal, log, bytes and remotes do not agree. `message` is whole sentences. */
  differs(message: string): void;
  /** Something that nobody's request can be blamed for. */
  fault(operation: string, message: string): void;
  stopped(): void;
}
