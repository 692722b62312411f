// Two Unix users on one mount: the kernel checks by modes and owners that pfs keeps.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, trySh, withBook } from "./harness.ts";

const AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups";

test("permissions: another user reads and writes only what the modes allow", async () => {
  await withBook({ allowOther: true }, async ({ dir }) => {
    await python(
      dir,
      `
os.mkdir("open"); os.chmod("open", 0o777); os.mkdir("sticky"); os.chmod("sticky", 0o1777); os.mkdir("private", 0o700)
put("private/x", b""); put("readable", b"r"); os.chmod("readable", 0o644); put("secret", b"s"); os.chmod("secret", 0o600)
put("sticky/roots", b""); os.chmod("sticky/roots", 0o666)
os.mkdir("others"); put("others/file", b"theirs")
for path, mode in (("others", 0o775), ("others/file", 0o664)): os.chmod(path, mode); os.chown(path, 1, 1)
def as_other():
    fails("EACCES", put, "others/file", b""); fails("EACCES", os.truncate, "others/file", 0); fails("EACCES", put, "others/new", b""); fails("EACCES", os.unlink, "others/file"); fails("EACCES", os.rename, "others/file", "open/file")
    assert get("others/file") == b"theirs"
def as_owner(): put("others/file", b"theirs, changed"); put("others/new", b""); os.unlink("others/new")
def run_as(uid, gid, work):
    pid = os.fork()
    if pid == 0:
        try: os.setgroups([]); os.setgid(gid); os.setuid(uid); work(); os._exit(0)
        except BaseException:
            import traceback; traceback.print_exc(); os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
run_as(65534, 65534, as_other); run_as(1, 65534, as_owner); run_as(65534, 1, as_owner)
pid = os.fork()
if pid == 0:
    try:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        assert get("readable") == b"r"; fails("EACCES", get, "secret"); fails("EACCES", put, "readable", b"")
        fails("EACCES", os.listdir, "private"); fails("EACCES", os.stat, "private/x"); fails("EACCES", put, "new", b"")
        put("open/mine", b"m"); s = os.stat("open/mine"); assert (s.st_uid, s.st_gid) == (65534, 65534)
        os.mkdir("open/dir"); assert os.stat("open/dir").st_uid == 65534
        fails("EPERM", os.chown, "open/mine", 0, 0); fails("EPERM", os.chmod, "readable", 0o777); fails("EPERM", os.utime, "readable", (1, 1))
        fails("EPERM", os.unlink, "sticky/roots"); fails("EPERM", os.rename, "sticky/roots", "sticky/x"); put("sticky/mine", b""); os.unlink("sticky/mine")
        put("sticky/roots", b"allowed"); assert not os.access("secret", os.R_OK) and os.access("readable", os.R_OK)
        os._exit(0)
    except BaseException:
        import traceback; traceback.print_exc(); os._exit(1)
assert os.waitpid(pid, 0)[1] == 0
assert get("open/mine") == b"m"; os.chmod("open/mine", 0o600); assert get("open/mine") == b"m"
`,
    );
    assert.notEqual((await trySh(dir, `${AS_NOBODY} cat secret`)).code, 0);
  });
});

test("permissions: a set-user-id program on a mount runs as who runs it, and devices are none", async () => {
  await withBook({ allowOther: true }, async ({ dir }) => {
    const { stdout } = await trySh(
      dir,
      `cp "$(command -v id)" id && chmod 4755 id && stat -c %a id && ${AS_NOBODY} ./id -u`,
    );
    assert.equal(stdout, "4755\n65534\n");
    assert.match((await trySh(dir, "findmnt -no OPTIONS -T .")).stdout, /\bnosuid,nodev\b/);
  });
});

test("permissions: without allow_other nobody else gets in", async () => {
  await withBook({}, async ({ dir }) => {
    assert.notEqual((await trySh(dir, `cd /; ${AS_NOBODY} ls ${dir}`)).code, 0);
  });
});

test("read-only mounts: everything is readable, nothing changes", async () => {
  await withBook({}, async ({ dir, restart }) => {
    await python(
      dir,
      `os.mkdir("d"); put("d/a", b"x"); os.symlink("d/a", "l"); os.setxattr("d/a", "user.x", b"1")`,
    );
    await restart({ readOnly: true });
    await python(
      dir,
      `
assert get("l") == b"x" and os.listdir("d") == ["a"] and os.getxattr("d/a", "user.x") == b"1"
for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_CREAT): fails("EROFS", os.open, "d/a", flags)
fails("EROFS", put, "new", b""); fails("EROFS", os.mkdir, "new"); fails("EROFS", os.unlink, "d/a"); fails("EROFS", os.rmdir, "d")
fails("EROFS", os.rename, "d", "e"); fails("EROFS", os.symlink, "x", "s"); fails("EROFS", os.chmod, "d", 0o700); fails("EROFS", os.truncate, "d/a", 0)
fails("EROFS", os.utime, "d/a"); fails("EROFS", os.setxattr, "d/a", "user.y", b""); fails("EROFS", os.removexattr, "d/a", "user.x"); fails("EROFS", os.mkfifo, "f")
fails("EROFS", os.link, "d/a", "d/b"); fails("EROFS", os.mknod, "f", 0o600 | stat.S_IFREG); fails("EROFS", os.chown, "d/a", 1, 1); fails("EROFS", os.chown, "l", 1, 1, follow_symlinks=False)
fails("EROFS", os.chmod, "d/a", stat.S_IMODE(os.stat("d/a").st_mode)); fails("EROFS", os.utime, "d/a", ns=(1, 1)); fails("EROFS", os.setxattr, "d/a", "user.pfs.expect", b"absent"); fails("EROFS", os.setxattr, "d", "trusted.x", b"")
fails("EROFS", os.open, "d/new", os.O_RDONLY | os.O_CREAT); fails("EROFS", os.open, "d/a", os.O_WRONLY | os.O_APPEND); fails("EROFS", rename2, "d/a", "l", 2); fails("EROFS", os.rename, "d/a", "d/c")
fails("EROFS", os.remove, ".pfs/README"); fails("EROFS", os.chmod, ".pfs/README", 0o600); fails("EROFS", os.chmod, ".", 0o700); fails("EROFS", os.mkdir, "d/e"); fails("EROFS", os.symlink, "x", "d/s")
fd = os.open("d/a", os.O_RDONLY | os.O_CREAT); os.fsync(fd); m = mmap.mmap(fd, 1, prot=mmap.PROT_READ); assert m[:] == b"x"; fails("EBADF", os.write, fd, b"")
fails("EROFS", os.fchmod, fd, 0o600); fails("EROFS", os.fchown, fd, 1, 1); fails("EROFS", os.utime, fd); fails("EROFS", os.setxattr, fd, "user.x", b""); fails("EINVAL", os.ftruncate, fd, 0)
fails("EBADF", fallocate, fd, 0, 0, 10); fails("EBADF", os.copy_file_range, fd, fd, 1); fails("EACCES", mmap.mmap, fd, 1, prot=mmap.PROT_READ | mmap.PROT_WRITE); assert libc.syncfs(fd) == 0
try: os.open("d", os.O_TMPFILE | os.O_RDWR); raise AssertionError("O_TMPFILE")
except OSError as error: assert error.errno in (errno.EROFS, errno.EOPNOTSUPP)
fcntl.flock(fd, fcntl.LOCK_SH); assert get("d/a") == b"x" and os.listdir("d") == ["a"] and os.stat("d/a").st_nlink == 1
`,
    );
  });
});
