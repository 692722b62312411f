/**
 * The daemon's mounts: owns which book is mounted where, and the way from a request to a directory that is usable and
 * back to an ordinary one. Runs in the main thread; must never touch a mount with a call that waits for it.
 */
import { realpath, stat } from "node:fs/promises";
import { closeFd } from "../lib/libc.ts";
import type { Guest } from "../mount/kernel/guest-place.ts";
import { bookAround, mountPointOf } from "../mount/kernel/mount-table.ts";
import { Notifier } from "../mount/kernel/notifier.ts";
import { raiseReadahead } from "../mount/kernel/readahead.ts";
import type { Notification } from "../mount/kernel-link.ts";
import { PfsError } from "../schema/errors.ts";
import type { AgentName, BookId, Seq, UserId } from "../schema/ids.ts";
import { formatMountMode, type MountMode } from "../schema/mount-options.ts";
import { shellWord } from "../schema/shell-word.ts";
import { isWithin } from "./host-path.ts";
import type { MountHost } from "./mount-host.ts";
import { type MountPlace, openPlace } from "./mount-place.ts";
import { describeUsers, findMountUsers } from "./mount-users.ts";
import type { Position } from "./thread-calls.ts";

export interface MountRequest extends MountMode {
  readonly bookId: BookId;
  /** Absolute. */
  readonly directory: string;
  readonly agent: AgentName;
  readonly allowOther: boolean;
  /** The other Unix user that it is for alone, on a directory of that user's; undefined: this process's own. */
  readonly guest?: Guest;
  /** Where the mount helper listens, for a directory that an automounter waits to see mounted. */
  readonly mounter?: string | undefined;
}

/** A mount as it is shown. */
export interface MountDescription {
  readonly directory: string;
  readonly book: BookId;
  readonly agent: AgentName;
  /** Whose overlay it shows; null: the base. */
  readonly user: UserId | null;
  /** As after `-o`, without the agent: `ro` or `rw`, and what else is not the default. */
  readonly options: string;
  /** With `at`: the position of the log whose state is shown, and its time (ISO 8601; null at the log's beginning). */
  readonly position: Seq | null;
  readonly position_time: string | null;
}

interface Mounted {
  readonly mountId: number;
  readonly description: MountDescription;
  readonly notifier: Notifier;
  readonly ended: PromiseWithResolvers<void>;
  readonly place: MountPlace;
  readonly guest: Guest | undefined;
}

export interface MountRegistryOptions {
  readonly storeDirectory: string;
  /** Told once a mount is gone, also when somebody else has unmounted it. */
  onUnmounted(description: MountDescription): void;
  onFault(operation: string, message: string): void;
}

/** How long a mount may take to answer its first stat. */
const USABLE_TIMEOUT_MS = 10_000;
/** How long the kernel may take to say that a mount which is unmounted has ended; a lazy one ends when its users do. */
const END_TIMEOUT_MS = 5_000;

export class MountRegistry {
  readonly #options: MountRegistryOptions;
  readonly #mounts = new Map<number, Mounted>();
  #host: MountHost | undefined;
  #lastId = 0;
  /** The newest notification's. */
  #lastTicket = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: MountRegistryOptions) {
    this.#options = options;
  }

  /** The thread that serves the mounts; to be called once, before anything else. */
  useHost(host: MountHost): void {
    this.#host = host;
  }

  list(): MountDescription[] {
    return [...this.#mounts.values()].map(({ description }) => description);
  }

  /** The mounts that are for this Unix user, who is another one. */
  listOf(uid: number): MountDescription[] {
    const mounts = [...this.#mounts.values()].filter(({ guest }) => guest?.uid === uid);
    return mounts.map(({ description }) => description);
  }

  /**
   * Mounts a book; when it resolves the directory is usable. One at a time.
   * @throws PfsError NOT_FOUND, MOUNT_FAILED
   */
  mount(request: MountRequest): Promise<MountDescription> {
    return this.#inTurn(() => this.#mount(request));
  }

  /**
   * Unmounts a directory.
   * @throws PfsError NOT_FOUND: not a mount of this daemon; MOUNT_FAILED: in use, and by whom
   */
  unmount(directory: string, options: { readonly lazy: boolean }): Promise<MountDescription> {
    return this.#inTurn(async () => {
      // One that is listed is meant by what it is listed as, wherever that name leads now.
      const isListed = this.list().some((mounted) => mounted.directory === directory);
      const mountPoint = isListed ? directory : await mountPointOf(directory);
      const mounted = [...this.#mounts.values()].findLast(
        ({ description }) => description.directory === mountPoint,
      );
      if (mounted === undefined) {
        throw new PfsError("NOT_FOUND", `No book of this store is mounted at ${directory}.`, {
          hint: "`pfs status` names the mounts.",
        });
      }
      await this.#unmount(mounted, options);
      return mounted.description;
    });
  }

  /** Resolves once nothing is being mounted or unmounted. Never rejects. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  /** The kernel is to be told something. */
  notify(mountId: number, notification: Notification): void {
    this.#lastTicket = Math.max(this.#lastTicket, notification.ticket);
    const mounted = this.#mounts.get(mountId);
    if (mounted === undefined) this.#host?.delivered(notification.ticket, true);
    else mounted.notifier.send(notification);
  }

  /** The kernel has ended a mount, whoever asked for it. */
  async ended(mountId: number): Promise<void> {
    const mounted = this.#mounts.get(mountId);
    if (mounted === undefined) return;
    await mounted.notifier.close();
    this.#mounts.delete(mountId);
    await this.#thread.call("closeDevice", { mountId });
    mounted.place.close();
    mounted.ended.resolve();
    this.#options.onUnmounted(mounted.description);
    // In turn: what is mounted there next must not be taken for what was left.
    await this.#inTurn(() => this.#clearDead(mounted));
  }

  /** Forgets the mounts that are left, which end with the mount thread and the process. */
  async abandon(): Promise<void> {
    const left = [...this.#mounts.values()];
    this.#mounts.clear();
    for (const { place } of left) place.cutOff();
    await Promise.all(left.map(({ notifier }) => notifier.close()));
    for (const { description } of left) this.#options.onUnmounted(description);
  }

  /** Never fails. */
  async #clearDead({ place, description: { directory } }: Mounted): Promise<void> {
    try {
      if (await place.clearDead())
        this.#options.onFault(
          "mount",
          `The process that served ${directory} has ended: it is unmounted. What was open there and not closed is as if closed.`,
        );
    } catch (error) {
      this.#options.onFault("unmount", (error as Error).message);
    }
  }

  get #thread(): MountHost {
    if (this.#host === undefined) throw new Error("there is no mount thread yet");
    return this.#host;
  }

  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #mount(request: MountRequest): Promise<MountDescription> {
    const { bookId } = request;
    await this.#thread.call("findBook", { bookId });
    const position = await this.#positionOf(request);
    const place = await openPlace(request.directory, request.guest, request.mounter);
    try {
      // To look at an automounter's would be to wait for what is being done here.
      const isAwaited = request.mounter !== undefined;
      const { directory } = place;
      const real = isAwaited ? directory : await realpath(directory).catch(() => directory);
      await this.#refuseOverStore(directory, real);
      await refuseInsideBook(directory, real);
      return await this.#mountOn(place, request, position);
    } catch (error) {
      place.close();
      throw error;
    }
  }

  async #mountOn(
    place: MountPlace,
    request: MountRequest,
    position: Position | undefined,
  ): Promise<MountDescription> {
    const { directory: _asked, mounter: _helper, allowOther, guest, ...serving } = request;
    const { bookId, agent, readOnly } = serving;
    // A kernel that takes it for read-only would let nobody be told by a touch (watcher-touch.ts); the session refuses all else.
    const isFixed = readOnly && (position !== undefined || request.transport !== "kernel");
    const kernelOptions = { allowOther, readOnly: isFixed, fsname: bookId };
    const { fd, directory } = await place.mount(kernelOptions, request.transport);
    const options = optionText(request);
    const description: MountDescription = {
      directory,
      book: bookId,
      agent,
      options,
      position: position?.seq ?? null,
      position_time: position?.time ?? null,
      user: request.userId ?? null,
    };
    const mountId = ++this.#lastId;
    const notifier = new Notifier({
      fd,
      delivered: (ticket, isKnown) => this.#host?.delivered(ticket, isKnown),
      onFault: (error) => this.#options.onFault("notifying the kernel", String(error)),
    });
    const ended = Promise.withResolvers<void>();
    const mounted: Mounted = { mountId, description, notifier, ended, place, guest };
    try {
      const { uid, gid } = guest ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      await this.#thread.call("serve", {
        ...serving,
        position,
        mountId,
        fd,
        directory,
        uid,
        gid,
        isForGuest: guest !== undefined,
      });
    } catch (error) {
      closeFd(fd);
      await place.unmount({ lazy: true });
      throw error;
    }
    this.#mounts.set(mountId, mounted);
    if (!place.isOpenToUs) return description;
    try {
      await becomeUsable(directory);
    } catch (error) {
      await this.#unmount(mounted, { lazy: true });
      throw error;
    }
    return description;
  }

  /** Resolves once every kernel knows what it was to be told until now, as far as anybody waits for that. */
  async told(): Promise<void> {
    const ticket = this.#lastTicket;
    // What a kernel did not know yet it is told again, for which the thread gives the word; one that has ended tells nobody.
    do await Promise.all([...this.#mounts.values()].map(({ notifier }) => notifier.sent()));
    while ((await this.#host?.call("hasDelivered", { ticket }).catch(() => true)) === false);
  }

  async #positionOf({ bookId, at }: MountRequest): Promise<Position | undefined> {
    return at === undefined ? undefined : this.#thread.call("findPosition", { bookId, reference: at });
  }

  async #unmount(mounted: Mounted, { lazy }: { readonly lazy: boolean }): Promise<void> {
    const { directory } = mounted.description;
    try {
      await mounted.place.unmount({ lazy });
    } catch (cause) {
      // Not mounted: it was unmounted before, and may be about to end.
      if (isCausedBy(cause, "EINVAL")) return this.#requireEnd(mounted, { lazy });
      if (!isCausedBy(cause, "EBUSY")) throw cause;
      const users = describeUsers(await findMountUsers(directory));
      throw new PfsError("MOUNT_FAILED", `Cannot unmount ${directory}: it is in use by ${users}.`, {
        hint: `End that, or leave the directory, and try again; \`pfs umount --lazy ${shellWord(directory)}\` takes the mount away at once and ends it with its last user.`,
        cause,
      });
    }
    await this.#requireEnd(mounted, { lazy });
  }

  /** After it was unmounted. @throws PfsError MOUNT_FAILED: it goes on elsewhere */
  async #requireEnd(
    { ended, description, place }: Mounted,
    { lazy }: { readonly lazy: boolean },
  ): Promise<void> {
    const endsInTime = (): Promise<true | undefined> =>
      withTimeout(
        ended.promise.then(() => true),
        END_TIMEOUT_MS,
      );
    if (lazy || (await endsInTime())) return;
    // Another process that serves it may hang.
    if (place.cutOff() && (await endsInTime())) return;
    const { directory } = description;
    const message = `${directory} is unmounted here and goes on elsewhere: a container or service with mounts of its own has a copy of it.`;
    const hint = `It ends with that; \`grep -lF ${shellWord(directory)} /proc/[0-9]*/mountinfo\` names its processes.`;
    throw new PfsError("MOUNT_FAILED", message, { hint });
  }

  /** A mount must not hide the store that it is served from. */
  async #refuseOverStore(directory: string, real: string): Promise<void> {
    const store = await realpath(this.#options.storeDirectory);
    if (!isWithin(store, real)) return;
    throw new PfsError("MOUNT_FAILED", `Cannot mount ${directory}: the store ${store} is in it.`, {
      hint: "Mount on a directory of its own, such as an empty one made for it.",
    });
  }
}

/** The kernel takes a mount away by itself once the name that it is on is another's: a book's names are others' to change. */
async function refuseInsideBook(directory: string, real: string): Promise<void> {
  const around = await bookAround(real);
  if (around === undefined) return;
  throw new PfsError(
    "MOUNT_FAILED",
    `Cannot mount ${directory}: it is in a book, which is mounted at ${around}.`,
    {
      hint: "Mount on a directory outside of every book, such as an empty one made for it.",
    },
  );
}

function optionText(request: MountRequest): string {
  return `${formatMountMode(request)}${request.allowOther ? ",allow_other" : ""}`;
}

function isCausedBy(error: unknown, wanted: string): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return code === wanted || cause?.code === wanted;
}

async function becomeUsable(directory: string): Promise<void> {
  const root = await withTimeout(stat(directory), USABLE_TIMEOUT_MS);
  if (root !== undefined) return raiseReadahead(root.dev);
  throw new PfsError("MOUNT_FAILED", `Cannot mount ${directory}: the mount does not answer.`, {
    hint: "The daemon's log says more.",
  });
}

async function withTimeout<Result>(promise: Promise<Result>, timeoutMs: number): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
