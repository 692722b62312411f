/** Owns what a remote that is only looked at says of itself, for whoever looks for what is wrong. Must never ask. */

export interface RemoteProbe {
  /** How far its clock is ahead of this machine's, milliseconds; undefined where it has none of its own. */
  readonly clockAheadMs: number | undefined;
  /** Why it may not be written, without a full stop; undefined: it may. */
  readonly refuses: string | undefined;
}

/** Of a log. */
export interface LogProbe extends RemoteProbe {
  /** What it calls itself. */
  readonly remoteId: string;
  readonly schemaVersion: number;
  /** The one that this program knows: an older one is brought up when it is next used. */
  readonly newestVersion: number;
}

/** Of a time that was told between two moments of ours, all in milliseconds. */
export function clockAhead(toldMs: number, beforeMs: number, afterMs: number): number {
  return Math.round(toldMs - (beforeMs + afterMs) / 2);
}
