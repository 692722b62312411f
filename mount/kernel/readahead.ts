/**
 * How far the kernel reads ahead in a mount's files: fewer and larger requests for who reads a large one. INIT can only lower it
 * from the kernel's default (128 KiB). Owns that one setting of a mount; must never fail for want of it.
 */
import { writeFile } from "node:fs/promises";

/** More saves nothing more, and costs who reads here and there. */
export const READAHEAD_KIB = 512;

/**
 * Where the kernel keeps the setting for the mount with this `st_dev`; undefined if that is a disk's and no mount's of ours.
 * Source: Documentation/ABI/testing/sysfs-class-bdi
 */
export function readaheadFile(device: number): string | undefined {
  // gnu_dev_major and gnu_dev_minor of sys/sysmacros.h, for device numbers of 32 bits. FUSE's have the major number 0.
  if (((device >>> 8) & 0xfff) !== 0) return undefined;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `/sys/class/bdi/0:${minor}/read_ahead_kb`;
}

/** Raises the readahead of a mount that has answered INIT; without effect for who may not (not root, a read-only /sys). */
export async function raiseReadahead(device: number): Promise<void> {
  const file = readaheadFile(device);
  if (file !== undefined) await writeFile(file, `${READAHEAD_KIB}\n`, { flag: "r+" }).catch(() => undefined);
}
