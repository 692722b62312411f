/**
 * Owns the text of `-o`: which mount options there are and what they mean. Takes mount(8)'s ordinary words too, because
 * fstab and `mount -t fuse.pfs` pass them on. Must never mount anything.
 */
import { PfsError } from "./errors.ts";
import { type AgentName, parseAgentName, quote } from "./ids.ts";

export interface MountOptions {
  /** Who answers for changes through the mount; undefined: the caller takes the login name. */
  readonly agent: AgentName | undefined;
  readonly readOnly: boolean;
  /** Whether other users of the machine may enter. */
  readonly allowOther: boolean;
}

/** Words of mount(8), fstab(5) and systemd.mount(5) that change nothing in a book. */
const ordinaryWords: ReadonlySet<string> = new Set(
  "defaults async sync dirsync atime noatime relatime norelatime strictatime nostrictatime lazytime nolazytime diratime nodiratime suid nosuid dev nodev exec noexec auto noauto user users nousers nouser owner group nofail _netdev rw default_permissions silent loud iversion noiversion mand nomand".split(
    " ",
  ),
);
const ordinaryPrefixes = ["x-", "comment=", "X-"];

/**
 * Parses `agent=…,ro,allow_other` and the ordinary words of mount(8). The later of `ro` and `rw` holds.
 * @throws PfsError USAGE naming the option that is unknown, malformed or given twice; AGENT_REQUIRED as parseAgentName
 */
export function parseMountOptions(text: string): MountOptions {
  let agent: AgentName | undefined;
  let readOnly = false;
  let allowOther = false;
  for (const option of text.split(",")) {
    const [name, value] = splitOption(option);
    if (name === "agent") {
      if (value === undefined) throw usage("The option agent needs a name: agent=alice.");
      if (agent !== undefined) throw usage("The option agent is given twice.");
      agent = parseAgentName(value);
    } else if (option === "ro" || option === "rw") {
      readOnly = option === "ro";
    } else if (option === "allow_other") {
      allowOther = true;
    } else if (option !== "" && !isOrdinary(option)) {
      throw usage(`The mount option ${quote(option)} is not known.`);
    }
  }
  return { agent, readOnly, allowOther };
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
    hint: "Known are agent=NAME, ro, rw and allow_other, and the ordinary words of mount(8) such as noatime.",
  });
}
