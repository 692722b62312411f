// A disk of a few megabytes that a test can fill. Must be taken away whatever happens on it.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface SmallDisk {
  readonly directory: string;
  remove(): void;
}

/** An empty disk of so many bytes. Needs root. */
export function mountSmallDisk(sizeBytes: number): SmallDisk {
  if (process.getuid?.() !== 0) throw new Error("run this test as root: it mounts a small tmpfs");
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "pfs-test", directory]);
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw error;
  }
  const remove = () => {
    execFileSync("umount", ["-l", directory]);
    rmSync(directory, { recursive: true });
  };
  return { directory, remove };
}

/** Calls `use` with the directory of an empty disk of so many bytes. Needs root. */
export function withSmallDisk(sizeBytes: number, use: (directory: string) => void): void {
  const disk = mountSmallDisk(sizeBytes);
  try {
    use(disk.directory);
  } finally {
    disk.remove();
  }
}

/** Gives a disk another size. */
export function resizeDisk(directory: string, sizeBytes: number): void {
  execFileSync("mount", ["-o", `remount,size=${sizeBytes}`, directory]);
}
