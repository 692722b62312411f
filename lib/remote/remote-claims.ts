/**
 * Owns what a claim on a remote is, as an interface: which machine does what only one at a time should do for all of them, and
 * how far it is. A claim ends by itself some time after its holder was last heard of. Must never know what is done.
 */
import type { BookId } from "../../schema/ids.ts";

/** What is claimed: to publish a book, or to collect the remote's garbage. */
export type ClaimName = `publish ${BookId}` | "collect";

export function publishClaim(bookId: BookId): ClaimName {
  return `publish ${bookId}`;
}

/** How long a claim is held without a word of its holder; longer than any request to a remote takes. */
export const CLAIM_MS = 10 * 60_000;

export interface ClaimState {
  /** 0 for what was never claimed. */
  readonly position: number;
  readonly isHeld: boolean;
}

export interface Advance {
  readonly holder: string;
  readonly from: number;
  readonly to: number;
  /** Whether the claim is given up with it. */
  readonly isLast: boolean;
}

/** All of these may be asked again when it is not known what came of them. @throws as RemoteLog.append */
export interface RemoteClaims {
  /** How far what is claimed is, and whether somebody is at it. */
  readClaim(name: ClaimName): Promise<ClaimState>;
  /**
   * Claims it, or goes on holding it.
   * @param holder store_id of the store
   * @returns its position; undefined while another one holds it
   */
  claim(name: ClaimName, holder: string): Promise<number | undefined>;
  /**
   * Moves the position, of a claim that is held and is still there.
   * @returns false where another one has it by now, or somebody has moved the position: nothing was changed
   */
  advanceClaim(name: ClaimName, advance: Advance): Promise<boolean>;
  /** Moves the position back, unless it is before that already, whoever holds the claim: what comes after is to be done again. */
  retractClaim(name: ClaimName, to: number): Promise<void>;
}
