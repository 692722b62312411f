/**
 * Owns the text of `-o`: which mount options there are and what they mean. Takes mount(8)'s ordinary words too, because
 * fstab and `mount -t fuse.pfs` pass them on. Must never mount anything.
 */
import { PfsError } from "./errors.ts";
import { type AgentName, parseAgentName, parseUserId, quote, type UserId } from "./ids.ts";
import { isReference, REFERENCE_FORMS } from "./reference.ts";

/**
 * What a writer must have seen of a file before it may replace it (W1): `seen` refuses one that read an older version,
 * `require` also one that never read the current version, `off` nobody.
 */
export type CheckMode = "seen" | "require" | "off";

/** What removing means on a user's mount: `revert` takes back the user's own version only, `hide` hides the base's, too. */
export type DeleteMode = "revert" | "hide";

/**
 * When a save is done: `background` once this machine has it, as the remote gets it soon after; `strict` only once the shared
 * log has taken it, so that of machines that race one wins and the others are refused.
 */
export type SyncMode = "background" | "strict";

/**
 * What speaks with the kernel: pfs itself, or libfuse through the package fuse-native, which does not know which process asks and
 * cannot tell the kernel of changes.
 */
export type Transport = "kernel" | "fuse-native";

/** What a mount shows and lets programs do. */
export interface MountMode {
  readonly readOnly: boolean;
  readonly check: CheckMode;
  /** Whose overlay lies over the base; undefined: the base alone. */
  readonly userId: UserId | undefined;
  /** Without a meaning when there is no user. */
  readonly deleteMode: DeleteMode;
  readonly sync: SyncMode;
  /** The past state that is shown, as it was given; undefined: the present. */
  readonly at: string | undefined;
  readonly transport: Transport;
}

export interface MountOptions extends MountMode {
  /** Who answers for changes through the mount; undefined: the caller takes the login name. */
  readonly agent: AgentName | undefined;
  /** Whether other users of the machine may enter. */
  readonly allowOther: boolean;
}

/** What a mount is without any option. */
export const DEFAULT_MODE: MountMode = {
  readOnly: false,
  check: "seen",
  userId: undefined,
  deleteMode: "revert",
  sync: "background",
  at: undefined,
  transport: "kernel",
};

const checkModes: readonly CheckMode[] = ["seen", "require", "off"];
const deleteModes: readonly DeleteMode[] = ["revert", "hide"];
const syncModes: readonly SyncMode[] = ["background", "strict"];
const transports: readonly Transport[] = ["kernel", "fuse-native"];

/** Words of mount(8), fstab(5) and systemd.mount(5) that change nothing in a book. */
const ordinaryWords: ReadonlySet<string> = new Set(
  "defaults async sync dirsync atime noatime relatime norelatime strictatime nostrictatime lazytime nolazytime diratime nodiratime suid nosuid dev nodev exec noexec auto noauto user users nousers nouser owner group nofail _netdev rw default_permissions silent loud iversion noiversion mand nomand".split(
    " ",
  ),
);
const ordinaryPrefixes = ["x-", "comment=", "X-"];

/**
 * Parses `user=…,agent=…,check=…,delete=…,sync=…,at=…,transport=…,ro,allow_other` and the ordinary words of mount(8). The later of `ro` and
 * `rw` holds; with `at` a mount is read-only in any case.
 * @throws PfsError USAGE naming the option that is unknown, malformed or given twice; AGENT_REQUIRED as parseAgentName
 */
export function parseMountOptions(text: string): MountOptions {
  const values = new Map<string, string>();
  let readOnly = false;
  let allowOther = false;
  for (const option of text.split(",")) {
    const [name, value] = splitOption(option);
    const needed = Object.hasOwn(valueNeeded, name) ? valueNeeded[name as ValueName] : undefined;
    if (needed !== undefined && !(value === undefined && isOrdinary(option))) {
      if (value === undefined) throw usage(`The option ${name} needs ${needed}.`);
      if (values.has(name)) throw usage(`The option ${name} is given twice.`);
      values.set(name, value);
    } else if (option === "ro" || option === "rw") {
      readOnly = option === "ro";
    } else if (option === "allow_other") {
      allowOther = true;
    } else if (option !== "" && !isOrdinary(option)) {
      throw usage(`The mount option ${quote(option)} is not known.`);
    }
  }
  const [agent, user, at] = [values.get("agent"), values.get("user"), values.get("at")];
  if (values.has("delete") && user === undefined) {
    throw usage("The option delete has a meaning only beside user=NAME.");
  }
  if (at !== undefined && !isReference(at)) {
    throw usage(`The option at needs ${valueNeeded.at}; ${quote(at)} is none of these.`);
  }
  const transport = oneOf("transport", transports, values.get("transport"));
  const check = values.get("check");
  if (transport === "fuse-native") refuseProcesses(check, allowOther);
  return {
    agent: agent === undefined ? undefined : parseAgentName(agent),
    readOnly: readOnly || at !== undefined,
    allowOther,
    check: oneOf("check", checkModes, transport === "fuse-native" ? "off" : check),
    userId: user === undefined ? undefined : parseUserId(user),
    deleteMode: oneOf("delete", deleteModes, values.get("delete")),
    sync: oneOf("sync", syncModes, values.get("sync")),
    at,
    transport,
  };
}

/** Whatever asks who somebody is. */
function refuseProcesses(check: string | undefined, allowOther: boolean): void {
  if (check !== undefined && check !== "off") {
    throw usage(
      "The option transport=fuse-native goes with check=off only: which program saves is not known there.",
    );
  }
  if (allowOther) {
    throw usage(
      "The option transport=fuse-native does not go with allow_other: who asks is not known there.",
    );
  }
}

/** A mode as it would be given after `-o`; what is the default is left out, but for `rw`. */
export function formatMountMode(mode: MountMode): string {
  const { readOnly, check, userId, deleteMode, sync, at, transport } = mode;
  const options = [readOnly ? "ro" : "rw"];
  if (userId !== undefined) options.push(`user=${userId}`);
  if (check !== DEFAULT_MODE.check) options.push(`check=${check}`);
  if (userId !== undefined && deleteMode !== DEFAULT_MODE.deleteMode) options.push(`delete=${deleteMode}`);
  if (sync !== DEFAULT_MODE.sync) options.push(`sync=${sync}`);
  if (at !== undefined) options.push(`at=${at}`);
  if (transport !== DEFAULT_MODE.transport) options.push(`transport=${transport}`);
  return options.join(",");
}

/** Options with a value, and what that is. `user` and `sync` alone are words of mount(8). */
const valueNeeded = {
  agent: "a name: agent=alice",
  user: "a user: user=alice",
  check: "one of seen, require and off: check=require",
  delete: "revert or hide: delete=hide",
  sync: "background or strict: sync=strict",
  at: `${REFERENCE_FORMS}: at=2h`,
  transport: "kernel or fuse-native: transport=fuse-native",
} as const;
type ValueName = keyof typeof valueNeeded;

/** One of `known`, the first when nothing is given. @throws PfsError USAGE */
function oneOf<Value extends string>(
  name: ValueName,
  known: readonly Value[],
  given: string | undefined,
): Value {
  const found = known.find((value) => value === (given ?? known[0]));
  if (found === undefined)
    throw usage(`The option ${name} needs ${valueNeeded[name]}; ${quote(given ?? "")} is not known.`);
  return found;
}

function splitOption(option: string): [name: string, value: string | undefined] {
  const equals = option.indexOf("=");
  return equals === -1 ? [option, undefined] : [option.slice(0, equals), option.slice(equals + 1)];
}

function isOrdinary(option: string): boolean {
  return ordinaryWords.has(option) || ordinaryPrefixes.some((prefix) => option.startsWith(prefix));
}

function usage(message: string): PfsError {
  return new PfsError("USAGE", message, {
    hint: "Known are agent=NAME, user=NAME, check=seen|require|off, delete=revert|hide, sync=background|strict, at=REF, transport=kernel|fuse-native, ro, rw and allow_other, and the ordinary words of mount(8) such as noatime.",
  });
}
