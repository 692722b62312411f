// Real mounts as root: made, used, told of changes, found dead, cleared, refused to be unmounted while busy.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { mountState, parseMountinfo } from "../../mount/kernel/mount-table.ts";
import { clearStale, mountDirectory, unmountDirectory } from "../../mount/kernel/mounting.ts";
import { encodeInvalidateInode, sendNotificationAsync } from "../../mount/kernel/notify.ts";
import { READAHEAD_KIB, raiseReadahead, readaheadFile } from "../../mount/kernel/readahead.ts";
import {
  exited,
  killServer,
  mountMemory,
  NOBODY,
  OPTIONS,
  rejection,
  unmountMemory,
  withDirectory,
} from "./memory-mount-harness.ts";

describe("mounting as root", () => {
  it("mounts, is read and written, unmounts, and the server ends by itself", () =>
    withDirectory(async (dir) => {
      writeFileSync(join(dir, "hidden"), "what lies below a mount does not matter");
      assert.equal(await mountState(dir), "none");
      const mounted = await mountMemory(dir);
      assert.equal(await mountState(dir), "pfs");
      const entry = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).find(
        ({ mountPoint }) => mountPoint === dir,
      );
      assert.deepEqual([entry?.type, entry?.source], ["fuse.pfs", OPTIONS.fsname]);
      assert.equal(readFileSync(join(dir, "hello.txt"), "utf8"), "hello\n");
      const large = Buffer.alloc(3 * 1024 * 1024 + 5, "0123456789");
      writeFileSync(join(dir, "new.txt"), large);
      assert.ok(readFileSync(join(dir, "new.txt")).equals(large));
      assert.deepEqual(readdirSync(dir).sort(), ["hello.txt", "new.txt"]);
      rmSync(join(dir, "new.txt"));
      assert.deepEqual(readdirSync(dir), ["hello.txt"]);
      assert.throws(() => statSync(join(dir, "absent")), { code: "ENOENT" });
      assert.throws(() => statSync(join(dir, "n".repeat(256))), /ENOENT|ENAMETOOLONG/);
      await unmountMemory(mounted);
      assert.equal(await mountState(dir), "none");
      assert.deepEqual(readdirSync(dir), ["hidden"]);
    }));

  it("the server ends when told to, and the mount is stale until it is cleared", () =>
    withDirectory(async (dir) => {
      const mounted = await mountMemory(dir);
      mounted.child.send({ kind: "leave" });
      await exited(mounted.child);
      assert.equal(mounted.child.exitCode, 0);
      assert.equal(await mountState(dir), "stale");
      assert.equal(await clearStale(dir), true);
      assert.equal(await mountState(dir), "none");
      assert.equal(await clearStale(dir), false);
    }));

  it("kill -9: a stale mount is found, also through a link, and cleared by mounting", () =>
    withDirectory(async (dir) => {
      const first = await mountMemory(dir);
      readFileSync(join(dir, "hello.txt"));
      await killServer(first);
      const link = join(dirname(dir), "link");
      symlinkSync(dir, link);
      assert.equal(await mountState(link), "stale");
      assert.equal(await mountState(dir), "stale");
      const second = await mountMemory(dir);
      assert.equal(readFileSync(join(dir, "hello.txt"), "utf8"), "hello\n");
      await unmountMemory(second);
      assert.equal(await mountState(dir), "none");
    }));

  it("unmounting while busy is refused with what to do; lazily it works", () =>
    withDirectory(async (dir) => {
      const mounted = await mountMemory(dir);
      const fd = openSync(join(dir, "hello.txt"), "r");
      try {
        const refusal = await rejection(unmountDirectory(dir, { lazy: false }));
        assert.match(refusal.message, /it is in use/);
        assert.match(refusal.hint ?? "", /fuser -vm .*lazily/);
        assert.equal(await mountState(dir), "pfs");
        await unmountDirectory(dir, { lazy: true });
        assert.equal(await mountState(dir), "none");
      } finally {
        closeSync(fd);
      }
      await exited(mounted.child);
      assert.equal(mounted.child.exitCode, 0);
    }));

  it("read-only: the kernel refuses writes itself", () =>
    withDirectory(async (dir) => {
      const mounted = await mountMemory(dir, { options: { ...OPTIONS, readOnly: true } });
      assert.equal(readFileSync(join(dir, "hello.txt"), "utf8"), "hello\n");
      assert.throws(() => writeFileSync(join(dir, "hello.txt"), "x"), { code: "EROFS" });
      await unmountMemory(mounted);
    }));

  it("others get in with allow_other only", () =>
    withDirectory(async (dir) => {
      const asNobody = (): string =>
        execFileSync("cat", [join(dir, "hello.txt")], { uid: NOBODY, gid: NOBODY, stdio: "pipe" }).toString();
      const closed = await mountMemory(dir);
      assert.throws(asNobody, /Permission denied/);
      await unmountMemory(closed);
      const open = await mountMemory(dir, { options: { ...OPTIONS, allowOther: true } });
      assert.equal(asNobody(), "hello\n");
      await unmountMemory(open);
    }));

  it("what is cached stays until the kernel is told", () =>
    withDirectory(async (dir) => {
      const mounted = await mountMemory(dir);
      const read = (): string => readFileSync(join(dir, "hello.txt"), "utf8");
      assert.equal(read(), "hello\n");
      const replaced = await mounted.ask({ kind: "replace", name: "hello.txt", text: "other words\n" });
      assert.ok(replaced.kind === "report");
      assert.equal(read(), "hello\n", "attributes and pages are still believed");
      const { nodeid } = replaced.report;
      assert.deepEqual(await mounted.ask({ kind: "invalidate", nodeid }), {
        kind: "notified",
        outcome: "told",
      });
      assert.equal(read(), "other words\n");
      const unknown = await mounted.ask({ kind: "invalidate", nodeid: 999 });
      assert.deepEqual(unknown, { kind: "notified", outcome: "unknown" });
      await unmountMemory(mounted);
    }));

  it("the kernel reads further ahead than by default, where this user may set it", () =>
    withDirectory(async (dir) => {
      const mounted = await mountMemory(dir);
      const { dev } = await stat(dir);
      const file = readaheadFile(dev) as string;
      const may = await access(file, constants.W_OK).then(
        () => true,
        () => false,
      );
      await raiseReadahead(dev);
      assert.equal(Number(readFileSync(file, "utf8")), may ? READAHEAD_KIB : 128);
      await unmountMemory(mounted);
      await raiseReadahead(dev);
      assert.equal(readaheadFile(0xfe00), undefined, "a disk's is not ours to set");
      assert.equal(readaheadFile(0x10_0005), "/sys/class/bdi/0:261/read_ahead_kb");
    }));

  it("a descriptor without a mount behind it is `unmounted`, not an exception", async () => {
    const fd = openSync("/dev/fuse", "r+");
    const notification = encodeInvalidateInode({ nodeid: 1, offset: 0, length: 0 });
    try {
      assert.equal(await sendNotificationAsync(fd, notification), "unmounted");
    } finally {
      closeSync(fd);
    }
  });
});

describe("mounting where it cannot be", () => {
  it("a missing directory, and a file, are refused in one sentence", () =>
    withDirectory(async (dir) => {
      const missing = await rejection(mountDirectory(join(dir, "nowhere"), OPTIONS));
      assert.match(missing.message, /there is no such directory\.$/);
      assert.match(missing.hint ?? "", /mkdir -p/);
      writeFileSync(join(dir, "file"), "");
      assert.match(
        (await rejection(mountDirectory(join(dir, "file"), OPTIONS))).message,
        /not a directory\.$/,
      );
    }));

  it("a second mount on the same directory is refused", () =>
    withDirectory(async (dir) => {
      const mounted = await mountMemory(dir);
      assert.match(
        (await rejection(mountDirectory(dir, OPTIONS))).message,
        /a book is mounted there already/,
      );
      await unmountMemory(mounted);
    }));

  it("unmounting what is not mounted is refused; another filesystem is `other`", () =>
    withDirectory(async (dir) => {
      assert.match(
        (await rejection(unmountDirectory(dir, { lazy: false }))).message,
        /nothing is mounted there/,
      );
      assert.equal(await mountState("/proc"), "other");
    }));
});

describe("mountinfo", () => {
  it("octal escapes, optional fields and other types are understood", () => {
    const text =
      "36 35 98:0 / /mnt/a\\040b\\134c\\011d rw,noatime shared:1 master:2 - fuse.pfs my\\040book rw,user_id=0\n" +
      "37 35 0:5 / /dev rw - devtmpfs udev rw\nnot a line\n";
    assert.deepEqual(parseMountinfo(text), [
      { id: "36", mountPoint: "/mnt/a b\\c\td", type: "fuse.pfs", source: "my book" },
      { id: "37", mountPoint: "/dev", type: "devtmpfs", source: "udev" },
    ]);
  });
});
