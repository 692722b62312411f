/**
 * A directory of another Unix user that root is to mount a book on, and unmount. Owns holding on to exactly that directory,
 * whatever its user renames or links meanwhile. Must never say what is in places that are closed to that user.
 */
import { close, constants, fstat, open, readlink, type Stats, statfs } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { closeFd, unmountFilesystem } from "../../lib/libc.ts";
import { PfsError } from "../../schema/errors.ts";
import { type MountOptions, mountDirectly, unmountFlags } from "./mounting.ts";

const [openFile, statFile, closeFile] = [promisify(open), promisify(fstat), promisify(close)];
const [readLink, statSystem] = [promisify(readlink), promisify(statfs)];

export interface Guest {
  readonly uid: number;
  readonly gid: number;
}

/** O_PATH of fcntl.h, which Node does not name: nothing is asked of what is opened. */
const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY;
/**
 * File systems that hold people's directories. Elsewhere a directory that is somebody's may be what programs of others trust, as
 * /proc/PID is. Source: linux/include/uapi/linux/magic.h: ext4, xfs, btrfs, tmpfs, overlayfs, f2fs, bcachefs, nfs; zfs: OpenZFS.
 */
const HOME_FILESYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0xca451a4e, 0x6969, 0x2fc12fc1,
]);

export class GuestPlace {
  /** As the kernel named it when it was opened. */
  readonly directory: string;
  readonly #guest: Guest;
  readonly #parentFd: number;
  #fd: number | undefined;

  /** @throws PfsError NOT_PERMITTED, in one sentence for everything, as the guest may not be entitled to know the reason */
  static async open(asked: string, guest: Guest): Promise<GuestPlace> {
    const path = resolve(asked);
    const fds: number[] = [];
    try {
      const parentFd = await openFile(dirname(path), DIRECTORY);
      fds.push(parentFd);
      const fd = await openFile(join(linkOf(parentFd), basename(path)), DIRECTORY | constants.O_NOFOLLOW);
      fds.push(fd);
      const { uid } = (await statFile(fd)) as Stats;
      const { type } = await statSystem(linkOf(fd));
      if (uid !== guest.uid || !HOME_FILESYSTEMS.has(Number(type))) throw notYours(asked);
      const directory = join(await readLink(linkOf(parentFd)), basename(path));
      return new GuestPlace({ directory, guest, parentFd, fd });
    } catch (cause) {
      for (const fd of fds) await closeFile(fd);
      throw cause instanceof PfsError ? cause : notYours(asked, cause);
    }
  }

  private constructor(parts: { directory: string; guest: Guest; parentFd: number; fd: number }) {
    this.directory = parts.directory;
    this.#guest = parts.guest;
    this.#parentFd = parts.parentFd;
    this.#fd = parts.fd;
  }

  /** Mounts for the guest alone; not even root gets in. To be called once. @returns, and throws, as mountDirectory */
  mount(options: Omit<MountOptions, "allowOther">): number {
    if (this.#fd === undefined) throw new Error("it was mounted already");
    try {
      return mountDirectly(linkOf(this.#fd), { ...options, allowOther: false, owner: this.#guest });
    } finally {
      // It would keep the mount from ending.
      closeFd(this.#fd);
      this.#fd = undefined;
    }
  }

  /**
   * Unmounts what is under the name in the directory that was opened. That can only be the mount, or nothing: a name
   * that is mounted on cannot be moved, and others mount nothing there.
   * @throws PosixError EBUSY: it is in use; EINVAL: it is not mounted
   */
  unmount({ lazy }: { readonly lazy: boolean }): Promise<void> {
    return unmountFilesystem(join(linkOf(this.#parentFd), basename(this.directory)), unmountFlags(lazy));
  }

  /** Lets go of the directory. */
  close(): void {
    closeFd(this.#parentFd);
    if (this.#fd !== undefined) closeFd(this.#fd);
  }
}

function linkOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function notYours(asked: string, cause?: unknown): PfsError {
  return new PfsError("NOT_PERMITTED", `Cannot mount ${asked}: it is no directory of yours.`, {
    hint: "Name one that you have made for it; if a book is mounted there already, `pfs umount` it first.",
    cause,
  });
}
