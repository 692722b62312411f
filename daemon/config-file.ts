/**
 * Owns where the configuration file is, and reading it: the daemon all of it, commands what they fall back to. Must never
 * believe a file that others may write.
 */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Config, type ConfigDefaults, parseConfig, parseConfigDefaults } from "../schema/config.ts";
import { PfsError } from "../schema/errors.ts";

export interface ConfigPlace {
  /** Absolute. */
  readonly path: string;
  /** PFS_CONFIG names it: then it must be there. */
  readonly isNamed: boolean;
}

const MAX_BYTES = 1024 * 1024;
const WRITABLE_BY_OTHERS = 0o022;

/** PFS_CONFIG, else as root /etc/pfs/config.json, else $XDG_CONFIG_HOME/pfs/config.json, else ~/.config/pfs/config.json. */
export function configPlace(env: NodeJS.ProcessEnv = process.env): ConfigPlace {
  if (env.PFS_CONFIG) return { path: resolve(env.PFS_CONFIG), isNamed: true };
  if (process.geteuid?.() === 0) return { path: "/etc/pfs/config.json", isNamed: false };
  const folder = env.XDG_CONFIG_HOME || join(homedir(), ".config");
  return { path: resolve(folder, "pfs/config.json"), isNamed: false };
}

/** What the file says; undefined when there is none. @throws PfsError USAGE, NOT_PERMITTED, NOT_FOUND: it is named and not there */
export function readConfig(place: ConfigPlace): Config | undefined {
  const text = readText(place);
  return text === undefined ? undefined : parseConfig(text, place.path);
}

/** What commands need of it, whatever is wrong with the rest. @throws as {@link readConfig} */
export function readConfigDefaults(env: NodeJS.ProcessEnv): ConfigDefaults {
  const place = configPlace(env);
  const text = readText(place);
  return text === undefined ? {} : parseConfigDefaults(text, place.path);
}

function readText({ path, isNamed }: ConfigPlace): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (!isNamed && (code === "ENOENT" || code === "ENOTDIR")) return undefined;
    throw new PfsError(
      code === "ENOENT" ? "NOT_FOUND" : "USAGE",
      `The configuration ${path} cannot be read: ${message}.`,
      { hint: isNamed ? "PFS_CONFIG names it." : undefined, cause },
    );
  }
  try {
    const { mode, uid, size } = fstatSync(fd);
    if ((mode & WRITABLE_BY_OTHERS) !== 0 || (uid !== 0 && uid !== process.geteuid?.())) {
      throw new PfsError("NOT_PERMITTED", `The configuration ${path} may be written by other users.`, {
        hint: "It decides what is mounted where: make it your own or root's, `chmod go-w` it, and try again.",
      });
    }
    if (size > MAX_BYTES)
      throw new PfsError("USAGE", `The configuration ${path} is larger than ${MAX_BYTES} bytes.`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
