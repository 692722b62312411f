// Tables of system calls and their outcomes, after the topics of the pjdfstest suite: the same program runs on a mount and
// on an ordinary directory and must say the same.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { python, withBook } from "./harness.ts";

/** What the programs below share: how a call ends, also as another user. */
const TABLE = `
import shutil
os.umask(0); os.chmod(".", 0o777)
def outcome(call, *args, **options):
    try: call(*args, **options); return "ok"
    except OSError as error: return errno.errorcode[error.errno]
def outcome_as(uid, gid, call, *args, groups=[]):
    os.setegid(gid); os.setgroups(groups); os.seteuid(uid)
    try: return outcome(call, *args)
    finally: os.seteuid(0); os.setegid(0); os.setgroups([])
def opened(path, flags=os.O_RDONLY, mode=0o644): os.close(os.open(path, flags, mode))
def made(path): opened(path, os.O_CREAT | os.O_RDWR)
def gone(path):
    if os.path.lexists(path): (os.rmdir if stat.S_ISDIR(os.lstat(path).st_mode) else os.unlink)(path)
def mode_of(path): return oct(os.lstat(path).st_mode)
`;

async function assertSame(program: string): Promise<void> {
  await withBook({ allowOther: true }, async ({ dir, plain }) => {
    const [onMount, onPlain] = [join(dir, "table"), join(plain, "table")];
    for (const path of [onMount, onPlain]) mkdirSync(path);
    const expected = await python(onPlain, TABLE + program);
    assert.notEqual(expected, "");
    assert.equal(await python(onMount, TABLE + program), expected);
  });
}

test("table: names that are too long, lead nowhere, loop, end in a slash or a dot", async () => {
  await assertSame(`
calls = dict(open=opened, create=made, mkdir=os.mkdir, rmdir=os.rmdir, mkfifo=os.mkfifo, mknod=os.mknod, unlink=os.unlink,
    chmod=lambda p: os.chmod(p, 0o755), chown=lambda p: os.chown(p, 0, 0), lchown=lambda p: os.lchown(p, 0, 0), truncate=lambda p: os.truncate(p, 0),
    symlink=lambda p: os.symlink("x", p), readlink=os.readlink, rename_from=lambda p: os.rename(p, "target"), rename_to=lambda p: os.rename("f", p),
    stat=os.stat, lstat=os.lstat, utime=os.utime, listdir=os.listdir, statvfs=os.statvfs, listxattr=os.listxattr)
names = dict(n256="n" * 256, in_n256="n" * 256 + "/a", through_file="f/a", file_slash="f/", through_loop="loop/a", loop="loop", through_none="none/a",
    empty="", long=("a" * 200 + "/") * 21 + "a", dot=".", dot_dot="dir/..", dir_dot="dir/.", none_slash="none/", dir_slash="dir/", n255="n" * 255)
for call_name, call in calls.items():
    for label, name in names.items():
        os.mkdir("t"); os.chdir("t"); made("f"); os.mkdir("dir"); os.symlink("pool", "loop"); os.symlink("loop", "pool")
        print(call_name, label, outcome(call, name), sorted((n, mode_of(n)) for n in os.listdir(".")))
        os.chdir(".."); os.chmod("t", 0o777); shutil.rmtree("t")
`);
});

test("table: what others may do in a directory, with a file, with times", async () => {
  await assertSame(`
def restore(mode):
    os.chmod("p", 0o777)
    for name in os.listdir("p"): gone("p/" + name)
    made("p/a"); os.chown("p", 1001, 1001); os.chmod("p", mode)
os.mkdir("p")
calls = [(os.stat, "p/a"), (opened, "p/a"), (os.mkdir, "p/d"), (os.unlink, "p/a"), (os.rename, "p/a", "p/b"), (os.listdir, "p"), (os.symlink, "x", "p/s"),
    (os.mkfifo, "p/f"), (made, "p/n"), (os.chmod, "p", 0o777), (os.chown, "p", 1002, 1002), (os.chown, "p", -1, 1001), (os.utime, "p"), (os.utime, "p", (1, 1))]
for mode in (0o700, 0o755, 0o300, 0o500, 0o400, 0o100, 0o070, 0o007):
    for uid, gid in ((1001, 1001), (1002, 1001), (1002, 1002)):
        line = []
        for call in calls: restore(mode); line.append(outcome_as(uid, gid, *call))
        print(oct(mode), uid, gid, *line)
restore(0o777)
for mode in range(8):
    os.chown("p/a", 1001, 1001); os.chmod("p/a", mode << 6 | mode)
    for uid, gid in ((1001, 1001), (1002, 1001), (1002, 1002)):
        print(mode, uid, gid, [outcome_as(uid, gid, opened, "p/a", flags) for flags in (0, 1, 2, os.O_TRUNC)], outcome_as(uid, gid, os.truncate, "p/a", 0),
            [outcome_as(uid, gid, os.utime, "p/a", *times) for times in ((), ((1, 1),))])
`);
});

test("table: sticky directories", async () => {
  await assertSame(`
os.mkdir("p"); os.chown("p", 1001, 1001); os.chmod("p", 0o1777)
make = dict(file=made, dir=os.mkdir, fifo=os.mkfifo, link=lambda p: os.symlink("z", p))
for owner in (1001, 1002, 1003):
    for actor in (1001, 1002, 1003):
        for kind in make:
            line = []
            for owners, call in (((owner, None), (os.rename, "p/t", "p/u")), ((owner, None), (os.rmdir if kind == "dir" else os.unlink, "p/t")),
                                 ((actor, owner), (os.rename, "p/t", "p/u")), ((owner, actor), (rename2, "p/t", "p/u", 2))):
                for name, its in zip(("p/t", "p/u"), owners):
                    gone(name)
                    if its is not None: make[kind](name); os.lchown(name, its, its)
                line.append(outcome_as(actor, actor, *call))
            print(owner, actor, kind, *line)
`);
});

test("table: set-id bits are handed down and fall", async () => {
  await assertSame(`
os.mkdir("p"); os.chown("p", 0, 1005); os.chmod("p", 0o2777)
print([outcome_as(1001, 1001, *call) for call in ((opened, "p/f", os.O_CREAT | os.O_RDWR, 0o2755), (os.mkdir, "p/d", 0o755), (os.mkfifo, "p/p", 0o2755), (os.symlink, "q", "p/l"))])
for name in sorted(os.listdir("p")): node = os.lstat("p/" + name); print(name, oct(node.st_mode), node.st_uid, node.st_gid)
def write():
    fd = os.open("p/f", os.O_WRONLY); os.write(fd, b"x"); os.close(fd)
calls = dict(chmod=lambda: os.chmod("p/f", mode), write=write, truncating=lambda: opened("p/f", os.O_WRONLY | os.O_TRUNC), truncate=lambda: os.truncate("p/f", 3),
    chown=lambda: os.chown("p/f", 1001, -1), chgrp=lambda: os.chown("p/f", -1, 1005), chown_nothing=lambda: os.chown("p/f", -1, -1))
for mode in (0o6777, 0o2666, 0o4777, 0o6766, 0o2711):
    for uid, gid, groups in ((1001, 1001, []), (1001, 1001, [1005]), (0, 0, []), (1001, 1005, [])):
        for name, call in calls.items():
            os.chown("p/f", 1001, 1005); os.chmod("p/f", mode); end = outcome_as(uid, gid, call, groups=groups); print(oct(mode), uid, gid, groups, name, end, mode_of("p/f"))
`);
});

test("table: which times move, and that failures move none", async () => {
  await assertSame(`
def times(path):
    if not os.path.lexists(path): return None
    node = os.lstat(path); return node.st_mtime_ns, node.st_ctime_ns
def watch(label, paths, call, *args):
    before = [times(p) for p in paths]; time.sleep(0.01); end = outcome(call, *args); after = [times(p) for p in paths]
    print(label, end, [b and a and ("m" * (a[0] != b[0]) + "c" * (a[1] != b[1])) for a, b in zip(after, before)])
os.mkdir("t"); put("t/f", "hello"); both = ["t", "t/f"]
watch("chmod", both, os.chmod, "t/f", 0o600); watch("chmod to the same", both, os.chmod, "t/f", 0o600); watch("chown", both, os.chown, "t/f", 5, 5)
watch("chown nothing", both, os.chown, "t/f", -1, -1); watch("mkdir", both, os.mkdir, "t/d"); watch("mkdir again", both, os.mkdir, "t/d")
watch("rmdir", both, os.rmdir, "t/d"); watch("symlink", both, os.symlink, "x", "t/l"); watch("readlink", ["t", "t/l"], os.readlink, "t/l")
watch("rename", both, os.rename, "t/f", "t/g"); watch("rename back", ["t", "t/g"], os.rename, "t/g", "t/f"); watch("rename to itself", both, os.rename, "t/f", "t/f")
watch("truncate to the same", both, os.truncate, "t/f", 5); watch("truncate", both, os.truncate, "t/f", 3); watch("create what is there", both, made, "t/f")
for _ in range(2): watch("open truncating", both, opened, "t/f", os.O_WRONLY | os.O_TRUNC)
watch("unlink none", both, os.unlink, "t/none"); watch("unlink", both, os.unlink, "t/f"); watch("mkfifo", ["t"], os.mkfifo, "t/p"); watch("utime", ["t", "t/p"], os.utime, "t/p")
watch("mknod", ["t"], os.mknod, "t/n"); both = ["t", "t/n"]; fd = os.open("t/n", os.O_RDWR)
watch("write nothing", both, os.write, fd, b""); watch("read", both, os.read, fd, 5); watch("write", both, os.write, fd, b"x"); watch("fsync", both, os.fsync, fd)
watch("close", both, os.close, fd); watch("setxattr", both, os.setxattr, "t/n", "user.a", b"x"); watch("listdir", both, os.listdir, "t")
fd = os.open("t/n", os.O_RDWR); a = os.fstat(fd); time.sleep(0.01); os.unlink("t/n"); b = os.fstat(fd)
print("unlinked", b.st_nlink, a.st_ctime_ns != b.st_ctime_ns, a.st_mtime_ns != b.st_mtime_ns); os.fchmod(fd, 0o640); os.fchown(fd, 7, 8); os.write(fd, b"xx"); os.ftruncate(fd, 1)
os.utime(fd, (1, 2)); b = os.fstat(fd); print(oct(b.st_mode), b.st_uid, b.st_gid, b.st_size, b.st_mtime, b.st_atime)
for ns in ((2**31 * 10**9 + 5, 2**32 * 10**9 + 7), (-5, -10**9), (0, 0), (999_999_999, 1)): os.utime("t", ns=ns); print(os.stat("t").st_atime_ns, os.stat("t").st_mtime_ns)
`);
});

test("table: link counts, kinds in each other's way, removed directories, fifos and sockets", async () => {
  await assertSame(`
os.mkdir("n"); counts = [os.stat("n").st_nlink]
for step in (*((os.mkdir, f"n/{i}") for i in range(5)), (os.rename, "n/1", "m"), (os.rename, "m", "n/2"), (os.rmdir, "n/3"), (made, "n/f"), (rename2, "n/4", "n/f", 2)):
    step[0](*step[1:]); counts.append(os.stat("n").st_nlink)
print(counts)
made("f"); os.mkdir("dir"); os.symlink("dir", "l"); os.symlink("none", "dangling"); os.mkfifo("p")
for name in ("f", "dir", "l", "dangling", "p", "n"):
    print(name, *(outcome(*call) for call in ((os.mkdir, name), (os.symlink, "x", name), (os.mkfifo, name), (os.mknod, name), (os.rmdir, name + "/none"), (os.rename, name, name),
        (opened, name, os.O_CREAT | os.O_EXCL), (opened, name, os.O_RDWR | os.O_NONBLOCK), (opened, name, os.O_DIRECTORY | os.O_NONBLOCK), (opened, name, os.O_NOFOLLOW | os.O_NONBLOCK),
        (os.truncate, name, -1), (os.readlink, name), (os.listdir, name), (os.setxattr, name, "user.a", b""), (os.link, name, "dir"))))
print(outcome(os.symlink, "x" * 4095, "long"), outcome(os.symlink, "x" * 4096, "longer"), outcome(os.symlink, "", "empty"), outcome(os.stat, "long"), os.lstat("long").st_size)
os.mkdir("removed"); fd = os.open("removed", os.O_RDONLY); os.rmdir("removed")
print(os.fstat(fd).st_nlink, outcome(os.mkdir, "x", dir_fd=fd), outcome(os.open, "x", os.O_CREAT, dir_fd=fd), outcome(os.listdir, fd), outcome(os.chmod, fd, 0o700), mode_of("."))
r = os.open("p", os.O_RDONLY | os.O_NONBLOCK); w = os.open("p", os.O_WRONLY); os.write(w, b"hi"); print(os.read(r, 9))
listener = socket.socket(socket.AF_UNIX); listener.bind("s"); listener.listen(); client = socket.socket(socket.AF_UNIX)
print(outcome(client.connect, "s"), mode_of("s"), outcome(opened, "s"), outcome(socket.socket(socket.AF_UNIX).bind, "s"))
fd = os.open("f", os.O_RDWR)
print([outcome(*call) for call in ((os.ftruncate, fd, -1), (os.posix_fallocate, fd, 0, 4096), (os.posix_fallocate, fd, -1, 5), (os.posix_fallocate, fd, 0, 0), (os.lseek, fd, -1, 0),
    (os.pwrite, fd, b"x", -1), (os.read, os.open("f", os.O_WRONLY), 1), (os.write, os.open("f", os.O_RDONLY), b"x"), (os.setxattr, "f", "user.x", b"a" * 70000), (os.setxattr, "f", "user." + "n" * 251, b""))])
print(os.statvfs(".").f_namemax, os.pathconf(".", "PC_NAME_MAX"), os.pathconf(".", "PC_PATH_MAX"))
`);
});

test("table: telldir and seekdir, listing while entries go, appends of several processes, files of 2 GiB and holes", async () => {
  await assertSame(`
class Entry(ctypes.Structure): _fields_ = [("ino", ctypes.c_ulong), ("at", ctypes.c_long), ("length", ctypes.c_ushort), ("type", ctypes.c_ubyte), ("name", ctypes.c_char * 256)]
libc.opendir.restype = ctypes.c_void_p; libc.readdir.restype = ctypes.POINTER(Entry); libc.telldir.restype = ctypes.c_long
for call in (libc.readdir, libc.telldir, libc.rewinddir): call.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
def rest(stream):
    found = []
    while True:
        at, entry = libc.telldir(stream), libc.readdir(stream)
        if not entry: return found
        found.append((at, entry.contents.name))
os.mkdir("n"); names = [f"file-{i}" for i in range(300)]
for name in names: made("n/" + name)
stream = libc.opendir(b"n"); listed = rest(stream); print(len(listed), len({at for at, _ in listed}))
for at, name in listed[::7]: libc.seekdir(stream, at); assert libc.readdir(stream).contents.name == name
os.unlink("n/file-7"); made("n/new"); libc.rewinddir(stream); again = [name for _, name in rest(stream)]
print(b"file-7" in again, b"new" in again, len(again), len(set(again)))
stream = libc.opendir(b"n"); removed = 0
while True:
    entry = libc.readdir(stream)
    if not entry: break
    name = entry.contents.name
    if name.startswith(b"file"): os.unlink(b"n/" + name); removed += 1
print(removed, os.listdir("n"))
children = []
for i in range(4):
    child = os.fork()
    if child == 0:
        fd = os.open("appended", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for _ in range(100): os.write(fd, bytes([65 + i]) * 100)
        os._exit(0)
    children.append(child)
for child in children: os.waitpid(child, 0)
data = get("appended"); print(len(data), all(len(set(data[at:at + 100])) == 1 for at in range(0, len(data), 100)))
fd = os.open("big", os.O_CREAT | os.O_RDWR); os.pwrite(fd, b"end", 600_000_000); print(os.fstat(fd).st_size, os.pread(fd, 9, 599_999_998), os.lseek(fd, 0, os.SEEK_HOLE), os.lseek(fd, 0, os.SEEK_DATA) > 0)
os.ftruncate(fd, 5); print(os.pread(fd, 9, 0)); os.close(fd); os.unlink("big")
a = os.open("locked", os.O_CREAT | os.O_RDWR); reader, writer = os.pipe(); child = os.fork()
if child == 0:
    b = os.open("locked", os.O_RDWR); fcntl.lockf(b, fcntl.LOCK_EX, 10, 0); fcntl.flock(b, fcntl.LOCK_SH); os.write(writer, b"!"); time.sleep(60)
os.read(reader, 1); now = fcntl.LOCK_EX | fcntl.LOCK_NB
print(outcome(fcntl.lockf, a, now, 5, 5), outcome(fcntl.lockf, a, now, 5, 20), outcome(fcntl.flock, a, now), outcome(fcntl.flock, a, fcntl.LOCK_SH | fcntl.LOCK_NB))
os.kill(child, signal.SIGKILL); os.waitpid(child, 0); print(outcome(fcntl.lockf, a, now, 5, 5), outcome(fcntl.flock, a, now))
`);
});
