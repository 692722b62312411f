// Real mounts as nobody, through fusermount3. Every test has a mount namespace of its own, in which /dev/fuse and
// /etc/fuse.conf are what it needs them to be: the machine's own stay as they are.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { DROP_MOUNT_COPIES } from "../mount-copies.ts";
import type { MemoryMountStart } from "./memory-mount.ts";
import {
  exited,
  killServer,
  type Mounted,
  mountMemory,
  NOBODY,
  OPTIONS,
  rejection,
  withDirectory,
} from "./memory-mount-harness.ts";

interface Namespace {
  /** An empty directory of nobody's. */
  dir: string;
  mount(start?: Partial<MemoryMountStart>): Promise<Mounted>;
  /** What a command prints in the namespace. */
  run(command: string, ...args: string[]): string;
  /** The same as nobody. */
  runAsNobody(command: string, ...args: string[]): string;
  /** Starts a command as nobody and leaves it running. */
  startAsNobody(command: string, ...args: string[]): ChildProcess;
  /** `mountState(dir)` there, asked by nobody. */
  state(): string;
}

interface NamespaceOptions {
  deviceMode?: string;
  fuseConf?: string;
}

const SETUP = `set -e
${DROP_MOUNT_COPIES}
mount -t tmpfs -o mode=755 pfs-test "$1/dev"
mknod -m "$2" "$1/dev/fuse" c 10 229
mount --bind "$1/dev/fuse" /dev/fuse
touch /etc/fuse.conf
mount --bind "$1/fuse.conf" /etc/fuse.conf
echo ready
exec sleep 600`;

/** What a command prints first, or its exit code if it ends without a word. */
async function firstWords(child: ChildProcess): Promise<string> {
  const said = child.stdout ? once(child.stdout, "data") : Promise.reject(new Error("no stdout"));
  const [words] = await Promise.race([said, once(child, "exit")]);
  return String(words);
}

function withNamespace(
  use: (namespace: Namespace) => Promise<void>,
  { deviceMode = "666", fuseConf = "" }: NamespaceOptions = {},
): Promise<void> {
  return withDirectory(async (dir) => {
    const top = dirname(dir);
    mkdirSync(join(top, "dev"));
    writeFileSync(join(top, "fuse.conf"), fuseConf);
    chownSync(dir, NOBODY, NOBODY);
    const keeper = spawn("unshare", ["-m", "sh", "-c", SETUP, "sh", top, deviceMode], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      assert.equal(
        await firstWords(keeper),
        "ready\n",
        "a mount namespace needs CAP_SYS_ADMIN and CAP_MKNOD",
      );
      const enter = ["-t", String(keeper.pid), "-m", "--"];
      const run = (command: string, ...args: string[]): string =>
        execFileSync("nsenter", [...enter, command, ...args], { stdio: "pipe", encoding: "utf8" });
      const nobody = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
      const table = new URL("../../mount/kernel/mount-table.ts", import.meta.url).href;
      // Loaded as root, who may read the checkout; asked as nobody, whom alone the mount answers.
      const query = `import { mountState } from ${JSON.stringify(table)};
        process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});
        console.log(await mountState(process.argv[1]));`;
      await use({
        dir,
        mount: (start) => mountMemory(dir, { asUser: NOBODY, ...start }, ["nsenter", ...enter]),
        run,
        runAsNobody: (command, ...args) => run("setpriv", ...nobody, command, ...args),
        startAsNobody: (...words) =>
          spawn("nsenter", [...enter, "setpriv", ...nobody, ...words], {
            stdio: ["ignore", "pipe", "inherit"],
          }),
        state: () => run(process.execPath, "--input-type=module", "-e", query, "--", dir).trim(),
      });
    } finally {
      keeper.kill("SIGKILL");
      await exited(keeper);
    }
  });
}

describe("mounting as nobody, through fusermount3", () => {
  it("mounts, is used by its user only, unmounts itself, and the server ends", () =>
    withNamespace(async ({ dir, mount, run, runAsNobody, state }) => {
      const mounted = await mount();
      assert.equal(state(), "pfs");
      assert.match(
        run("cat", "/proc/self/mountinfo"),
        /mount\\040point rw,nosuid,nodev,.* - fuse\.pfs test\\040book,\\0401 /,
      );
      assert.equal(runAsNobody("cat", join(dir, "hello.txt")), "hello\n");
      assert.throws(() => run("cat", join(dir, "hello.txt")), /Permission denied/);
      mounted.child.send({ kind: "unmount", lazy: false });
      await exited(mounted.child);
      assert.equal(mounted.child.exitCode, 0);
      assert.equal(state(), "none");
    }));

  it("unmounting while busy is refused with what to do; lazily it works", () =>
    withNamespace(async ({ dir, mount, state, runAsNobody, startAsNobody: start }) => {
      const mounted = await mount();
      const user = start("sh", "-c", 'exec 3<"$1"; echo open; exec sleep 60', "sh", join(dir, "hello.txt"));
      try {
        assert.equal(await firstWords(user), "open\n");
        const refused = await mounted.ask({ kind: "unmount", lazy: false });
        assert.ok(refused.kind === "failed");
        assert.match(refused.message, /it is in use/);
        assert.equal(runAsNobody("cat", join(dir, "hello.txt")), "hello\n");
        mounted.child.send({ kind: "unmount", lazy: true });
        while (state() !== "none") assert.equal(mounted.child.exitCode, null);
      } finally {
        user.kill("SIGKILL");
      }
      await exited(mounted.child);
      assert.equal(mounted.child.exitCode, 0);
    }));

  it("kill -9: the next start clears the stale mount", () =>
    withNamespace(async ({ mount, state }) => {
      await killServer(await mount());
      assert.equal(state(), "stale");
      const second = await mount();
      assert.equal(state(), "pfs");
      second.child.send({ kind: "unmount", lazy: false });
      await exited(second.child);
      assert.equal(state(), "none");
    }));

  it("a directory that is not the user's is refused with what to do", () =>
    withNamespace(async ({ dir, mount }) => {
      chownSync(dir, 0, 0);
      const refusal = await rejection(mount());
      assert.match(refusal.message, /^Cannot mount .*mount point: .*\.$/);
      assert.match(refusal.hint ?? "", /directory that is yours/);
    }));

  it("allow_other needs user_allow_other in /etc/fuse.conf, and says so", () =>
    withNamespace(async ({ mount }) => {
      const refusal = await rejection(mount({ options: { ...OPTIONS, allowOther: true } }));
      assert.match(refusal.message, /allow_other is not allowed to you/);
      assert.match(refusal.hint ?? "", /`user_allow_other` to \/etc\/fuse\.conf/);
    }));

  it("allow_other with user_allow_other lets others in", () =>
    withNamespace(
      async ({ dir, mount, run }) => {
        const mounted = await mount({ options: { ...OPTIONS, allowOther: true } });
        assert.equal(run("cat", join(dir, "hello.txt")), "hello\n");
        mounted.child.send({ kind: "unmount", lazy: false });
        await exited(mounted.child);
        assert.equal(mounted.child.exitCode, 0);
      },
      { fuseConf: "user_allow_other\n" },
    ));

  it("a /dev/fuse that only root may open is refused with what to do", () =>
    withNamespace(
      async ({ mount }) => {
        const refusal = await rejection(mount());
        assert.match(refusal.message, /\/dev\/fuse is closed to you/);
        assert.match(refusal.hint ?? "", /chmod 666 \/dev\/fuse/);
      },
      { deviceMode: "600" },
    ));
});
