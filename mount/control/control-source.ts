/**
 * Owns what the control files of one mount are made from: the book and its log, and what only whoever made the mount
 * knows. Must never say how a file looks.
 */
import type { BookTree } from "../../lib/book-tree.ts";
import type { HeadSigner } from "../../lib/head-signer.ts";
import type { Log } from "../../lib/log.ts";
import type { LogPages } from "../../lib/log-pages.ts";
import type { ManifestView } from "../../lib/manifest.ts";
import type { Store } from "../../lib/store.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import type { Seq, UserId } from "../../schema/ids.ts";

/** Asked at each look at a control file, so that answers must be cheap. */
export interface ControlSource {
  readonly store: Store;
  readonly worktree: Worktree;
  /** What the mount's user has changed a copy of; undefined where everybody's book is mounted. */
  readonly base: BookTree | undefined;
  /** The position of the log whose state the mount shows; undefined: the present. */
  readonly position: Seq | undefined;
  /** The book as it was. @throws PfsError NOT_FOUND, USAGE */
  past(reference: string): BookTree;
  /** What a user has in the overlay, without the base; on a mount of the past what there was then. */
  layer(user: UserId): BookTree;
  /** Of the base as it is now, or, on a mount of the past, as it was then. */
  readonly manifest: ManifestView;
  readonly log: Log;
  readonly logPages: LogPages;
  /** Of the log the rows of these layers alone are shown: on a mount for another Unix user (R5). Undefined: of all. */
  readonly shownLayers: readonly UserId[] | undefined;
  readonly signer: HeadSigner;
  /** What only the process knows for `status.json`: its mounts, its store. */
  process(): object;
  /** How this mount was made: agent, directory, options. */
  mount(): object;
}
