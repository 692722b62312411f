/**
 * Makes a directory a mount and an ordinary directory again: by the mounter where there is one, by mount(2) where this process
 * may, else by fusermount3.
 * Owns the mount options and the sentences that say what went wrong; must never run on the thread that serves a mount.
 */
import { constants, existsSync, openSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { closeFd, MNT_DETACH, mountFilesystem, setNonBlocking, unmountFilesystem } from "../../lib/libc.ts";
import { PfsError } from "../../schema/errors.ts";
import { shellWord } from "../../schema/shell-word.ts";
import { fusermountAttach, fusermountDetach } from "./fusermount.ts";
import { FILESYSTEM_TYPE, mountPointOf, mountState, topEntryAt } from "./mount-table.ts";
import { mounterAttach, mounterDetach, mounterSocket } from "./mounter.ts";

const FUSE_DEVICE = "/dev/fuse";
/** `MS_…` of linux/mount.h. */
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
/** Of umount2(2). */
const UMOUNT_NOFOLLOW = 8;
/** Bit 21 of a set of capabilities. Source: linux/capability.h */
const CAP_SYS_ADMIN = 1n << 21n;

export interface MountOptions {
  /** Let other users in, as far as the files' modes allow. Without it only the mounting user gets in. */
  readonly allowOther: boolean;
  readonly readOnly: boolean;
  /** What `df` and `mount` show as the source. */
  readonly fsname: string;
  /** Who the mounting user is for the kernel, where root mounts for another one. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** Mounts on exactly this directory; returns a descriptor as {@link mountDirectory}. */
type Attach = (mountPoint: string, options: MountOptions) => Promise<number>;

/**
 * Mounts on `dir`, which need not be empty: what is in it is hidden while the mount lasts. A dead mount there is
 * cleared first. `attach` is for mounting by something else than this process. The kernel always checks permissions by the files' modes (`default_permissions`).
 * @returns the connection's descriptor (not blocking), for a Device; the first request on it is INIT
 * @throws PfsError MOUNT_FAILED
 */
export async function mountDirectory(dir: string, options: MountOptions, attach?: Attach): Promise<number> {
  await requireDirectory(dir);
  const mounter = mounterSocket();
  if (mounter === undefined && !existsSync(FUSE_DEVICE)) {
    throw new PfsError("MOUNT_FAILED", `Cannot mount ${dir}: ${FUSE_DEVICE} is missing.`, {
      hint: "Load the kernel's module with `modprobe fuse`, or start the container with `--device /dev/fuse --cap-add SYS_ADMIN`.",
    });
  }
  await clearStale(dir);
  const mountPoint = await mountPointOf(dir);
  if ((await mountState(mountPoint)) === "pfs") {
    throw new PfsError("MOUNT_FAILED", `Cannot mount ${dir}: a book is mounted there already.`, {
      hint: `Unmount it with \`pfs umount ${shellWord(dir)}\`, or choose another directory.`,
    });
  }
  if (attach !== undefined) return attach(mountPoint, options);
  if (mounter !== undefined) return mountByMounter(mounter, mountPoint, options);
  return mayMount() ? mountDirectly(mountPoint, options) : mountAsUser(mountPoint, options);
}

/**
 * Unmounts `dir`. `lazy` takes it out of the tree at once and ends it when its last user leaves.
 * @throws PfsError MOUNT_FAILED if it is in use, or not mounted
 */
export async function unmountDirectory(dir: string, { lazy }: { readonly lazy: boolean }): Promise<void> {
  const mountPoint = await mountPointOf(dir);
  try {
    const mounter = mounterSocket();
    if (mounter !== undefined) await mounterDetach(mounter, mountPoint, { lazy });
    else if (mayMount()) await unmountFilesystem(mountPoint, unmountFlags(lazy));
    else await fusermountDetach(mountPoint, lazy);
  } catch (cause) {
    throw explainUnmount(dir, cause);
  }
}

/** For umount2(2). */
export function unmountFlags(lazy: boolean): number {
  return UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
}

/** Unmounts dead mounts of ours on `dir`, if there are any. True if there were. @throws PfsError MOUNT_FAILED */
export async function clearStale(dir: string): Promise<boolean> {
  let cleared = false;
  // Several may lie one above the other, if a daemon was killed and started again by something careless.
  while ((await mountState(dir)) === "stale") {
    await unmountDirectory(dir, { lazy: true });
    cleared = true;
  }
  return cleared;
}

/** Root may, and who was given CAP_SYS_ADMIN, as in a container. Root that may not is told so by the kernel. */
function mayMount(): boolean {
  if (process.geteuid?.() === 0) return true;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
  return (BigInt(`0x${effective}`) & CAP_SYS_ADMIN) !== 0n;
}

async function requireDirectory(dir: string): Promise<void> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(dir)).isDirectory();
  } catch (cause) {
    // A dead mount on it answers ENOTCONN; clearStale looks after that.
    if ((cause as NodeJS.ErrnoException).code === "ENOTCONN") return;
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? "there is no such directory" : `it cannot be reached (${(cause as Error).message})`;
    throw new PfsError("MOUNT_FAILED", `Cannot mount ${dir}: ${why}.`, {
      hint: missing
        ? `Make it with \`mkdir -p ${shellWord(dir)}\`.`
        : "Choose a directory that you can enter.",
      cause,
    });
  }
  if (!isDirectory) {
    throw new PfsError("MOUNT_FAILED", `Cannot mount ${dir}: it is not a directory.`, {
      hint: "Name a directory; what is in it is hidden while the book is mounted.",
    });
  }
}

function ownIds(): { uid: number; gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

/** mount(2) on exactly this directory. @returns, and throws, as {@link mountDirectory} */
export function mountDirectly(mountPoint: string, options: MountOptions): number {
  const { allowOther, readOnly, fsname, owner = ownIds() } = options;
  const fd = openSync(FUSE_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  const data = [`fd=${fd}`, "rootmode=40000", `user_id=${owner.uid}`, `group_id=${owner.gid}`];
  data.push("default_permissions");
  if (allowOther) data.push("allow_other");
  const flags = MS_NOSUID | MS_NODEV | (readOnly ? MS_RDONLY : 0);
  try {
    mountFilesystem({
      source: fsname,
      target: mountPoint,
      type: FILESYSTEM_TYPE,
      flags,
      data: data.join(","),
    });
    return fd;
  } catch (cause) {
    closeFd(fd);
    const denied = (cause as { code?: string }).code === "EPERM";
    const why = denied ? "this process may not mount (no CAP_SYS_ADMIN)" : (cause as Error).message;
    throw new PfsError("MOUNT_FAILED", `Cannot mount ${mountPoint}: ${why}.`, {
      hint: denied ? "In a container, start it with `--cap-add SYS_ADMIN --device /dev/fuse`." : undefined,
      cause,
    });
  }
}

/** By what listens at `socket`. @returns, and throws, as {@link mountDirectory} */
export async function mountByMounter(
  socket: string,
  mountPoint: string,
  options: MountOptions,
): Promise<number> {
  const { fd, directory, mountId } = await mounterAttach(socket, mountPoint, options);
  if ((await topEntryAt(directory))?.type === FILESYSTEM_TYPE) return fd;
  closeFd(fd);
  await mounterDetach(socket, directory, { lazy: true, mountId });
  throw new PfsError("MOUNT_FAILED", `Cannot mount ${mountPoint}: the mount is not seen by this daemon.`, {
    hint: "The file system that it is on must be mounted shared, as systemd does it: `mount --make-rshared /`.",
  });
}

async function mountAsUser(mountPoint: string, options: MountOptions): Promise<number> {
  const fd = await fusermountAttach(mountPoint, options);
  setNonBlocking(fd);
  return fd;
}

function explainUnmount(dir: string, cause: unknown): PfsError {
  if (cause instanceof PfsError) return cause;
  switch ((cause as { code?: string }).code) {
    case "EBUSY":
      return new PfsError("MOUNT_FAILED", `Cannot unmount ${dir}: it is in use.`, {
        hint: `\`fuser -vm ${shellWord(dir)}\` or \`lsof +f -- ${shellWord(dir)}\` names the programs; end them or leave the directory, or unmount lazily with \`pfs umount --lazy ${shellWord(dir)}\`.`,
        cause,
      });
    case "EINVAL":
      return new PfsError("MOUNT_FAILED", `Cannot unmount ${dir}: nothing is mounted there.`, { cause });
    default:
      return new PfsError("MOUNT_FAILED", `Cannot unmount ${dir}: ${(cause as Error).message}.`, { cause });
  }
}
