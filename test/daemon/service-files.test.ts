// `pfs service`: the units are what systemd understands, as safe as they can be, and come and go without touching what is others'.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execute, ROOT, withPlace } from "./harness.ts";

const UNITS = "etc/systemd/system";

/** What `systemd-analyze security` may say: of the daemon, and of what mounts for it, which can have no mount namespace. */
const EXPOSURE = { "pfsd.service": 2.0, "pfs-mounter@.service": 3.6 };

test("service: install and uninstall put files in place, which systemd understands, and take just those away", () =>
  withPlace(async ({ pfs, run, top }) => {
    const root = join(top, "root");
    const installed = (await pfs("service", "install", "--root", root, "--json")).trim().split("\n");
    const paths = installed.map((line) => JSON.parse(line).path as string);
    assert.equal(paths.length, 8);
    for (const path of paths) assert.ok(path.startsWith(`${root}/`) && existsSync(path), path);
    const units = ["pfsd.service", "pfs-mount@.service", "pfs-mounter.socket", "pfs-mounter@.service"].map(
      (name) => join(root, UNITS, name),
    );
    const verified = await execute("systemd-analyze", ["verify", "--man=no", ...units]);
    assert.deepEqual([verified.code, verified.stderr], [0, ""]);
    for (const [name, limit] of Object.entries(EXPOSURE)) {
      const words = ["security", "--offline=true", "--no-pager", join(root, UNITS, name)];
      const { stdout } = await execute("systemd-analyze", words);
      const exposure = /Overall exposure level for \S+: ([0-9.]+)/.exec(stdout)?.[1];
      assert.ok(Number(exposure) <= limit, `${name}: exposure ${exposure}`);
    }
    const unit = readFileSync(units[0] as string, "utf8");
    assert.match(unit, new RegExp(`^ExecStart=${process.execPath} \\S+/bin/pfsd\\.js$`, "m"));
    const mounter = readFileSync(join(root, UNITS, "pfs-mounter@.service"), "utf8");
    assert.match(mounter, new RegExp(`^ExecStart=${process.execPath} \\S+/bin/pfs-mounter\\.js$`, "m"));
    for (const name of ["mount.pfs", "mount.fuse.pfs"])
      assert.equal(statSync(join(root, "sbin", name)).mode & 0o777, 0o755);
    // Again is no failure, and once more with a newer text neither.
    await pfs("service", "install", "--root", root);
    assert.equal((await pfs("service", "uninstall", "--root", root)).trim().split("\n").length, 8);
    for (const path of paths) assert.ok(!existsSync(path), path);
    assert.equal(await pfs("service", "uninstall", "--root", root), "Nothing was in place.\n");
    mkdirSync(join(root, "sbin"), { recursive: true });
    writeFileSync(join(root, "sbin/mount.pfs"), "somebody else's");
    for (const command of ["install", "uninstall"]) {
      const refused = await run("service", command, "--root", root);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /mount\.pfs is there already, and is not what pfs has put there\./);
    }
    assert.equal(readFileSync(join(root, "sbin/mount.pfs"), "utf8"), "somebody else's");
    assert.ok(!existsSync(units[0] as string));
  }));

test("service: its help and the manual page name every file that is put in place", () =>
  withPlace(async ({ top, run, pfs }) => {
    const root = join(top, "root");
    const installed = (await pfs("service", "install", "--root", root, "--json")).trim().split("\n");
    const paths = installed.map((line) => (JSON.parse(line) as { path: string }).path.slice(root.length));
    const { stdout: help } = await run("service", "--help");
    const page = (await pfs("man")).replaceAll("\\-", "-");
    // All units are in one directory.
    const lacking = (text: string) =>
      paths.filter((path) => !text.includes(path.replace("/etc/systemd/system/", "")));
    assert.deepEqual([lacking(help), lacking(page)], [[], []]);
    assert.match(page, /\/etc\/pfs\/mounts\/NAME\.conf/);
  }));

test("service: --user puts a unit of one's own into the user's configuration", () =>
  withPlace(async ({ pfs, top, env }) => {
    env.XDG_CONFIG_HOME = join(top, "config");
    await pfs("service", "install", "--user");
    const unit = join(top, "config/systemd/user/pfsd.service");
    const verified = await execute("systemd-analyze", ["verify", "--man=no", "--user", unit], {
      ...env,
      XDG_RUNTIME_DIR: top,
    });
    assert.deepEqual([verified.code, verified.stderr], [0, ""]);
    await pfs("service", "uninstall", "--user");
    assert.ok(!existsSync(unit));
  }));

test("service: tmpfiles and sysusers understand their files", () =>
  withPlace(async ({ pfs, top }) => {
    const root = join(top, "root");
    await pfs("service", "install", "--root", root);
    for (const name of ["passwd", "group"])
      writeFileSync(join(root, "etc", name), "root:x:0:0:root:/root:/bin/sh\n");
    writeFileSync(join(root, "etc/group"), "root:x:0:\n");
    const users = await execute("systemd-sysusers", [`--root=${root}`, "pfs.conf"]);
    assert.equal(users.code, 0, users.stderr);
    assert.match(readFileSync(join(root, "etc/passwd"), "utf8"), /^pfs:.*:\/var\/lib\/pfs:/m);
    const files = await execute("systemd-tmpfiles", [`--root=${root}`, "--create", "pfs.conf"]);
    assert.equal(files.code, 0, files.stderr);
    assert.deepEqual(JSON.parse(readFileSync(join(root, "etc/pfs/config.json"), "utf8")), {});
  }));

test("service: the units fit each other, and what README.md says of the access socket", () => {
  const unit = (name: string): Map<string, string[]> => {
    const settings = new Map<string, string[]>();
    for (const line of readFileSync(join(ROOT, "systemd", name), "utf8").split("\n")) {
      const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined) settings.set(key, [...(settings.get(key) ?? []), value]);
    }
    return settings;
  };
  const [daemon, socket, mounter] = ["pfsd.service", "pfs-mounter.socket", "pfs-mounter@.service"].map(unit);
  const listens = socket?.get("ListenStream")?.[0];
  assert.ok(daemon?.get("Environment")?.includes(`PFS_MOUNTER=${listens}`));
  assert.deepEqual(daemon?.get("Requires"), ["pfs-mounter.socket"]);
  assert.deepEqual([socket?.get("SocketUser"), socket?.get("SocketMode")], [daemon?.get("User"), ["0600"]]);
  assert.deepEqual([socket?.get("Accept"), mounter?.get("StandardInput")], [["yes"], ["socket"]]);
  // Both read what root has written, at the same place.
  const config = "PFS_CONFIG=/etc/pfs/config.json";
  for (const each of [daemon, mounter]) assert.ok(each?.get("Environment")?.includes(config));
  // Everybody may enter the directory of the access socket, and nobody but the daemon's user write to it.
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  assert.match(readme, new RegExp(`"socket": "/run/${daemon?.get("RuntimeDirectory")?.[0]}/access.sock"`));
  assert.deepEqual(daemon?.get("RuntimeDirectoryMode"), ["0755"]);
});
