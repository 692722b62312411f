/**
 * Owns what is said where the package fuse-native cannot mount: what is missing, and the command that brings it, for where this
 * program is installed.
 */
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { PfsError } from "../../schema/errors.ts";
import { shellWord } from "../../schema/shell-word.ts";
import { explainFusermount } from "../kernel/fusermount.ts";

export const PACKAGE = "fuse-native";
const WANTED = `${PACKAGE}@2`;
const MODULES = "node_modules";

/** What the process that mounts has said. */
export interface BridgeWords {
  /** Its answer; undefined: it ended without one. */
  readonly line: string | undefined;
  /** What it, libfuse and fusermount have complained of meanwhile. */
  readonly complaints: string;
}

/** @throws PfsError MOUNT_FAILED: the package is not there */
export function requirePackage(mountPoint: string): void {
  try {
    import.meta.resolve(PACKAGE);
  } catch (cause) {
    throw new PfsError(
      "MOUNT_FAILED",
      `Cannot mount ${mountPoint}: the package ${PACKAGE} is not installed.`,
      {
        hint: `Install it beside pfs with \`${installCommand(fileURLToPath(import.meta.url))}\`, or leave out --transport.`,
        cause,
      },
    );
  }
}

/**
 * What installs the package where this program finds it, from any directory.
 * @param module a file of this program
 */
export function installCommand(module: string): string {
  for (let at = dirname(module); at !== dirname(at); at = dirname(at)) {
    if (basename(at) !== MODULES) continue;
    const above = dirname(at);
    // Where `npm install -g` puts packages: PREFIX/lib/node_modules.
    const [option, prefix] = basename(above) === "lib" ? [" -g", dirname(above)] : ["", above];
    return `npm install${option} --prefix ${shellWord(prefix)} ${WANTED}`;
  }
  // A checkout, to which `npm ci` brings it.
  return "npm ci";
}

export function explainBridge(mountPoint: string, { line, complaints }: BridgeWords): PfsError {
  const said = complaints
    .split("\n")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const fail = (why: string, hint?: string): PfsError =>
    new PfsError("MOUNT_FAILED", `Cannot mount ${mountPoint} with ${PACKAGE}: ${why}.`, { hint });
  const all = [...said, line ?? ""].join("\n");
  if (/libfuse\.so\.2/.test(all)) {
    return fail(
      "libfuse 2 is not installed",
      "Install it with `apt install libfuse2` (`libfuse2t64` since Debian 13 and Ubuntu 24.04), or leave out --transport.",
    );
  }
  const [, notRun] = /failed to exec fusermount: (.*)/.exec(all) ?? [];
  if (notRun !== undefined) {
    return fail(
      /No such file/.test(notRun) ? "fusermount is not installed" : `fusermount cannot be run: ${notRun}`,
      "Install it with `apt install fuse3`, or the package of your system that has fusermount, without a 3; or do this as root.",
    );
  }
  // Where the process has broken off, the error is above its stack; libfuse and fusermount say more than fuse-native's `fuse failed`.
  const thrown = said.find((each) => /^\w*Error\b.*: /.test(each));
  return explainFusermount(mountPoint, thrown ?? said.at(-1) ?? line ?? "its process ended without a word");
}
