/**
 * A directory that root mounts a book on, and unmounts, for somebody else. Owns holding on to exactly that directory, whatever
 * is renamed or linked meanwhile. Must never decide who may have it.
 */
import { close, constants, fstat, open, readFile, readlink, type Stats, statfs } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { closeFd, unmountFilesystem } from "../../lib/libc.ts";
import { type MountEntry, parseMountinfo } from "./mount-table.ts";
import { type MountOptions, mountDirectly, unmountFlags } from "./mounting.ts";

const [openFile, statFile, closeFile] = [promisify(open), promisify(fstat), promisify(close)];
const [readLink, statSystem, readText] = [promisify(readlink), promisify(statfs), promisify(readFile)];

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

export class HeldDirectory {
  /** As the kernel named it when it was opened. */
  readonly directory: string;
  readonly #parentFd: number;
  #fd: number | undefined;

  /** The last name may be no symbolic link. @throws Node's system error */
  static async open(asked: string): Promise<HeldDirectory> {
    const path = resolve(asked);
    const fds: number[] = [];
    try {
      const parentFd = await openFile(dirname(path), DIRECTORY);
      fds.push(parentFd);
      const fd = await openFile(join(linkOf(parentFd), basename(path)), DIRECTORY | constants.O_NOFOLLOW);
      fds.push(fd);
      const directory = join(await readLink(linkOf(parentFd)), basename(path));
      return new HeldDirectory({ directory, parentFd, fd });
    } catch (cause) {
      for (const fd of fds) await closeFile(fd);
      throw cause;
    }
  }

  private constructor(parts: { directory: string; parentFd: number; fd: number }) {
    this.directory = parts.directory;
    this.#parentFd = parts.parentFd;
    this.#fd = parts.fd;
  }

  /** Whether it belongs to this Unix user, on a file system that holds people's directories. */
  async belongsTo(uid: number): Promise<boolean> {
    const owner = ((await statFile(this.#held)) as Stats).uid;
    const { type } = await statSystem(linkOf(this.#held));
    return owner === uid && HOME_FILESYSTEMS.has(Number(type));
  }

  /** The mount that is there under its name now, or that it is in. Never asks that mount, which may be dead. */
  async mountThere(): Promise<MountEntry | undefined> {
    const fd = await openFile(this.#name, DIRECTORY | constants.O_NOFOLLOW);
    try {
      const info = await readText(`/proc/self/fdinfo/${fd}`, "latin1");
      const id = /^mnt_id:\s*([0-9]+)$/m.exec(info)?.[1];
      return parseMountinfo(await readText("/proc/self/mountinfo", "utf8")).find((entry) => entry.id === id);
    } finally {
      // It would keep the mount from ending.
      await closeFile(fd);
    }
  }

  /** To be called once. @returns, and throws, as mountDirectory */
  mount(options: MountOptions): number {
    const target = linkOf(this.#held);
    try {
      return mountDirectly(target, options);
    } finally {
      this.letGo();
    }
  }

  /**
   * Unmounts what is under the name in the directory that was opened. That can only be what was there, or nothing: a name
   * that is mounted on cannot be moved, and others mount nothing there.
   * @throws PosixError EBUSY: it is in use; EINVAL: it is not mounted
   */
  unmount({ lazy }: { readonly lazy: boolean }): Promise<void> {
    this.letGo();
    return unmountFilesystem(this.#name, unmountFlags(lazy));
  }

  /** Lets go of the directory, not of its name: it would keep a mount from ending. */
  letGo(): void {
    if (this.#fd !== undefined) closeFd(this.#fd);
    this.#fd = undefined;
  }

  close(): void {
    closeFd(this.#parentFd);
    this.letGo();
  }

  /** Leads there whatever the path leads to meanwhile. */
  get #name(): string {
    return join(linkOf(this.#parentFd), basename(this.directory));
  }

  get #held(): number {
    if (this.#fd === undefined) throw new Error("it was mounted already");
    return this.#fd;
  }
}

function linkOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
