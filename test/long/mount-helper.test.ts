// The mount helper with the real mount(8), in a mount namespace in which it is where `pfs service install` puts it; and mounting
// with CAP_SYS_ADMIN alone, as the service does.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { helperRequest } from "../../daemon/mount-helper-request.ts";
import { execute, LESSON, type Outcome, PFS, type Place, SAMPLE, withPlace } from "../daemon/harness.ts";
import { NOBODY, withOrdinaryUser } from "../daemon/ordinary-user.ts";
import { DROP_MOUNT_COPIES } from "../mount-copies.ts";

const AUTOMOUNTER = join(import.meta.dirname, "automounter.py");

/** The mount helper is where it would be installed. */
const BEGIN = `set -eu
top="$1" dir="$2" lesson="$3" node="$4" pfs="$5" automounter="$6"
mount --make-rprivate /
${DROP_MOUNT_COPIES}
mount -t overlay -o "lowerdir=$top/root/sbin:/usr/sbin" none /usr/sbin
trap '"$node" "$pfs" stop > /dev/null' EXIT
`;
const SCRIPT = `${BEGIN}
mount -t fuse.pfs my-book "$dir" -o "store=$PFS_STORE,user=alice,agent=ci,_netdev,x-systemd.automount,noatime"
findmnt --noheadings -o FSTYPE,SOURCE "$dir"
echo "by alice" > "$dir/$lesson"
"$node" "$pfs" --json status | jq -r '.mounts[0] | .user + " " + .agent + " " + .options'
umount "$dir"
mount -t pfs my-book "$dir" -o "ro,store=$PFS_STORE"
if echo x > "$dir/$lesson"; then echo written; else echo "read-only"; fi
umount "$dir"
mount -T "$top/fstab" "$dir"
cat "$dir/$lesson" | head -c 8; echo
if mount -o remount,ro "$dir"; then echo remounted; else echo "no remount"; fi
umount "$dir"
mount -f -t fuse.pfs my-book "$dir"
findmnt "$dir" || echo "nothing mounted"
mount -t fuse.pfs my-book "$dir" -o ro,sync=strict
"$node" "$pfs" --json status | jq -r '.mounts[0].options'
umount "$dir"
if mount -t fuse.pfs my-book "$dir" -o sync=strict; then echo mounted; else echo "refused $?"; fi
if mount -t fuse.pfs my-book "$dir" -o colour=red; then echo mounted; else echo "refused $?"; fi
if mount -t fuse.pfs no-such-book "$dir"; then echo mounted; else echo "refused $?"; fi
`;
const AUTOMOUNT_SCRIPT = `${BEGIN}
mount -t fuse.pfs my-book "$dir" -o "store=$PFS_STORE,user=alice,agent=ci"
echo "by alice" > "$dir/$lesson"
umount "$dir"
python3 "$automounter" "$dir" "$lesson" mount -t fuse.pfs my-book "$dir" -o "ro,store=$PFS_STORE,user=alice"
`;

/** In a mount namespace of its own. */
function runScript(script: string, { top, dir, env }: Pick<Place, "top" | "dir" | "env">): Promise<Outcome> {
  const path = join(top, "script.sh");
  writeFileSync(path, script);
  const words = ["-m", "bash", path, top, dir, LESSON, process.execPath, PFS, AUTOMOUNTER];
  return execute("unshare", words, env);
}

test("mount -t fuse.pfs, mount -t pfs and fstab mount books with their options; what fails says why", () =>
  withPlace(async ({ pfs, top, dir, env, store }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("service", "install", "--root", join(top, "root"));
    writeFileSync(
      join(top, "fstab"),
      `my-book ${dir} fuse.pfs store=${store},user=alice,agent=ci,ro,_netdev,x-systemd.requires=pfsd.service 0 0\n`,
    );
    const { code, stdout, stderr } = await runScript(SCRIPT, { top, dir, env });
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      stdout
        .split("\n")
        .filter((line) => !line.startsWith("Mounted "))
        .map((line) => line.replace(/\s+/g, " ").trim()),
      [
        "fuse.pfs my-book",
        "alice ci rw,user=alice",
        "read-only",
        "by alice",
        "no remount",
        "nothing mounted",
        "ro,sync=strict",
        "refused 2",
        "refused 2",
        "refused 1",
        "",
      ],
      stderr,
    );
    assert.match(stderr, /The mount option "colour=red" is not known\./);
    assert.match(stderr, /my-book is not shared/);
    assert.match(stderr, /There is no book no-such-book/);
    assert.match(stderr, /knows no remount/);
  }));

const hasAutofs =
  /\tautofs$/m.test(readFileSync("/proc/filesystems", "utf8")) ||
  spawnSync("modprobe", ["autofs4"]).status === 0;
test(
  hasAutofs
    ? "a directory that an automounter waits to see mounted is mounted by the mount helper, and read by who waited for it"
    : "this kernel has no autofs (CONFIG_AUTOFS_FS): no automounter is there, and what mounts for one is not tested here",
  () =>
    withPlace(async ({ pfs, top, dir, env }) => {
      await pfs("import", "my-book", SAMPLE);
      await pfs("service", "install", "--root", join(top, "root"));
      const { code, stdout, stderr } = await runScript(AUTOMOUNT_SCRIPT, { top, dir, env });
      if (hasAutofs) {
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^by alice$/m, stderr);
      } else assert.match(stderr, /^mount\(2\) of autofs: No such device$/m);
    }),
);

test("the mount helper understands what mount(8) says to helpers, and refuses what it does not", () => {
  const words = (...args: string[]) => helperRequest(args).words;
  assert.deepEqual(words("b", "/d", "-o", "rw,store=/s,agent=x"), ["mount", "b", "/d", "-o", "rw,agent=x"]);
  assert.deepEqual(helperRequest(["b", "/d", "-o", "store=/s"]), {
    store: "/s",
    words: ["mount", "b", "/d"],
  });
  assert.deepEqual(words("b", "/d", "-v", "-n", "-t", "fuse.pfs", "-N", "/proc/1/ns/mnt", "-o", "ro"), [
    "mount",
    "b",
    "/d",
    "-o",
    "ro",
  ]);
  assert.equal(words("b", "/d", "-sf"), undefined);
  for (const args of [[], ["b"], ["b", "/d", "/e"], ["b", "/d", "--x"], ["b", "/d", "-o", "bind"]])
    assert.throws(() => helperRequest(args), { code: "USAGE" });
});

test("who is not root and has CAP_SYS_ADMIN mounts without a setuid program, also where no new privileges can be had", () =>
  withPlace(async (place) => {
    const { top, env } = place;
    env.PFS_STORE = join(top, "nobody");
    const directory = join(top, "book");
    for (const path of [env.PFS_STORE, directory]) mkdirSync(path);
    await execute("chown", ["-R", `${NOBODY}:${NOBODY}`, env.PFS_STORE, directory]);
    const homely = { ...env, HOME: env.PFS_STORE };
    await withOrdinaryUser({ top, env: homely }, async (user) => {
      assert.equal((await user.pfs("init", "my-book")).code, 0);
      const there = (path: string): string => join(top, "program", path);
      const caps = ["--inh-caps=+sys_admin", "--ambient-caps=+sys_admin", "--no-new-privs"];
      const mounted = await execute(
        "nsenter",
        [
          ...user.namespace,
          ...["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", ...caps],
          ...["env", "PATH=/nowhere", there("node_modules/node/bin/node"), there("bin/pfs.js")],
          ...["mount", "my-book", directory, "-o", "agent=ann"],
        ],
        homely,
        "/",
      );
      assert.deepEqual([mounted.code, mounted.stderr], [0, ""]);
      const seen = await user.run("stat", "-c", "%u %F", directory, join(directory, ".pfs/README"));
      assert.equal(seen.stdout, `${NOBODY} directory\n${NOBODY} regular file\n`, seen.stderr);
      const others = await execute(
        "nsenter",
        [...user.namespace, "setpriv", "--reuid=1", "ls", directory],
        env,
      );
      assert.notEqual(others.code, 0);
      // The daemon has it.
      assert.equal((await user.pfs("umount", directory)).code, 0);
      assert.equal((await user.pfs("stop")).code, 0);
    });
  }));
