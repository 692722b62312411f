/**
 * Runs a program as systemd would run it by one of our units, on a machine where it does not run: with the unit's own
 * capabilities, system calls, address families, devices and read-only directories. Must never leave out a setting in silence.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DROP_MOUNT_COPIES } from "../mount-copies.ts";
import { ROOT } from "./harness.ts";

/** What a unit says in its section [Service], by setting, in order. */
type Settings = ReadonlyMap<string, readonly string[]>;

/** Those that are imitated here. */
const IMITATED = new Set([
  "CapabilityBoundingSet",
  "NoNewPrivileges",
  "PrivateDevices",
  "ProtectKernelTunables",
  "ProtectControlGroups",
  "ProtectSystem",
  "RestrictAddressFamilies",
  "SystemCallFilter",
  "UMask",
  // Given by the test: which user, and where things are.
  ...["User", "Group", "Environment", "ExecStart", "StandardInput"],
]);
/** Those that only systemd can do, or that take away what is taken away by the others already. */
const SYSTEMD_ONLY = new Set([
  ...["Type", "WatchdogSec", "Restart", "RestartSec", "TimeoutStartSec", "TimeoutStopSec", "KillMode"],
  ...["RuntimeMaxSec", "Slice", "StandardOutput", "StandardError", "LimitNOFILE", "RemoveIPC", "KeyringMode"],
  ...["StateDirectory", "StateDirectoryMode", "CacheDirectory", "CacheDirectoryMode"],
  ...["RuntimeDirectory", "RuntimeDirectoryMode", "DevicePolicy", "DeviceAllow", "IPAddressDeny"],
  ...["ProtectKernelLogs", "ProtectKernelModules", "ProtectClock", "ProtectHostname"],
  ...["RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality"],
  ...["SystemCallArchitectures", "SystemCallErrorNumber"],
]);
/** Source: linux/capability.h */
const CAPABILITIES: Readonly<Record<string, number>> = { CAP_DAC_READ_SEARCH: 2, CAP_SYS_ADMIN: 21 };
/** Of socket(2). */
const FAMILIES: Readonly<Record<string, number>> = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10 };

/** In a mount namespace of its own: $1 a free directory, then words as PrivateDevices, then the command after `--`. */
const SETUP = `set -e
${DROP_MOUNT_COPIES}
devices="$1"; shift
make_readonly() { if [ -d "$1" ]; then mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; fi; }
while [ "$1" != -- ]; do
  case "$1" in
    PrivateDevices)
      mount -t tmpfs -o mode=755 pfs-test "$devices"
      mkdir "$devices/shm" "$devices/pts"
      for name in null zero full random urandom tty; do
        touch "$devices/$name"
        mount --bind "/dev/$name" "$devices/$name"
      done
      mount --move "$devices" /dev ;;
    ProtectSystem) for path in /usr /boot /efi /etc; do make_readonly "$path"; done ;;
    ProtectKernelTunables) make_readonly /proc/sys; make_readonly /sys ;;
    ProtectControlGroups) make_readonly /sys/fs/cgroup ;;
  esac
  shift
done
shift
exec "$@"`;

interface AsUnitOptions {
  /** Whom `User=` means. */
  readonly uid: number;
  /** A free directory. */
  readonly folder: string;
}

/** What precedes a command of root's, which then runs in the mount namespace where it is, or in a slave of that where the unit asks for one. */
export function asUnit(name: string, { uid, folder }: AsUnitOptions): string[] {
  const settings = readSettings(name);
  for (const key of settings.keys())
    assert.ok(IMITATED.has(key) || SYSTEMD_ONLY.has(key), `${name}: is ${key}= imitated here?`);
  assert.ok(settings.has("User") === (uid !== 0), `${name}: User=`);
  const own = ["PrivateDevices", "ProtectSystem", "ProtectKernelTunables", "ProtectControlGroups"];
  const namespace = own.filter((key) => settings.has(key));
  const one = (key: string): string => settings.get(key)?.join(" ") ?? "";
  assert.deepEqual([one("NoNewPrivileges"), one("UMask")], ["yes", "0077"], name);
  assert.ok(["", "full"].includes(one("ProtectSystem")), name);
  const capabilities = words(settings, "CapabilityBoundingSet").map((each) => CAPABILITIES[each]);
  const families = words(settings, "RestrictAddressFamilies").map((each) => FAMILIES[each]);
  assert.ok(![...families, ...capabilities].includes(undefined), name);
  return [
    ...(namespace.length === 0
      ? []
      : ["unshare", "-m", "--propagation", "slave", "sh", "-c", SETUP, "sh", folder, ...namespace, "--"]),
    ...["python3", join(import.meta.dirname, "confine.py"), `${uid}`],
    ...[capabilities, families, callsOf(settings)].map((each) => each.join(",")),
    "--",
  ];
}

function readSettings(name: string): Settings {
  const settings = new Map<string, string[]>();
  const [, service = ""] = readFileSync(join(ROOT, "systemd", name), "utf8").split("[Service]\n");
  for (const line of (service.split("\n[")[0] as string).split("\n")) {
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    settings.set(key, [...(settings.get(key) ?? []), value]);
  }
  return settings;
}

function words(settings: Settings, key: string): string[] {
  return (settings.get(key) ?? []).flatMap((value) => value.split(" ")).filter((word) => word !== "");
}

/** Lines add to, or with `~` take from what the first allows; @default is always in it. */
function callsOf(settings: Settings): string[] {
  const allowed = new Set(expand("@default"));
  for (const line of settings.get("SystemCallFilter") ?? []) {
    const calls = line.replace("~", "").split(" ").flatMap(expand);
    for (const call of calls)
      if (line.startsWith("~")) allowed.delete(call);
      else allowed.add(call);
  }
  return [...allowed];
}

const groups = new Map<string, string[]>();

function expand(word: string): string[] {
  if (!word.startsWith("@")) return [word];
  const known = groups.get(word);
  if (known !== undefined) return known;
  const text = execFileSync("systemd-analyze", ["syscall-filter", "--no-pager", word], { encoding: "utf8" });
  const lines = text.split("\n").map((line) => line.trim());
  const calls = lines.filter((line) => /^@?[a-z0-9_-]+$/.test(line) && line !== word).flatMap(expand);
  groups.set(word, calls);
  return calls;
}
