/**
 * Owns the mounts that the mount thread serves: device and session of each, and what their control files say. Runs in the
 * mount thread: must never wait, nor mount or unmount anything.
 */
import type { BookTree } from "../lib/book-tree.ts";
import type { Library } from "../lib/library.ts";
import { PastManifest } from "../lib/past/past-manifest.ts";
import { PastTree } from "../lib/past/past-tree.ts";
import { PastTrees } from "../lib/past/past-trees.ts";
import { pastViewOf } from "../lib/past/past-view-of.ts";
import type { Worktree } from "../lib/worktree/worktree.ts";
import { Deliveries } from "../mount/deliveries.ts";
import { DeviceLink } from "../mount/device-link.ts";
import { ErrandDesk } from "../mount/errand-desk.ts";
import { Device } from "../mount/kernel/device.ts";
import type { Loop } from "../mount/loop.ts";
import { SeenCheck } from "../mount/seen-check.ts";
import { Session, type SessionOptions } from "../mount/session.ts";
import { BASE, type BookId, type Seq, type UserId } from "../schema/ids.ts";
import type { MountMode } from "../schema/mount-options.ts";
import type { ServeInput, ThreadReport } from "./thread-calls.ts";

const ROOT_UID = 0;

interface Served {
  readonly input: ServeInput;
  readonly device: Device;
  readonly session: Session;
}

type SharedByMounts = Pick<SessionOptions, "siblings" | "seen">;

export interface ThreadMountsOptions {
  readonly library: Library;
  readonly loop: Loop;
  tell(report: ThreadReport): void;
  onFault(error: unknown, operation: string): void;
}

export class ThreadMounts {
  readonly deliveries = new Deliveries();
  readonly errands: ErrandDesk;
  readonly #options: ThreadMountsOptions;
  readonly #served = new Map<number, Served>();
  /** Per layer of a book: all its mounts share what is open in it, and what is known of who has read what. */
  readonly #shared = new Map<BookTree, SharedByMounts>();

  constructor(options: ThreadMountsOptions) {
    this.#options = options;
    this.errands = new ErrandDesk((id, errand) => options.tell({ type: "errand", id, errand }));
  }

  /** Serves the mount from now on. @throws PfsError NOT_FOUND: no such book */
  serve(input: ServeInput): void {
    const { library, loop, tell, onFault } = this.#options;
    const { mountId, bookId, uid, gid } = input;
    const worktree = library.worktree(bookId, input.userId);
    const past = this.#pastOf(input);
    const pastTrees = new PastTrees({ store: library.store, blobs: library.blobs, book: worktree.book });
    const device = new Device(input.fd);
    const session = new Session({
      ...modeOf(input),
      tree: past ?? worktree,
      agent: input.agent,
      control: {
        store: library.store,
        worktree,
        base:
          input.userId === undefined
            ? undefined
            : past === undefined
              ? library.worktree(bookId)
              : pastTrees.at(past.seq, BASE),
        position: input.position?.seq,
        past: (reference) => pastTrees.find(reference),
        layer: (user) => pastTrees.at(past?.seq ?? (library.log.seq as Seq), user),
        manifest:
          past === undefined ? library.manifest(bookId) : new PastManifest(library.store, bookId, past.seq),
        log: library.log,
        logPages: library.logPages,
        shownLayers: input.isForGuest
          ? [BASE, ...(input.userId === undefined ? [] : [input.userId])]
          : undefined,
        signer: library.signer,
        process: () => this.#processOf(input),
        mount: () => mountOf(input),
      },
      owner: { uid, gid },
      // Root's commands go to the daemon, whoever it runs as: what they have imported is root's.
      lending: input.isForGuest
        ? { from: new Set([library.store.ownerUid, ROOT_UID]), to: { uid, gid } }
        : undefined,
      deliveries: this.deliveries,
      errands: this.errands,
      link: new DeviceLink(device, {
        notify: (notification) => tell({ type: "notify", mountId, notification }),
        onFault,
      }),
      ...(past === undefined ? this.#sharedBy(worktree) : alone(past)),
      onFault,
    });
    this.#served.set(mountId, { input, device, session });
    loop.add({ device, session, onEnd: () => tell({ type: "ended", mountId }) });
  }

  /** Closes the connection of a mount that has ended. */
  close(mountId: number): void {
    this.#served.get(mountId)?.device.close();
    this.#served.delete(mountId);
    this.#closeUnused();
  }

  /** To be called when nobody waits. */
  rest(): void {
    for (const { seen } of this.#shared.values()) seen.lastReads.rest();
    this.#closeUnused();
  }

  /** Whether {@link rest} has nothing to do that should not wait for long. */
  get isAtRest(): boolean {
    for (const { seen } of this.#shared.values()) if (!seen.lastReads.isSettled) return false;
    return true;
  }

  /** Ends every mount that the kernel has not ended: what is open and unsaved is saved. */
  closeAll(): void {
    for (const { session } of this.#served.values()) this.#options.loop.remove(session);
    for (const mountId of [...this.#served.keys()]) this.close(mountId);
    for (const { seen } of this.#shared.values()) seen.lastReads.close();
  }

  #sharedBy(tree: BookTree): SharedByMounts {
    const shared = this.#shared.get(tree) ?? { siblings: new Set(), seen: new SeenCheck(tree) };
    this.#shared.set(tree, shared);
    return shared;
  }

  /** Works on a user's overlay, which may be nobody's mount. */
  withOverlay<Result>(bookId: BookId, userId: UserId, use: (overlay: Worktree) => Result): Result {
    const overlay = this.#options.library.worktree(bookId, userId);
    try {
      return use(overlay);
    } finally {
      if (!this.#shared.has(overlay)) this.#options.library.closeOverlay(overlay);
    }
  }

  /** Overlays that nobody has mounted any more: there may be one for each reader of a book. */
  #closeUnused(): void {
    for (const [tree, { siblings, seen }] of this.#shared) {
      if (siblings.size > 0 || !this.#options.library.closeOverlay(tree)) continue;
      seen.lastReads.close();
      this.#shared.delete(tree);
    }
  }

  #pastOf({ bookId, position, userId }: ServeInput): PastTree | undefined {
    if (position === undefined) return undefined;
    const { store, blobs, books } = this.#options.library;
    const files = pastViewOf(store.database, bookId, userId);
    return new PastTree({ store, blobs, book: books.get(bookId), files, seq: position.seq });
  }

  /** As a mount shows it; that for another Unix user names that one's mounts only (R5). */
  #processOf({ bookId, isForGuest, uid }: ServeInput): object {
    const mounts = [...this.#served.values()].filter(
      ({ input }) => input.bookId === bookId && (!isForGuest || (input.isForGuest && input.uid === uid)),
    );
    return {
      mounts: mounts.map(({ input }) => mountOf(input)),
      store: this.#options.library.store.directory,
      pid: process.pid,
    };
  }
}

/** What never changes has nothing to tell to other mounts, and nobody replaces what was read there. */
function alone(tree: PastTree): SharedByMounts {
  return { siblings: new Set(), seen: new SeenCheck(tree) };
}

function modeOf({ readOnly, check, userId, deleteMode, sync, at, transport }: ServeInput): MountMode {
  return { readOnly, check, userId, deleteMode, sync, at, transport };
}

/** A mount as control files show it. */
function mountOf({
  directory,
  agent,
  readOnly,
  check,
  userId,
  deleteMode,
  sync,
  at,
  position,
}: ServeInput): object {
  return {
    directory,
    agent,
    read_only: readOnly,
    check,
    user: userId ?? null,
    delete: userId === undefined ? null : deleteMode,
    sync,
    at: at ?? null,
    position: position?.seq ?? null,
    position_time: position?.time ?? null,
  };
}
