/** Owns the kinds of directories that a book is mounted on: this process's own, and another Unix user's, which root or the mounter mounts on. */
import { resolve } from "node:path";
import { FuseNativeBridge } from "../mount/fuse-native/attach.ts";
import { type Guest, GuestPlace } from "../mount/kernel/guest-place.ts";
import { mountPointOf } from "../mount/kernel/mount-table.ts";
import { mounterAttach, mounterDetach, mounterSocket } from "../mount/kernel/mounter.ts";
import {
  clearStale,
  type MountOptions,
  mountByMounter,
  mountDirectory,
  unmountDirectory,
} from "../mount/kernel/mounting.ts";
import { PfsError } from "../schema/errors.ts";
import type { Transport } from "../schema/mount-options.ts";

export interface Connection {
  readonly fd: number;
  readonly directory: string;
}

export interface MountPlace {
  /** Absolute. */
  readonly directory: string;
  /** Whether this process can look into the mount. */
  readonly isOpenToUs: boolean;
  /** To be called once. @returns the connection, and the directory as the kernel names it. @throws as mountDirectory */
  mount(options: MountOptions, transport: Transport): Promise<Connection>;
  /** @throws an error with EBUSY as its code or its cause's when it is in use */
  unmount(options: { readonly lazy: boolean }): Promise<void>;
  /** Ends the process that serves the mount, where that is not this one, however it hangs: what is left of the mount is dead then. @returns whether there was one */
  cutOff(): boolean;
  /** Takes away what such a process has left, if it has ended by itself. @returns whether it had @throws PfsError MOUNT_FAILED */
  clearDead(): Promise<boolean>;
  /** To be called once, when nothing is mounted there any more. */
  close(): void;
}

/**
 * @param automounter where the mount helper listens, for a directory that an automounter waits to see mounted
 * @throws PfsError NOT_PERMITTED as GuestPlace.open
 */
export async function openPlace(
  asked: string,
  guest: Guest | undefined,
  automounter?: string,
): Promise<MountPlace> {
  if (automounter !== undefined) return new AutomountPlace(asked, automounter);
  if (guest === undefined) return new OwnPlace(asked);
  const mounter = mounterSocket();
  if (mounter !== undefined) return new MounterPlace(mounter, asked, guest);
  const place = await GuestPlace.open(asked, guest);
  const { directory } = place;
  return {
    directory,
    isOpenToUs: false,
    mount: async (options) => ({ fd: place.mount(options), directory }),
    unmount: (options) => place.unmount(options),
    cutOff: () => false,
    clearDead: async () => false,
    close: () => place.close(),
  };
}

class OwnPlace implements MountPlace {
  readonly isOpenToUs: boolean = true;
  directory: string;
  #bridge: FuseNativeBridge | undefined;

  constructor(directory: string) {
    this.directory = directory;
  }

  async mount(options: MountOptions, transport: Transport): Promise<Connection> {
    const bridge = transport === "fuse-native" ? new FuseNativeBridge() : undefined;
    this.#bridge = bridge;
    const attach = bridge?.attach.bind(bridge);
    const fd = await mountDirectory(this.directory, options, attach);
    this.directory = await mountPointOf(this.directory);
    return { fd, directory: this.directory };
  }

  unmount(options: { readonly lazy: boolean }): Promise<void> {
    return unmountDirectory(this.directory, options);
  }

  cutOff(): boolean {
    this.#bridge?.end();
    return this.#bridge !== undefined;
  }

  async clearDead(): Promise<boolean> {
    return this.#bridge !== undefined && clearStale(this.directory);
  }

  close(): void {
    this.cutOff();
  }
}

/** This process's own, of which it must not even look at the directory before it is mounted: own-mounter.ts. */
class AutomountPlace extends OwnPlace {
  // Not before the mount helper has ended, which sees whether the mount answers.
  override readonly isOpenToUs = false;
  readonly #mounter: string;

  constructor(directory: string, mounter: string) {
    super(directory);
    this.#mounter = mounter;
  }

  override async mount(options: MountOptions, transport: Transport): Promise<Connection> {
    if (transport !== "kernel")
      throw new PfsError(
        "USAGE",
        `Cannot mount ${this.directory}: an automounter's has transport=kernel only.`,
      );
    this.directory = await mountPointOf(this.directory);
    return { fd: await mountByMounter(this.#mounter, this.directory, options), directory: this.directory };
  }
}

/** Another Unix user's, which may be closed to this process: the mounter sees to it that it is that user's. */
class MounterPlace implements MountPlace {
  readonly isOpenToUs = false;
  directory: string;
  readonly #socket: string;
  readonly #guest: Guest;
  #mountId: string | undefined;

  constructor(socket: string, asked: string, guest: Guest) {
    this.#socket = socket;
    this.directory = resolve(asked);
    this.#guest = guest;
  }

  async mount(options: MountOptions): Promise<{ readonly fd: number; readonly directory: string }> {
    const mounted = await mounterAttach(this.#socket, this.directory, { ...options, owner: this.#guest });
    this.directory = mounted.directory;
    this.#mountId = mounted.mountId;
    return mounted;
  }

  unmount({ lazy }: { readonly lazy: boolean }): Promise<void> {
    const mountId = this.#mountId;
    return mounterDetach(this.#socket, this.directory, {
      lazy,
      ...(mountId === undefined ? {} : { mountId }),
    });
  }

  cutOff(): boolean {
    return false;
  }

  async clearDead(): Promise<boolean> {
    return false;
  }

  close(): void {}
}
