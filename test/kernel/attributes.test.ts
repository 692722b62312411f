// Attributes through the real kernel: times, owners, modes, set-id bits, extended attributes, symlinks, special files.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, sh, withBook } from "./harness.ts";

test("times: set to the nanosecond, kept over a restart, moved by what POSIX says moves them", async () => {
  await withBook({}, async ({ dir, restart }) => {
    const expect = `
kept = {"a": (1_234_567_890_123_456_789, 1_600_000_000_987_654_321), "old": (-5_000_000_001, -86_400_000_000_003)}
def shown(name): s = os.stat(name); return (s.st_atime_ns, s.st_mtime_ns)
`;
    await python(
      dir,
      `${expect}
for name, ns in kept.items(): put(name, b"x"); os.utime(name, ns=ns); assert shown(name) == ns, (name, shown(name))
put("now", b""); os.utime("now"); assert abs(os.stat("now").st_mtime - time.time()) < 5
def moved(change):
    before = os.stat("b"); time.sleep(0.005); change(); after = os.stat("b")
    return (after.st_mtime_ns > before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns)
put("b", b"1")
assert moved(lambda: put("b", b"2", "ab")) == (True, True)
assert moved(lambda: os.chmod("b", 0o600)) == (False, True)
assert moved(lambda: os.chown("b", 0, 0)) == (False, True)
assert moved(lambda: os.utime("b", ns=(0, 1))) == (False, True)
assert moved(lambda: os.setxattr("b", "user.x", b"1")) == (False, True)
assert moved(lambda: os.truncate("b", 0)) == (True, True)
assert moved(lambda: (os.rename("b", "c"), os.rename("c", "b"))) == (False, True)
assert moved(lambda: get("b")) == (False, False)
assert moved(lambda: put("b", b"", "ab")) == (False, False)
fd = os.open("b", os.O_WRONLY); os.write(fd, b"w"); during = os.fstat(fd); os.close(fd); after = os.stat("b")
assert (during.st_mtime_ns, during.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns), "a close moves no times"
fd = os.open("b", os.O_WRONLY); os.write(fd, b"w"); os.utime(fd, ns=(7, 8)); os.close(fd); assert shown("b") == (7, 8)
`,
    );
    await restart();
    await python(
      dir,
      `${expect}\nfor name, ns in kept.items(): assert shown(name) == ns, (name, shown(name))`,
    );
  });
});

test("modes and owners: set, kept over a restart, inherited from set-group-id directories", async () => {
  await withBook({}, async ({ dir, restart }) => {
    await python(
      dir,
      `
for mode in (0o000, 0o644, 0o755, 0o4755, 0o2710, 0o600, 0o1777):
    put(f"f{mode:o}", b"x"); os.chmod(f"f{mode:o}", mode); assert stat.S_IMODE(os.stat(f"f{mode:o}").st_mode) == mode
put("o", b""); os.chown("o", 12, 34); os.mkdir("g"); os.chown("g", 0, 77); os.chmod("g", 0o2775)
put("g/file", b""); os.mkdir("g/dir"); os.symlink("x", "g/link"); os.mkfifo("g/fifo")
for name in ("g/file", "g/dir", "g/link", "g/fifo"): assert os.lstat(name).st_gid == 77, name
assert os.stat("g/dir").st_mode & 0o2000 and not os.stat("g/file").st_mode & 0o2000
os.lchown("g/link", 5, 6); assert os.lstat("g/link").st_uid == 5
os.umask(0o027); put("u", b""); os.mkdir("v"); assert stat.S_IMODE(os.stat("u").st_mode) == 0o640 and stat.S_IMODE(os.stat("v").st_mode) == 0o750
`,
    );
    const before = await sh(dir, "find . -path ./.pfs -prune -o -printf '%p %m %U %G %n %l\\n' | sort");
    await restart();
    assert.equal(
      await sh(dir, "find . -path ./.pfs -prune -o -printf '%p %m %U %G %n %l\\n' | sort"),
      before,
    );
  });
});

test("set-id bits fall on write, truncate and chown by who has no privilege, and on chown by root", async () => {
  await withBook({ allowOther: true }, async ({ dir }) => {
    await python(
      dir,
      `
os.chmod(".", 0o777)
def as_nobody(code): subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", "import os\\n" + code], check=True)
def mode(): return stat.S_IMODE(os.stat("f").st_mode)
def fresh(bits): put("f", b"12345"); os.chown("f", 65534, 65534); os.chmod("f", bits)
fresh(0o6777); as_nobody("fd = os.open('f', os.O_WRONLY); os.write(fd, b'x')"); assert mode() == 0o777, oct(mode())
fresh(0o6767); as_nobody("fd = os.open('f', os.O_WRONLY); os.write(fd, b'x')"); assert mode() == 0o2767, oct(mode())
fresh(0o6777); as_nobody("os.truncate('f', 2)"); assert mode() == 0o777, oct(mode())
fresh(0o6777); as_nobody("fd = os.open('f', os.O_WRONLY); os.ftruncate(fd, 2)"); assert mode() == 0o777, oct(mode())
fresh(0o6777); as_nobody("os.open('f', os.O_WRONLY | os.O_TRUNC)"); assert mode() == 0o777, oct(mode())
fresh(0o6777); put("f", b"root keeps them", "ab"); assert mode() == 0o6777, oct(mode())
fresh(0o6777); os.chown("f", 1, 1); assert mode() == 0o777, oct(mode())
os.mkdir("d"); os.chmod("d", 0o6777); os.chown("d", 1, 1); assert stat.S_IMODE(os.stat("d").st_mode) == 0o6777
`,
    );
  });
});

test("extended attributes: set, replaced, listed, removed, kept, with the errors of xattr(7)", async () => {
  await withBook({}, async ({ dir, restart }) => {
    await python(
      dir,
      `
put("a", b""); os.mkdir("d")
for path in ("a", "d"):
    os.setxattr(path, "user.one", b"1"); os.setxattr(path, "user.two", bytes(range(256))); os.setxattr(path, "trusted.t", b"")
    assert sorted(os.listxattr(path)) == ["trusted.t", "user.one", "user.two"] and os.getxattr(path, "user.two") == bytes(range(256))
    fails("EEXIST", os.setxattr, path, "user.one", b"", os.XATTR_CREATE); fails("ENODATA", os.setxattr, path, "user.none", b"", os.XATTR_REPLACE)
    os.setxattr(path, "user.one", b"changed", os.XATTR_REPLACE); assert os.getxattr(path, "user.one") == b"changed"
    os.removexattr(path, "user.two"); fails("ENODATA", os.removexattr, path, "user.two"); fails("ENODATA", os.getxattr, path, "user.two")
os.setxattr("a", "user.large", b"L" * 60000); assert os.getxattr("a", "user.large") == b"L" * 60000
for name in (b"user.\\xff", b"trusted.\\xfe\\x01", "user.\u00fc".encode()): os.setxattr("a", name, name); assert os.getxattr("a", name) == name
assert {b"user.\\xff", b"trusted.\\xfe\\x01", "user.\u00fc".encode()} < {os.fsencode(name) for name in os.listxattr("a")}
os.removexattr("a", b"user.\\xff"); fails("ENODATA", os.getxattr, "a", b"user.\\xff"); fails("EOPNOTSUPP", os.setxattr, "a", b"\\x01user.x", b"")
fails("EOPNOTSUPP", os.setxattr, "a", b"system.\\xff", b""); fails("EOPNOTSUPP", os.setxattr, "a", b"\\xff.x", b""); fails("EINVAL", os.setxattr, "a", "user.", b"")
fails("EOPNOTSUPP", os.setxattr, "a", "system.posix_acl_access", b"\\2\\0\\0\\0"); fails("EOPNOTSUPP", os.setxattr, "a", "nonsense.x", b"")
os.rename("a", "b"); assert os.getxattr("b", "user.one") == b"changed"
put("b", b"another version"); assert os.getxattr("b", "user.one") == b"changed"
buffer = ctypes.create_string_buffer(3)
assert libc.getxattr(b"b", b"user.one", buffer, 3) == -1 and ctypes.get_errno() == errno.ERANGE
`,
    );
    await restart();
    assert.match(await sh(dir, "getfattr -n user.one --only-values b"), /^changed$/);
  });
});

test("symlinks: made, read, followed, renamed, replaced", async () => {
  await withBook({}, async ({ dir, restart }) => {
    await python(
      dir,
      `
os.mkdir("d"); put("d/target", b"bytes"); os.symlink("d/target", "l"); os.symlink("/nowhere/at/all", "dangling"); os.symlink("x" * 4000, "long")
assert os.readlink("l") == "d/target" and get("l") == b"bytes" and os.lstat("l").st_size == 8 and stat.S_ISLNK(os.lstat("l").st_mode)
fails("ENOENT", os.stat, "dangling"); assert os.readlink("long") == "x" * 4000; fails("EINVAL", os.readlink, "d/target")
os.symlink("d", "ld"); assert get("ld/target") == b"bytes" and os.listdir("ld") == ["target"]
os.symlink("loop", "loop"); fails("ELOOP", os.stat, "loop"); fails("EEXIST", os.symlink, "x", "l")
os.rename("l", "m"); assert os.readlink("m") == "d/target"; put("n", b""); os.rename("m", "n"); assert os.readlink("n") == "d/target"
os.unlink("n"); os.symlink("second", "n"); assert os.readlink("n") == "second"
os.symlink("editor@host.1234", ".#lock"); assert os.readlink(".#lock") == "editor@host.1234"; os.unlink(".#lock"); os.symlink("other", ".#lock"); assert os.readlink(".#lock") == "other"
`,
    );
    await restart();
    assert.equal((await sh(dir, "readlink n dangling .#lock")).trim(), "second\n/nowhere/at/all\nother");
  });
});

test("special files: fifos and sockets work, devices and hard links of the book's files are EPERM", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
os.mkfifo("fifo", 0o622 | 0o600); assert stat.S_ISFIFO(os.stat("fifo").st_mode)
writer = threading.Thread(target=lambda: put("fifo", b"through")); writer.start(); assert get("fifo") == b"through"; writer.join()
server = socket.socket(socket.AF_UNIX); server.bind("sock"); server.listen(); assert stat.S_ISSOCK(os.stat("sock").st_mode)
client = socket.socket(socket.AF_UNIX); client.connect("sock"); client.send(b"hi"); assert server.accept()[0].recv(2) == b"hi"
os.rename("fifo", "fifo2"); os.unlink("fifo2"); os.unlink("sock")
fails("EPERM", os.mknod, "c", stat.S_IFCHR | 0o600, os.makedev(1, 3)); fails("EPERM", os.mknod, "b", stat.S_IFBLK | 0o600, os.makedev(7, 0))
put("a", b"x"); fails("EPERM", os.link, "a", "b"); fails("ENOENT", os.stat, "b")
os.mknod("plain", stat.S_IFREG | 0o640); assert os.stat("plain").st_size == 0
# Scratch may have several names.
put(".s.swp", b"s"); os.link(".s.swp", ".s.swo"); assert os.stat(".s.swp").st_nlink == 2 and os.stat(".s.swo").st_ino == os.stat(".s.swp").st_ino
put(".s.swo", b"t"); assert get(".s.swp") == b"t"; os.unlink(".s.swp"); assert os.stat(".s.swo").st_nlink == 1 and get(".s.swo") == b"t"
`,
    );
  });
});

test("statfs: what the store's disk says", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `s = os.statvfs("."); assert s.f_namemax == 255 and s.f_blocks > 0 and 0 < s.f_bavail <= s.f_blocks and s.f_frsize == s.f_bsize`,
    );
  });
});
