/**
 * Owns how one mount's kernel is told what others changed in the book: another mount, the API, the syncer. Only what
 * that kernel knows is told, and of what it did itself only what it cannot know. Must never write to the device.
 */
import type { Change, Identity } from "../lib/node.ts";
import type { FileId } from "../schema/ids.ts";
import type { Deliveries, DeliveryWish, Lane } from "./deliveries.ts";
import { encodeDelete, encodeInvalidateEntry, encodeInvalidateInode } from "./kernel/notify.ts";
import { INVALIDATE_ENTRY_FLAG } from "./kernel/protocol.ts";
import type { KernelLink } from "./kernel-link.ts";
import type { Session } from "./session.ts";

type EntryChange = Extract<Change, { readonly type: "entry" }>;

const WHOLE = { offset: 0, length: 0 } as const;
const ATTRIBUTES_ONLY = { offset: -1, length: 0 } as const;
/** How often a kernel is told again of a node that it does not know yet while others wait, 0.5 s in all: 1, 2, 4, … ms apart. */
const MAX_TRIES = 9;
/** How often after that. */
const LATER_MS = 1000;

export class Invalidation {
  readonly #session: Session;
  readonly #deliveries: Deliveries;
  readonly #link: KernelLink;
  readonly #stop: () => void;

  constructor(session: Session, deliveries: Deliveries, link: KernelLink) {
    this.#session = session;
    this.#deliveries = deliveries;
    this.#link = link;
    this.#stop = session.tree.onChange((change, origin) => {
      if (origin !== session) this.tell(change, origin);
    });
  }

  close(): void {
    this.#stop();
  }

  /** This kernel's own pages of a node are wrong. */
  refresh(nodeid: number): void {
    this.#sendStale(nodeid, undefined);
  }

  /** This kernel's own pages of a node are right, and yet to be dropped. */
  drop(nodeid: number, cause: object): void {
    this.#sendInode(nodeid, WHOLE, cause);
  }

  /**
   * Nodes have other inode numbers since this kernel moved or removed names. It learns them with the next attributes, and does
   * not ask for these on behalf of a statx(2) that wants no more than the number: so it is told to. Nobody waits for that.
   */
  renumber(identities: readonly Identity[]): void {
    for (const { to } of identities) this.#tellInode(to, false, undefined);
  }

  /** Tells this kernel of a change that `origin` made. */
  tell(change: Change, origin: object | undefined): void {
    if (change.type === "entry") this.#tellEntry(change, origin);
    else this.#tellInode(change.fileId, change.type === "content", origin);
  }

  #tellInode(fileId: FileId, content: boolean, origin: object | undefined): void {
    const nodeid = this.#session.nodeIds.knownNodeid(fileId);
    if (nodeid === undefined) return;
    if (content) this.#sendStale(nodeid, origin);
    else this.#sendInode(nodeid, ATTRIBUTES_ONLY, origin);
  }

  #tellEntry({ parent: parentId, name, not, gone }: EntryChange, origin: object | undefined): void {
    const { nodeIds, misplaced, features } = this.#session;
    const parent = nodeIds.knownNodeid(parentId);
    if (parent === undefined) return;
    // The kernel's cached listing lies in the directory's pages.
    this.#tellInode(parentId, true, origin);
    const flags = features?.expireOnly ? INVALIDATE_ENTRY_FLAG.EXPIRE_ONLY : 0;
    const child = gone === undefined ? undefined : this.#gone(gone);
    const bytes =
      child === undefined
        ? encodeInvalidateEntry({ parent, name, flags })
        : encodeDelete({ parent, child, name });
    const wrong = not === undefined ? undefined : nodeIds.knownNodeid(not);
    if (wrong === undefined) this.#send("entry", bytes, origin);
    else {
      const telling = {};
      misplaced.add(wrong, telling);
      this.#send("entry", bytes, telling);
    }
    // A listing that was under way then may have been cached since; the name's turn has waited for its end.
    this.#send("entry", encodeInvalidateInode({ nodeid: parent, ...WHOLE }), origin);
  }

  /**
   * Node id of a file that no name of this mount means any more; undefined where the kernel does not know it. For one that is
   * open, too: its fsync(2) holds the lock that the kernel takes to delete it, and may wait until other kernels are told.
   */
  #gone(fileId: FileId): number | undefined {
    const { nodeIds, tree } = this.#session;
    const nodeid = nodeIds.knownNodeid(fileId);
    if (nodeid === undefined || tree.get(fileId) !== undefined) return undefined;
    return this.#session.isOpen(nodeid) ? undefined : nodeid;
  }

  /** Until it is told, the kernel answers from pages that are old: opens must not let it keep them. */
  #sendStale(nodeid: number, cause: object | undefined): void {
    const { nodeIds } = this.#session;
    nodeIds.markStale(nodeid);
    this.#sendInode(nodeid, WHOLE, cause, () => nodeIds.markTold(nodeid));
  }

  #sendInode(
    nodeid: number,
    range: typeof WHOLE | typeof ATTRIBUTES_ONLY,
    cause: object | undefined,
    told?: () => void,
  ): void {
    const { settled } = this.#session;
    settled.telling(nodeid);
    const bytes = encodeInvalidateInode({ nodeid, ...range });
    const ticket = this.#send("inode", bytes, cause, {
      told: () => {
        settled.told(nodeid);
        told?.();
      },
      // It has forgotten the node, which will be heard next; or the answer by which it learns of it, with what was right then, is
      // still on its way to the program that asked, and would be believed.
      again: (tries) => {
        if (!this.#session.nodeIds.isKnown(nodeid)) return "no";
        const isSoon = tries <= MAX_TRIES;
        this.#link.notify({ lane: "inode", ticket, bytes, afterMs: isSoon ? 2 ** (tries - 1) : LATER_MS });
        return isSoon ? "awaited" : "unawaited";
      },
    });
  }

  #send(lane: Lane, bytes: Buffer, cause: object | undefined, wish?: DeliveryWish): number {
    const ticket = this.#deliveries.issue(this.#session, cause, lane, wish);
    this.#link.notify({ lane, ticket, bytes });
    return ticket;
  }
}
