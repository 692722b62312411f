// What the tests need of the machine: Debian's programs and /dev/fuse. Owns finding out, and installing what is missing
// where it may. Must never let a test run that would have to be skipped for want of a program.

import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A program that tests run, and the Debian package that has it. */
interface NeededProgram {
  readonly binary: string;
  readonly debianPackage: string;
}

const NEEDED_PROGRAMS: readonly NeededProgram[] = [
  { binary: "vim", debianPackage: "vim-nox" },
  { binary: "nvim", debianPackage: "neovim" },
  { binary: "emacs", debianPackage: "emacs-nox" },
  { binary: "nano", debianPackage: "nano" },
  { binary: "rsync", debianPackage: "rsync" },
  { binary: "git", debianPackage: "git" },
  { binary: "perl", debianPackage: "perl" },
  { binary: "python3", debianPackage: "python3" },
  { binary: "tmux", debianPackage: "tmux" },
  { binary: "zip", debianPackage: "zip" },
  { binary: "unzip", debianPackage: "unzip" },
  { binary: "patch", debianPackage: "patch" },
  { binary: "ed", debianPackage: "ed" },
  { binary: "gio", debianPackage: "libglib2.0-bin" },
  { binary: "jq", debianPackage: "jq" },
  { binary: "getfattr", debianPackage: "attr" },
  { binary: "setfacl", debianPackage: "acl" },
  { binary: "fusermount3", debianPackage: "fuse3" },
  { binary: "fuse-overlayfs", debianPackage: "fuse-overlayfs" },
  // It brings libfuse 2, too, which fuse-native is made with.
  { binary: "bindfs", debianPackage: "bindfs" },
  { binary: "strace", debianPackage: "strace" },
  { binary: "fio", debianPackage: "fio" },
  { binary: "chromium", debianPackage: "chromium" },
  { binary: "sqlite3", debianPackage: "sqlite3" },
  { binary: "openssl", debianPackage: "openssl" },
  { binary: "ps", debianPackage: "procps" },
  { binary: "fuser", debianPackage: "psmisc" },
  { binary: "setpriv", debianPackage: "util-linux" },
  { binary: "systemd-analyze", debianPackage: "systemd" },
  { binary: "promtool", debianPackage: "prometheus" },
  { binary: "zsh", debianPackage: "zsh" },
  { binary: "fish", debianPackage: "fish" },
  { binary: "groff", debianPackage: "groff-base" },
  // Beside the command that manages them, it brings the newest server.
  { binary: "pg_ctlcluster", debianPackage: "postgresql" },
];

/** The Debian packages whose programs are not found on `searchPath` (written as in $PATH). */
export function findMissingPackages(searchPath: string): string[] {
  return NEEDED_PROGRAMS.filter(({ binary }) => findProgram(binary, searchPath) === undefined).map(
    ({ debianPackage }) => debianPackage,
  );
}

/**
 * Makes the machine fit for the tests: installs missing packages when it is root and apt-get is there.
 * @returns undefined when all is there, else one sentence that says what is missing and the one line that brings it
 */
export function prepareMachine(searchPath: string = process.env.PATH ?? ""): string | undefined {
  const device = explainMissingDevice("/dev/fuse");
  if (device !== undefined) return device;
  const missing = findMissingPackages(searchPath);
  if (missing.length === 0) return undefined;
  const remedy = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  const mayInstall = process.getuid?.() === 0 && findProgram("apt-get", searchPath) !== undefined;
  if (!mayInstall) return `The tests need programs that this machine lacks; run as root: ${remedy}`;
  process.stdout.write(`Installing for the tests: ${missing.join(" ")}\n`);
  installPackages(missing);
  const stillMissing = findMissingPackages(searchPath);
  if (stillMissing.length === 0) return undefined;
  return `Installing ${stillMissing.join(" ")} did not bring the programs the tests need; run and see: ${remedy}`;
}

function installPackages(debianPackages: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [
    ["update", "-q"],
    ["install", "-qy", "--no-install-recommends", ...debianPackages],
  ]) {
    // Its outcome shows in what is found afterwards; its words go where the developer sees them.
    spawnSync("apt-get", args, { env, stdio: ["ignore", "inherit", "inherit"] });
  }
}

/** One sentence on how to get the character device at `path`, or undefined if it is there. */
export function explainMissingDevice(path: string): string | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isCharacterDevice() === true) return undefined;
  return `The tests mount file systems and ${path} is not there; run as root: modprobe fuse || mknod -m 666 ${path} c 10 229`;
}

function findProgram(binary: string, searchPath: string): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, binary))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
