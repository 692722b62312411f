"""Executes the same system calls on a mount and on a plain directory, one after the other, and says what each answered.

Reads one JSON object per line, {"mount": dir, "plain": dir, "calls": [...]}, and answers with one, {"answers": [[a, b]
or null per call], "trees": [a, b]}. null: the call is one of the documented exceptions and was made on neither side.
Must never decide which answers are right: the test compares them.
"""

import ctypes
import errno
import hashlib
import json
import mmap
import os
import stat
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
LONG = ctypes.c_long
UTIME_OMIT = 0x3FFFFFFE
# Times of the tests' own choice are before this; later ones are "now".
CHOSEN_BEFORE_S = 1_500_000_000
USERS = {"root": (0, 0, []), "nobody": (65534, 65534, []), "member": (4321, 4321, [65534])}
OPEN_FLAGS = {
    name: getattr(os, "O_" + name)
    for name in "RDONLY WRONLY RDWR CREAT EXCL TRUNC APPEND NOFOLLOW DIRECTORY PATH NONBLOCK SYNC".split()
}


def check(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def become(user):
    os.seteuid(0)
    uid, gid, groups = USERS[user]
    os.setegid(gid)
    os.setgroups(groups)
    os.seteuid(uid)


def content(length, fill):
    return bytes((fill + at // 7) % 251 for at in range(length))


def digest(data):
    return [len(data), hashlib.md5(data).hexdigest()]


def time_of(nanoseconds):
    return nanoseconds if nanoseconds < CHOSEN_BEFORE_S * 10**9 else "now"


def shown(state):
    """What must be the same on both sides of a node's state."""
    kind = stat.S_IFMT(state.st_mode)
    return {
        "mode": oct(state.st_mode),
        "nlink": state.st_nlink,
        "uid": state.st_uid,
        "gid": state.st_gid,
        # A directory's size is its file system's own business.
        "size": None if kind == stat.S_IFDIR else state.st_size,
        # What goes through a fifo is between processes: the kernel tells a FUSE file system nothing of it.
        "mtime": None if kind == stat.S_IFIFO else time_of(state.st_mtime_ns),
    }


def open_file(path, flags):
    """Opens a path, but for fifos, which would wait for somebody at their other end."""
    if stat.S_ISFIFO(os.stat(path).st_mode if os.path.exists(path) else 0):
        raise OSError(errno.ENXIO, "a fifo")
    return os.open(path, flags, 0o666)


class Side:
    """One directory, with the files that the calls have open in it."""

    def __init__(self, root):
        self.root = root
        self.slots = {}

    def path(self, relative):
        return os.path.join(self.root, relative) if relative else ""

    def fd(self, slot):
        return self.slots.get(slot, 10**6)

    def close_all(self):
        for fd in self.slots.values():
            os.close(fd)
        self.slots = {}

    def state(self, relative):
        try:
            return os.lstat(self.path(relative))
        except OSError as error:
            return error.errno

    def states(self, call):
        """Nodes that a call names and the directories that hold them."""
        found = {}
        for key in ("path", "to"):
            relative = call.get(key)
            if relative and len(relative) < 1000:
                found[relative] = self.state(relative)
                parent = os.path.dirname(relative.rstrip("/"))
                found[parent or "."] = self.state(parent or ".")
        for key in ("slot", "target"):
            if call.get(key) in self.slots:
                found["slot " + str(call[key])] = os.fstat(self.slots[call[key]])
        return found

    def run(self, call):
        # ext4 moves no time when an extended attribute is set to what it is already; other file systems do.
        watched = call.get("watch") and not call["call"].endswith("setxattr")
        before = self.states(call) if watched else None
        become(call.get("user", "root"))
        try:
            answer = {"value": getattr(self, "do_" + call["call"])(call)}
        except OSError as error:
            answer = {"error": errno.errorcode.get(error.errno, str(error.errno))}
        except (AssertionError, OverflowError, ValueError) as error:
            answer = {"error": repr(error)}
        finally:
            become("root")
        if before is not None:
            answer["effects"] = effects(before, self.states(call))
        return answer

    # Files by path

    def do_open(self, call):
        # A fifo without somebody at its other end must not keep the test waiting.
        flags = os.O_NONBLOCK
        for flag in call["flags"]:
            flags |= OPEN_FLAGS[flag]
        fd = os.open(self.path(call["path"]), flags, call["mode"])
        old = self.slots.pop(call["slot"], None)
        if old is not None:
            os.close(old)
        self.slots[call["slot"]] = fd
        return shown(os.fstat(fd))

    def do_mkdir(self, call):
        os.mkdir(self.path(call["path"]), call["mode"])

    def do_mknod(self, call):
        os.mknod(self.path(call["path"]), call["mode"] | {"fifo": stat.S_IFIFO, "file": stat.S_IFREG, "socket": stat.S_IFSOCK}[call["kind"]])

    def do_symlink(self, call):
        os.symlink(call["points"], self.path(call["path"]))

    def do_readlink(self, call):
        return os.readlink(self.path(call["path"]))

    def do_link(self, call):
        os.link(self.path(call["path"]), self.path(call["to"]), follow_symlinks=False)

    def do_unlink(self, call):
        os.unlink(self.path(call["path"]))

    def do_rmdir(self, call):
        os.rmdir(self.path(call["path"]))

    def do_rename(self, call):
        check(libc.renameat2(AT_FDCWD, os.fsencode(self.path(call["path"])), AT_FDCWD, os.fsencode(self.path(call["to"])), call["how"]))

    def do_stat(self, call):
        return shown(os.stat(self.path(call["path"])))

    def do_lstat(self, call):
        return shown(os.lstat(self.path(call["path"])))

    def do_access(self, call):
        return os.access(self.path(call["path"]), call["how"], effective_ids=True)

    def do_chmod(self, call):
        os.chmod(self.path(call["path"]), call["mode"])

    def do_chown(self, call):
        os.chown(self.path(call["path"]), call["uid"], call["gid"], follow_symlinks=call["follow"])

    def do_utimes(self, call):
        class Timespec(ctypes.Structure):
            _fields_ = [("seconds", LONG), ("nanoseconds", LONG)]

        times = (Timespec * 2)(Timespec(*call["atime"]), Timespec(*call["mtime"]))
        path = os.fsencode(self.path(call["path"]))
        check(libc.utimensat(AT_FDCWD, path, times, 0 if call["follow"] else 0x100))
        become("root")
        state = os.stat(path, follow_symlinks=call["follow"])
        # Reading moves no atime here, as with noatime.
        omitted = call["atime"][1] == UTIME_OMIT
        return [None if omitted else time_of(state.st_atime_ns), time_of(state.st_mtime_ns)]

    def do_truncate(self, call):
        os.truncate(self.path(call["path"]), call["size"])

    def do_setxattr(self, call):
        os.setxattr(self.path(call["path"]), call["name"], content(call["size"], 1), call["how"])

    def do_getxattr(self, call):
        return digest(os.getxattr(self.path(call["path"]), call["name"]))

    def do_removexattr(self, call):
        os.removexattr(self.path(call["path"]), call["name"])

    def do_listxattr(self, call):
        return sorted(os.listxattr(self.path(call["path"])))

    def do_list(self, call):
        with os.scandir(self.path(call["path"])) as entries:
            return sorted([entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink(), entry.is_file(follow_symlinks=False)] for entry in entries if entry.name != ".pfs")

    def do_read_all(self, call):
        with open(self.path(call["path"]), "rb", opener=open_file) as file:
            return digest(file.read())

    def do_write_all(self, call):
        with open(self.path(call["path"]), "wb", opener=open_file) as file:
            file.write(content(call["size"], call["fill"]))

    # Open files

    def do_close(self, call):
        os.close(self.fd(call["slot"]))
        del self.slots[call["slot"]]

    def do_dup_close(self, call):
        os.close(os.dup(self.fd(call["slot"])))

    def do_fstat(self, call):
        return shown(os.fstat(self.fd(call["slot"])))

    def do_same(self, call):
        """Whether an open file is what a path names."""
        a, b = os.fstat(self.fd(call["slot"])), os.stat(self.path(call["path"]))
        return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)

    def do_read(self, call):
        return digest(os.read(self.fd(call["slot"]), call["size"]))

    def do_pread(self, call):
        return digest(os.pread(self.fd(call["slot"]), call["size"], call["offset"]))

    def do_write(self, call):
        return os.write(self.fd(call["slot"]), content(call["size"], call["fill"]))

    def do_pwrite(self, call):
        return os.pwrite(self.fd(call["slot"]), content(call["size"], call["fill"]), call["offset"])

    def do_direct(self, call):
        """Writes and reads with O_DIRECT, from memory and at offsets that it accepts."""
        fd = os.open(self.path(call["path"]), os.O_RDWR | os.O_DIRECT | os.O_NONBLOCK)
        try:
            with mmap.mmap(-1, 8192) as memory:
                memory[:] = content(8192, call["fill"])
                wrote = os.pwritev(fd, [memory], call["offset"] // 4096 * 4096)
                got = os.preadv(fd, [memory], 0)
                return [wrote, digest(memory[:got])]
        finally:
            os.close(fd)

    def do_seek(self, call):
        if stat.S_ISDIR(os.fstat(self.fd(call["slot"])).st_mode):
            return "positions in a directory are the file system's own business"
        return os.lseek(self.fd(call["slot"]), call["offset"], call["whence"])

    def do_seek_data(self, call):
        """Where holes are is the file system's own business, but not where the file ends."""
        fd = self.fd(call["slot"])
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            return
        at = os.lseek(fd, 0, os.SEEK_CUR)
        try:
            hole = os.lseek(fd, call["offset"], os.SEEK_HOLE)
            assert call["offset"] <= hole <= state.st_size
        finally:
            os.lseek(fd, at, os.SEEK_SET)

    def do_ftruncate(self, call):
        os.ftruncate(self.fd(call["slot"]), call["size"])

    def do_fallocate(self, call):
        check(libc.fallocate(self.fd(call["slot"]), call["how"], LONG(call["offset"]), LONG(call["size"])))

    def do_fchmod(self, call):
        os.fchmod(self.fd(call["slot"]), call["mode"])

    def do_fchown(self, call):
        os.fchown(self.fd(call["slot"]), call["uid"], call["gid"])

    def do_futimes(self, call):
        os.utime(self.fd(call["slot"]), ns=(call["time"], call["time"]))

    def do_fsync(self, call):
        os.fsync(self.fd(call["slot"]))

    def do_map(self, call):
        fd = self.fd(call["slot"])
        state = os.fstat(fd)
        size = state.st_size
        if size == 0 or stat.S_ISDIR(state.st_mode):
            return None
        with mmap.mmap(fd, size) as memory:
            got = digest(memory[:])
            at = call["offset"] % size
            data = content(min(call["size"], size - at), call["fill"])
            memory[at : at + len(data)] = data
            if call["sync"]:
                memory.flush()
            return got

    def do_copy_range(self, call):
        return os.copy_file_range(self.fd(call["slot"]), self.fd(call["target"]), call["size"], call["offset"], call["to_offset"])

    def do_fgetxattr(self, call):
        return digest(os.getxattr(self.fd(call["slot"]), call["name"]))

    def do_fsetxattr(self, call):
        os.setxattr(self.fd(call["slot"]), call["name"], content(call["size"], 2), call["how"])

    def tree(self):
        """Everything below the root."""
        nodes, links = {}, {}
        for folder, folders, files in os.walk(self.root):
            # The order in which the walk goes on: "same as" names the first one met.
            folders.sort()
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, self.root)
                state = os.lstat(path)
                node = shown(state)
                kind = stat.S_IFMT(state.st_mode)
                if kind == stat.S_IFREG:
                    with open(path, "rb") as file:
                        node["content"] = digest(file.read())
                    if state.st_nlink > 1:
                        node["same as"] = links.setdefault(state.st_ino, relative)
                elif kind == stat.S_IFLNK:
                    node["points"] = os.readlink(path)
                if kind in (stat.S_IFREG, stat.S_IFDIR):
                    node["xattrs"] = {name: digest(os.getxattr(path, name)) for name in sorted(os.listxattr(path))}
                nodes[relative] = node
        return nodes


def effects(before, after):
    """What moved: per node its state afterwards and which of its times changed."""
    result = {}
    for name, now in after.items():
        was = before.get(name)
        if isinstance(now, int):
            result[name] = errno.errorcode[now]
            continue
        result[name] = shown(now)
        if was is not None and not isinstance(was, int) and was.st_ino == now.st_ino and not stat.S_ISFIFO(now.st_mode):
            result[name]["moved"] = [kind for kind in ("mtime", "ctime") if getattr(was, f"st_{kind}_ns") != getattr(now, f"st_{kind}_ns")]
            if any(getattr(was, f"st_{kind}_ns") > getattr(now, f"st_{kind}_ns") for kind in ["ctime"]):
                result[name]["moved"].append("ctime backwards")
    return result


def keep_common_moves(mount, plain):
    """A lesson keeps its inode number when it is replaced: times are compared where both sides have the same node."""
    for one, other in ((mount, plain), (plain, mount)):
        for name, state in one.items():
            if not (isinstance(other.get(name), dict) and "moved" in other[name]) and isinstance(state, dict):
                state.pop("moved", None)


def is_scratch(relative):
    """Of the names that the test uses."""
    return any(part == ".git" or part.endswith((".swp", "~", ".tmp")) for part in relative.split("/"))


def is_excepted(mount, call):
    """Calls that a book documents to refuse where an ordinary file system would not."""
    if call["call"] == "link":
        return not (is_scratch(call["path"]) and is_scratch(call["to"]))
    if call["call"] in ("fsetxattr", "fgetxattr"):
        # A file without a name has nothing to keep extended attributes with.
        return call["slot"] in mount.slots and os.fstat(mount.slots[call["slot"]]).st_nlink == 0
    if call["call"] in ("chown", "fchown") and call["uid"] == call["gid"] == -1:
        # The kernel does not say that somebody else's set-id bits are to be taken, so that it cannot be refused.
        return call["user"] != "root"
    if call["call"] == "rename":
        for one, other in ((call["path"], call["to"]), (call["to"], call["path"])):
            state = mount.state(one)
            if isinstance(state, int):
                continue
            # Directories do not move into scratch or out of it, and a hard link of scratch is no hard link in the book.
            special = stat.S_ISDIR(state.st_mode) or state.st_nlink > 1
            if special and is_scratch(one) != is_scratch(other):
                return True
    return False


def serve(request):
    mount, plain = Side(request["mount"]), Side(request["plain"])
    os.umask(request["umask"])
    answers = []
    try:
        for call in request["calls"]:
            if is_excepted(mount, call):
                answers.append(None)
                continue
            pair = [side.run(call) for side in (mount, plain)]
            keep_common_moves(*(answer.get("effects", {}) for answer in pair))
            answers.append(pair)
        trees = [side.tree() for side in (mount, plain)]
    finally:
        become("root")
        os.umask(0)
        for side in (mount, plain):
            side.close_all()
    return {"answers": answers, "trees": trees, "closed": [side.tree() for side in (mount, plain)]}


for line in sys.stdin:
    print(json.dumps(serve(json.loads(line))), flush=True)
