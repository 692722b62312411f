/**
 * Owns what the mounter does for a daemon without privileges, which may have been taken over: on which directories it mounts,
 * and for whom. Must never mount.
 */
import { readFile } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import { findUnixUser } from "../lib/libc.ts";
import { notYours } from "../mount/kernel/guest-place.ts";
import { HeldDirectory } from "../mount/kernel/held-directory.ts";
import { bookAround, FILESYSTEM_TYPE, parseMountinfo } from "../mount/kernel/mount-table.ts";
import type { Config } from "../schema/config.ts";
import { PfsError } from "../schema/errors.ts";
import type { MounterMount, MounterUnmount } from "../schema/mounter-request.ts";
import { isWithin } from "./host-path.ts";

export interface MounterRules {
  /** The directories below which it mounts whatever the daemon asks for, as PATH is written. */
  readonly below: string | undefined;
  /** What root has written. @throws PfsError */
  config(): Config | undefined;
}

/** @param uid the Unix user who asks @throws PfsError NOT_PERMITTED, and as `rules.config` */
export async function admitMounting(
  held: HeldDirectory,
  request: MounterMount,
  { uid, rules }: { readonly uid: number; readonly rules: MounterRules },
): Promise<void> {
  const { directory } = held;
  if (request.guest !== undefined) await admitGuest(held, request, rules);
  if ((await bookAround(directory)) !== undefined) throw refused(directory, "it is in a book");
  if (request.guest !== undefined) return;
  if (await belongs(held, uid)) return;
  if (belowList(rules.below).some((top) => directory !== top && isWithin(directory, top))) return;
  if (rules.config()?.mounts.some((mount) => resolve(mount.directory) === directory)) return;
  throw refused(
    directory,
    "the daemon's Unix user does not own it, and root has not listed it",
    "List it under `mounts` in the configuration, by its name without symbolic links, or add a directory above it to PFS_MOUNT_BELOW (`systemctl edit pfs-mounter@`).",
  );
}

/** Whoever is served by the daemon trusts it with what is mounted; root, and who is not served by it, do not. */
async function admitGuest(
  held: HeldDirectory,
  { guest, directory: asked, allowOther }: MounterMount,
  rules: MounterRules,
): Promise<void> {
  const uid = guest?.uid ?? 0;
  const admitted = rules.config()?.access?.rules ?? [];
  if (uid === 0 || allowOther || !admitted.some(({ unixUser }) => findUnixUser(unixUser) === uid))
    throw refused(asked, "the configuration admits nobody there");
  // In one sentence for everything: the guest may not be entitled to know the reason.
  if (!(await belongs(held, uid))) throw notYours(asked);
}

/** What cannot even be asked is another user's mount. */
function belongs(held: HeldDirectory, uid: number): Promise<boolean> {
  return held.belongsTo(uid).catch(() => false);
}

/** The mount that is meant, if it is one of a book. @throws an error with EINVAL as its code: there is none */
export async function findMounted({ directory, mountId }: MounterUnmount): Promise<HeldDirectory> {
  const entries = parseMountinfo(await readFile("/proc/self/mountinfo", "utf8"));
  const place =
    mountId === undefined ? directory : (entries.find(({ id }) => id === mountId)?.mountPoint ?? directory);
  const held = await HeldDirectory.open(place);
  const mount = await held.mountThere();
  // Where the path has led elsewhere meanwhile, it is another mount, or none.
  const isMeant = mountId === undefined ? mount?.mountPoint === directory : mount?.id === mountId;
  if (mount?.type === FILESYSTEM_TYPE && isMeant) return held;
  held.close();
  throw Object.assign(new Error(`${directory} is no mount of a book`), { code: "EINVAL" });
}

function belowList(below = ""): string[] {
  return below.split(delimiter).filter((path) => path.startsWith("/"));
}

function refused(directory: string, why: string, hint?: string): PfsError {
  return new PfsError("NOT_PERMITTED", `The mounter does not mount on ${directory}: ${why}.`, { hint });
}
