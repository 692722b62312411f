/**
 * Owns which files make pfs a service, and putting them in place and taking them away: units of systemd, the user, the mount
 * helper. Must never replace a file of somebody else's.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PfsError } from "../schema/errors.ts";
import { shellWord } from "../schema/shell-word.ts";
import { packageRoot } from "./module-file.ts";

/** In each file that was put in place, so that it is known again. */
const MARK = "# Put here by `pfs service install`; `pfs service uninstall` takes it away.";

export interface ServiceFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** Of the machine, below `root` ("" for this one); `root` is for packages and tests. */
export function systemFiles(root: string): ServiceFile[] {
  const unit = (name: string): ServiceFile => unitFile(name, join(root, "/etc/systemd/system", name));
  const helper = `#!/bin/sh\n${MARK}\nexec ${program("mount.pfs.js")} "$@"\n`;
  return [
    unit("pfsd.service"),
    unit("pfs-mounter.socket"),
    unit("pfs-mounter@.service"),
    unit("pfs-mount@.service"),
    plain("tmpfiles.conf", join(root, "/etc/tmpfiles.d/pfs.conf")),
    plain("sysusers.conf", join(root, "/etc/sysusers.d/pfs.conf")),
    { path: join(root, "/sbin/mount.fuse.pfs"), text: helper, mode: 0o755 },
    { path: join(root, "/sbin/mount.pfs"), text: helper, mode: 0o755 },
  ];
}

/** Of one user, below `configHome`. */
export function userFiles(configHome: string): ServiceFile[] {
  return [unitFile("user/pfsd.service", join(configHome, "systemd/user/pfsd.service"))];
}

/** Writes them. @throws PfsError EXISTS: one is there that is not of pfs; NOT_PERMITTED */
export function installFiles(files: readonly ServiceFile[]): void {
  for (const { path } of files) refuseForeign(path);
  for (const { path, text, mode } of files) {
    writing(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(`${path}.new`, text);
      chmodSync(`${path}.new`, mode);
      renameSync(`${path}.new`, path);
    });
  }
}

/** Removes those that are there; answers which were. @throws as {@link installFiles} */
export function uninstallFiles(files: readonly ServiceFile[]): string[] {
  for (const { path } of files) refuseForeign(path);
  const present = files.map(({ path }) => path).filter((path) => existsSync(path));
  for (const path of present) writing(path, () => rmSync(path));
  return present;
}

function refuseForeign(path: string): void {
  if (!existsSync(path) || readFileSync(path, "utf8").includes(MARK)) return;
  throw new PfsError("EXISTS", `${path} is there already, and is not what pfs has put there.`, {
    hint: "Move it away, or leave it and do without.",
  });
}

function unitFile(name: string, path: string): ServiceFile {
  const text = `${MARK}\n${read(name)}`
    .replaceAll("/usr/bin/pfsd", program("pfsd.js"))
    .replaceAll("/usr/bin/pfs-mounter", program("pfs-mounter.js"))
    .replaceAll("/usr/bin/pfs ", `${program("pfs.js")} `);
  return { path, text, mode: 0o644 };
}

function plain(name: string, path: string): ServiceFile {
  return { path, text: `${MARK}\n${read(name)}`, mode: 0o644 };
}

function read(name: string): string {
  return readFileSync(new URL(`systemd/${name}`, packageRoot()), "utf8");
}

/** The Node that runs now, which is new enough, with one of this package's programs. */
function program(name: string): string {
  const script = fileURLToPath(new URL(`bin/${name}`, packageRoot()));
  return `${shellWord(realpathSync(process.execPath))} ${shellWord(script)}`;
}

function writing(path: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new PfsError("NOT_PERMITTED", `${path} cannot be written: ${code}.`, {
      path,
      hint: "Run it as root, or with --user for a service of your own.",
      cause,
    });
  }
}
