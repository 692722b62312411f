/** Owns the shape of what a daemon says of itself. Must never know how any of it is found. */
import type { CacheStatus } from "./cache-keeper.ts";
import type { ConfigStatus } from "./configuration.ts";
import type { CheckStatus } from "./desync-checks.ts";
import type { MountDescription } from "./mount-registry.ts";
import type { RetentionStatus } from "./retention-keeper.ts";
import type { SyncStatus } from "./sync-status.ts";

/** What `GET /status` answers. */
export interface DaemonStatus {
  readonly store: string;
  readonly pid: number;
  readonly version: string;
  /** ISO 8601. */
  readonly started_at: string;
  /** Position of the log, and the head of its chain. */
  readonly seq: number;
  readonly head: string;
  /** Files that are open with something unsaved. */
  readonly drafts: number;
  /** Refused saves that nobody has decided about. */
  readonly conflicts: number;
  readonly mounts: readonly MountDescription[];
  /** Address of the HTTP port; null when there is none. */
  readonly http: string | null;
  /** The configuration file; null where none is followed. */
  readonly config: ConfigStatus | null;
  /** Of the books that are shared. */
  readonly sync: readonly SyncStatus[];
  /** How much of what is shared is kept here; null where no limit is set. */
  readonly cache: CacheStatus | null;
  /** What was compared in the background, and what differs. */
  readonly check: CheckStatus;
  /** How long rows of the log stay in the table. */
  readonly retention: RetentionStatus | null;
}
