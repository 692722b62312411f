/**
 * A directory of another Unix user that root is to mount a book on, and unmount. Must never say what is in places that are
 * closed to that user.
 */
import { PfsError } from "../../schema/errors.ts";
import { HeldDirectory } from "./held-directory.ts";
import type { MountOptions } from "./mounting.ts";

export interface Guest {
  readonly uid: number;
  readonly gid: number;
}

export class GuestPlace {
  readonly #held: HeldDirectory;
  readonly #guest: Guest;

  /** @throws PfsError NOT_PERMITTED, in one sentence for everything, as the guest may not be entitled to know the reason */
  static async open(asked: string, guest: Guest): Promise<GuestPlace> {
    let held: HeldDirectory | undefined;
    try {
      held = await HeldDirectory.open(asked);
      if (await held.belongsTo(guest.uid)) return new GuestPlace(held, guest);
    } catch (cause) {
      held?.close();
      throw notYours(asked, cause);
    }
    held.close();
    throw notYours(asked);
  }

  private constructor(held: HeldDirectory, guest: Guest) {
    this.#held = held;
    this.#guest = guest;
  }

  /** As the kernel named it when it was opened. */
  get directory(): string {
    return this.#held.directory;
  }

  /** Mounts for the guest alone; not even root gets in. To be called once. @returns, and throws, as mountDirectory */
  mount(options: Omit<MountOptions, "allowOther" | "owner">): number {
    return this.#held.mount({ ...options, allowOther: false, owner: this.#guest });
  }

  /** @throws as HeldDirectory.unmount */
  unmount(options: { readonly lazy: boolean }): Promise<void> {
    return this.#held.unmount(options);
  }

  /** Lets go of the directory. */
  close(): void {
    this.#held.close();
  }
}

/** All that a guest is told of a directory that is not the guest's, or is not there. */
export function notYours(asked: string, cause?: unknown): PfsError {
  return new PfsError("NOT_PERMITTED", `Cannot mount ${asked}: it is no directory of yours.`, {
    hint: "Name one that you have made for it; if a book is mounted there already, `pfs umount` it first.",
    cause,
  });
}
