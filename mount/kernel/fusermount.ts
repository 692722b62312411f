/**
 * Mounting and unmounting without being root, through the setuid program fusermount3 (package fuse3). Owns its
 * protocol (an inherited socket named by _FUSE_COMMFD, over which the descriptor comes back) and its messages.
 */
import { spawn } from "node:child_process";
import { closeFd } from "../../lib/libc.ts";
import { createSocketPair, receiveFd } from "../../lib/libc-sockets.ts";
import { PfsError } from "../../schema/errors.ts";
import type { MountOptions } from "./mounting.ts";

const PROGRAM = "fusermount3";
/** The socket's number in the child: the first after stdin, stdout and stderr. */
const COMMUNICATION_FD = 3;

interface Finished {
  exitCode: number | null;
  stderr: string;
}

/** Mounts; returns the connection's descriptor. @throws PfsError MOUNT_FAILED */
export async function fusermountAttach(mountPoint: string, options: MountOptions): Promise<number> {
  const [ours, theirs] = createSocketPair();
  try {
    const finished = await run(["-o", optionText(options), "--", mountPoint], {
      action: `mount ${mountPoint}`,
      socket: theirs,
    });
    const fd = finished.exitCode === 0 ? receiveFd(ours) : undefined;
    if (fd === undefined) {
      const { stderr, exitCode } = finished;
      throw explainFusermount(
        mountPoint,
        stderr || `${PROGRAM} ended with ${exitCode} and sent no descriptor`,
      );
    }
    return fd;
  } finally {
    closeFd(ours);
    closeFd(theirs);
  }
}

/** Unmounts. @throws PfsError MOUNT_FAILED */
export async function fusermountDetach(mountPoint: string, lazy: boolean): Promise<void> {
  const flags = lazy ? ["-u", "-z"] : ["-u"];
  const { exitCode, stderr } = await run([...flags, "--", mountPoint], { action: `unmount ${mountPoint}` });
  if (exitCode === 0) return;
  const reason = Object.assign(new Error(said(stderr)), { code: unmountCode(stderr) });
  throw reason;
}

function unmountCode(stderr: string): string {
  if (/busy/i.test(stderr)) return "EBUSY";
  if (/not (found|mounted)/i.test(stderr)) return "EINVAL";
  return "EIO";
}

/** fusermount3 adds nosuid and nodev by itself. A comma within a value is written `\,`. */
function optionText({ allowOther, readOnly, fsname }: MountOptions): string {
  const source = fsname.replaceAll("\\", "\\\\").replaceAll(",", "\\,");
  const options = [`fsname=${source}`, "subtype=pfs", "default_permissions"];
  if (allowOther) options.push("allow_other");
  if (readOnly) options.push("ro");
  return options.join(",");
}

interface RunOptions {
  /** For messages. */
  readonly action: string;
  readonly socket?: number;
}

function run(args: string[], { action, socket }: RunOptions): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(PROGRAM, args, {
      env: { ...process.env, LC_ALL: "C", _FUSE_COMMFD: String(COMMUNICATION_FD) },
      stdio: ["ignore", "ignore", "pipe", socket ?? "ignore"],
    });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (cause: NodeJS.ErrnoException) => {
      const missing = cause.code === "ENOENT";
      reject(
        new PfsError(
          "MOUNT_FAILED",
          `Cannot ${action}: ${missing ? `${PROGRAM} is not installed` : cause.message}.`,
          {
            hint: missing ? "Install it with `apt install fuse3`, or do this as root." : undefined,
            cause,
          },
        ),
      );
    });
    child.on("close", (exitCode) => resolve({ exitCode, stderr }));
  });
}

function said(stderr: string): string {
  return stderr
    .trim()
    .replace(/^(fusermount3?|fuse): /, "")
    .replace(/\.$/, "");
}

/** Says why it does not mount, and what to do, of what it, or libfuse, has written. */
export function explainFusermount(mountPoint: string, words: string): PfsError {
  const text = said(words);
  const fail = (why: string, hint?: string): PfsError =>
    new PfsError("MOUNT_FAILED", `Cannot mount ${mountPoint}: ${why}.`, { hint });
  if (text.includes("user_allow_other")) {
    return fail(
      "allow_other is not allowed to you",
      "Let root add the line `user_allow_other` to /etc/fuse.conf, or leave allow_other out.",
    );
  }
  if (/open \/dev\/fuse: Permission denied/.test(text)) {
    return fail(
      "/dev/fuse is closed to you",
      "Let root run `chmod 666 /dev/fuse`, which is how Debian sets it up.",
    );
  }
  if (/no write access|not owned by|does not own/i.test(text)) {
    return fail(text, "Mount on a directory that is yours and that you may write to.");
  }
  if (/Operation not permitted|root/i.test(text)) {
    return fail(text, `${PROGRAM} must be setuid root: reinstall it with \`apt install --reinstall fuse3\`.`);
  }
  return fail(text);
}
