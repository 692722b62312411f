/**
 * Owns the mounts that the mount thread serves: device and session of each, and what their control files say. Runs in the
 * mount thread: must never wait, nor mount or unmount anything.
 */
import type { Library } from "../lib/library.ts";
import { Deliveries } from "../mount/deliveries.ts";
import { DeviceLink } from "../mount/device-link.ts";
import { Device } from "../mount/kernel/device.ts";
import type { Loop } from "../mount/loop.ts";
import { Session } from "../mount/session.ts";
import type { BookId } from "../schema/ids.ts";
import type { ServeInput, ThreadReport } from "./thread-calls.ts";

interface Served {
  readonly input: ServeInput;
  readonly device: Device;
  readonly session: Session;
}

export interface ThreadMountsOptions {
  readonly library: Library;
  readonly loop: Loop;
  tell(report: ThreadReport): void;
  onFault(error: unknown, operation: string): void;
}

export class ThreadMounts {
  readonly deliveries = new Deliveries();
  readonly #options: ThreadMountsOptions;
  readonly #served = new Map<number, Served>();
  /** Per book: all its mounts share what is open in it. */
  readonly #siblings = new Map<BookId, Set<Session>>();

  constructor(options: ThreadMountsOptions) {
    this.#options = options;
  }

  /** Serves the mount from now on. @throws PfsError NOT_FOUND: no such book */
  serve(input: ServeInput): void {
    const { library, loop, tell, onFault } = this.#options;
    const { mountId, bookId, agent, readOnly, uid, gid } = input;
    const worktree = library.worktree(bookId);
    const device = new Device(input.fd);
    const session = new Session({
      worktree,
      agent,
      readOnly,
      control: {
        status: () => this.#status(input),
        refusals: () => worktree.refusals.list(),
      },
      owner: { uid, gid },
      deliveries: this.deliveries,
      link: new DeviceLink(device, {
        notify: (notification) => tell({ type: "notify", mountId, notification }),
        onFault,
      }),
      siblings: this.#siblingsOf(bookId),
      onFault,
    });
    this.#served.set(mountId, { input, device, session });
    loop.add({ device, session, onEnd: () => tell({ type: "ended", mountId }) });
  }

  /** Closes the connection of a mount that has ended. */
  close(mountId: number): void {
    this.#served.get(mountId)?.device.close();
    this.#served.delete(mountId);
  }

  /** Ends every mount that the kernel has not ended: what is open and unsaved is saved. */
  closeAll(): void {
    for (const { session } of this.#served.values()) this.#options.loop.remove(session);
    for (const mountId of [...this.#served.keys()]) this.close(mountId);
  }

  #siblingsOf(bookId: BookId): Set<Session> {
    const siblings = this.#siblings.get(bookId) ?? new Set();
    this.#siblings.set(bookId, siblings);
    return siblings;
  }

  #status({ bookId, agent, readOnly }: ServeInput): object {
    const { library } = this.#options;
    const worktree = library.worktree(bookId);
    const mounts = [...this.#served.values()].filter(({ input }) => input.bookId === bookId);
    return {
      book: bookId,
      profile: worktree.book.profile.name,
      agent,
      read_only: readOnly,
      seq: library.log.seq,
      head: library.log.head,
      drafts: worktree.draftCount,
      mounts: mounts.map(({ input }) => ({
        directory: input.directory,
        agent: input.agent,
        read_only: input.readOnly,
      })),
      store: library.store.directory,
      pid: process.pid,
    };
  }
}
