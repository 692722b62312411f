/** Owns looking at the machine: whether books can be mounted here, by whom, and how well. Must never look at a store. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { askKernel } from "../../mount/kernel/trial.ts";
import { PfsError } from "../../schema/errors.ts";
import { type Diagnosis, fail, pass, warn } from "./diagnosis.ts";

/** Where things are; elsewhere in tests. */
export interface MachinePlaces {
  readonly fuseDevice: string;
  readonly fuseConf: string;
  readonly limits: string;
  /** As $PATH. */
  readonly programs: string;
  readonly isRoot: boolean;
  readonly nodeVersion: string;
}

export function machinePlaces(): MachinePlaces {
  return {
    fuseDevice: "/dev/fuse",
    fuseConf: "/etc/fuse.conf",
    limits: "/proc/self/limits",
    programs: process.env.PATH ?? "",
    isRoot: process.geteuid?.() === 0,
    nodeVersion: process.versions.node,
  };
}

/** As package.json says in `engines`. */
const OLDEST_NODE = [22, 18] as const;
/** An open file of a book takes one descriptor where it is large, and each process that has read something one more. */
const FEW_FILES = 4096;
const SETUID = 0o4000;

/** Never throws. */
export async function examineMachine(places: MachinePlaces): Promise<Diagnosis[]> {
  return [
    examineNode(places),
    examineDevice(places),
    examineHelper(places),
    examineAllowOther(places),
    await examineKernel(),
    examineLimits(places),
  ];
}

function examineNode({ nodeVersion }: MachinePlaces): Diagnosis {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  const isOld = major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
  if (!isOld) return pass("node", `Node ${nodeVersion} runs pfs.`);
  const oldest = OLDEST_NODE.join(".");
  return fail("node", `Node ${nodeVersion} is older than ${oldest}.`, `Install Node ${oldest} or newer.`);
}

function examineDevice({ fuseDevice }: MachinePlaces): Diagnosis {
  const check = "fuse device";
  try {
    accessSync(fuseDevice, constants.R_OK | constants.W_OK);
    return pass(check, `${fuseDevice} is there and open to this user.`);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return isMissing
      ? fail(
          check,
          `${fuseDevice} is missing.`,
          "Load the kernel's module with `modprobe fuse`, or start the container with `--device /dev/fuse --cap-add SYS_ADMIN`.",
        )
      : fail(
          check,
          `${fuseDevice} may not be opened by this user.`,
          `\`chmod 666 ${fuseDevice}\`, as udev sets it.`,
        );
  }
}

/** The program that mounts for those who are not root. */
function examineHelper({ programs, isRoot }: MachinePlaces): Diagnosis {
  const check = "fusermount3";
  const path = programs
    .split(delimiter)
    .map((folder) => join(folder, "fusermount3"))
    .find((candidate) => statSync(candidate, { throwIfNoEntry: false }) !== undefined);
  const install = "Install it with `apt install fuse3`, or your system's package of that name.";
  if (path === undefined) {
    const message = "fusermount3 is not on the PATH; users other than root cannot mount without it.";
    return isRoot ? warn(check, message, install) : fail(check, message, install);
  }
  const { mode, uid } = statSync(path);
  if ((mode & SETUID) !== 0 && uid === 0) return pass(check, `${path} mounts for ordinary users.`);
  const message = `${path} is not setuid root, so that only root can mount.`;
  const fix = `\`chown root ${path} && chmod u+s ${path}\`, or install the package fuse3 anew.`;
  return isRoot ? warn(check, message, fix) : fail(check, message, fix);
}

function examineAllowOther({ fuseConf, isRoot }: MachinePlaces): Diagnosis {
  const check = "allow_other";
  if (isRoot) return pass(check, "Root may let other users into its mounts.");
  let text = "";
  try {
    text = readFileSync(fuseConf, "utf8");
  } catch {
    // Then nothing is allowed, either.
  }
  if (/^\s*user_allow_other\s*$/m.test(text))
    return pass(check, `${fuseConf} lets users open their mounts to others.`);
  return warn(
    check,
    `${fuseConf} does not let users open their mounts to others (\`-o allow_other\`).`,
    `If you need that, have root write the line user_allow_other into ${fuseConf}.`,
  );
}

async function examineKernel(): Promise<Diagnosis> {
  const check = "kernel";
  try {
    const { protocol, outcome } = await askKernel(tmpdir(), false);
    const kernel = `Linux ${release()} (FUSE ${protocol})`;
    if (outcome.kind === "refused")
      return fail(check, `${kernel} is too old: ${outcome.reason}.`, "Use Linux 5.4 or newer, best 6.6.");
    if (outcome.kind === "agreed" && !outcome.features.directMaps)
      return warn(
        check,
        `${kernel} mounts; files that are being changed cannot be mapped, and a reader may be refused once too often.`,
        "Use Linux 6.6 or newer.",
      );
    return pass(check, `${kernel} mounts, and offers all that pfs uses.`);
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    return fail(check, error.message, error.hint ?? "See what `dmesg` says of fuse.");
  }
}

function examineLimits({ limits }: MachinePlaces): Diagnosis {
  const check = "open files";
  const line = /^Max open files\s+(\S+)/m.exec(readFileSync(limits, "utf8"))?.[1];
  const most = line === "unlimited" ? Number.POSITIVE_INFINITY : Number(line);
  if (most >= FEW_FILES) return pass(check, `A process may have ${line} files open.`);
  return warn(
    check,
    `A process may have ${line} files open: few for many programs that work on a book.`,
    `Raise it with \`ulimit -n ${FEW_FILES * 16}\`, or LimitNOFILE= in the service.`,
  );
}
