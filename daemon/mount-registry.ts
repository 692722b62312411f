/**
 * The daemon's mounts: owns which book is mounted where, and the way from a request to a directory that is usable and
 * back to an ordinary one. Runs in the main thread; must never touch a mount with a call that waits for it.
 */
import { realpath, stat } from "node:fs/promises";
import { closeFd } from "../lib/libc.ts";
import { mountPointOf } from "../mount/kernel/mount-table.ts";
import { mountDirectory, unmountDirectory } from "../mount/kernel/mounting.ts";
import { Notifier } from "../mount/kernel/notifier.ts";
import type { Notification } from "../mount/kernel-link.ts";
import { PfsError } from "../schema/errors.ts";
import type { AgentName, BookId } from "../schema/ids.ts";
import { isWithin } from "./host-path.ts";
import type { MountHost } from "./mount-host.ts";
import { describeUsers, findMountUsers } from "./mount-users.ts";

export interface MountRequest {
  readonly bookId: BookId;
  /** Absolute. */
  readonly directory: string;
  readonly agent: AgentName;
  readonly readOnly: boolean;
  readonly allowOther: boolean;
}

/** A mount as it is shown. */
export interface MountDescription {
  readonly directory: string;
  readonly book: BookId;
  readonly agent: AgentName;
  /** As after `-o`: `ro` or `rw`, `allow_other`. */
  readonly options: string;
}

interface Mounted {
  readonly mountId: number;
  readonly description: MountDescription;
  readonly notifier: Notifier;
  readonly ended: PromiseWithResolvers<void>;
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
      const mountPoint = await mountPointOf(directory);
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

  /** The kernel is to be told something. */
  notify(mountId: number, notification: Notification): void {
    const mounted = this.#mounts.get(mountId);
    if (mounted === undefined) this.#host?.delivered(notification.ticket);
    else mounted.notifier.send(notification);
  }

  /** The kernel has ended a mount, whoever asked for it. */
  async ended(mountId: number): Promise<void> {
    const mounted = this.#mounts.get(mountId);
    if (mounted === undefined) return;
    await mounted.notifier.close();
    this.#mounts.delete(mountId);
    await this.#thread.call("closeDevice", { mountId });
    mounted.ended.resolve();
    this.#options.onUnmounted(mounted.description);
  }

  /** Forgets the mounts that are left, which end with the mount thread and the process. */
  async abandon(): Promise<void> {
    const left = [...this.#mounts.values()];
    this.#mounts.clear();
    await Promise.all(left.map(({ notifier }) => notifier.close()));
    for (const { description } of left) this.#options.onUnmounted(description);
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
    const { bookId, agent, readOnly, allowOther } = request;
    await this.#thread.call("findBook", { bookId });
    await this.#refuseOverStore(request.directory);
    const fd = await mountDirectory(request.directory, { allowOther, readOnly, fsname: bookId });
    const directory = await mountPointOf(request.directory);
    const description: MountDescription = { directory, book: bookId, agent, options: optionText(request) };
    const mountId = ++this.#lastId;
    const notifier = new Notifier({
      fd,
      delivered: (ticket) => this.#host?.delivered(ticket),
      onFault: (error) => this.#options.onFault("notifying the kernel", String(error)),
    });
    const mounted: Mounted = { mountId, description, notifier, ended: Promise.withResolvers<void>() };
    try {
      const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
      await this.#thread.call("serve", { mountId, fd, bookId, agent, readOnly, directory, uid, gid });
    } catch (error) {
      closeFd(fd);
      await unmountDirectory(directory, { lazy: true });
      throw error;
    }
    this.#mounts.set(mountId, mounted);
    try {
      await becomeUsable(directory);
    } catch (error) {
      await this.#unmount(mounted, { lazy: true });
      throw error;
    }
    return description;
  }

  async #unmount(mounted: Mounted, { lazy }: { readonly lazy: boolean }): Promise<void> {
    const { directory } = mounted.description;
    try {
      await unmountDirectory(directory, { lazy });
    } catch (cause) {
      if (!isBusy(cause)) throw cause;
      const users = describeUsers(await findMountUsers(directory));
      throw new PfsError("MOUNT_FAILED", `Cannot unmount ${directory}: it is in use by ${users}.`, {
        hint: `End that, or leave the directory, and try again; \`pfs umount --lazy ${directory}\` takes the mount away at once and ends it with its last user.`,
        cause,
      });
    }
    if (!lazy) await withTimeout(mounted.ended.promise, END_TIMEOUT_MS);
  }

  /** A mount must not hide the store that it is served from. */
  async #refuseOverStore(directory: string): Promise<void> {
    const store = await realpath(this.#options.storeDirectory);
    const place = await realpath(directory).catch(() => directory);
    if (!isWithin(store, place)) return;
    throw new PfsError("MOUNT_FAILED", `Cannot mount ${directory}: the store ${store} is in it.`, {
      hint: "Mount on a directory of its own, such as an empty one made for it.",
    });
  }
}

function optionText({ readOnly, allowOther }: MountRequest): string {
  return `${readOnly ? "ro" : "rw"}${allowOther ? ",allow_other" : ""}`;
}

function isBusy(error: unknown): boolean {
  return (error as { cause?: { code?: string } }).cause?.code === "EBUSY";
}

async function becomeUsable(directory: string): Promise<void> {
  const answered = await withTimeout(
    stat(directory).then(() => true),
    USABLE_TIMEOUT_MS,
  );
  if (answered === true) return;
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
