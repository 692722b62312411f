// Files through the real kernel: making, writing, appending, truncating, seeking, holes, copies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, sh, withBook } from "./harness.ts";

test("files: what is written is read, in parts, past the end and beyond it", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("a", b"0123456789")
assert os.stat("a").st_size == 10
with open("a", "rb") as f:
    f.seek(4); assert f.read(3) == b"456"
    f.seek(8); assert f.read(100) == b"89"
    f.seek(50); assert f.read(1) == b""
fd = os.open("a", os.O_RDWR)
assert os.pwrite(fd, b"X", 20) == 1
assert get("a") == b"0123456789" + bytes(10) + b"X", get("a")
assert os.fstat(fd).st_size == 21
os.close(fd)
assert os.stat("a").st_size == 21
data = os.urandom(3_000_000)
put("big", data); assert get("big") == data
fd = os.open("big", os.O_RDWR); os.pwrite(fd, b"mid", 1_500_000); os.close(fd)
assert get("big") == data[:1_500_000] + b"mid" + data[1_500_003:]
put("empty", b""); assert get("empty") == b""
`,
    );
  });
});

test("files: bytes survive a restart of the server unchanged (CRLF, no final newline, BOM)", async () => {
  await withBook({}, async ({ dir, restart }) => {
    const program = `
samples = {"crlf": b"a\\r\\nb\\r\\n", "bare": b"no newline", "bom": b"\\xef\\xbb\\xbfx", "nul": bytes(5), "large": b"q" * 400_000}
`;
    await python(dir, `${program}\nfor name, data in samples.items(): put(name, data)`);
    const before = await sh(dir, "stat -c '%n %i %s %Y %a' *");
    await restart();
    await python(dir, `${program}\nfor name, data in samples.items(): assert get(name) == data, name`);
    assert.equal(
      await sh(dir, "stat -c '%n %i %s %Y %a' *"),
      before,
      "I1: same inode numbers, sizes, times, modes",
    );
  });
});

test("files: O_EXCL, O_TRUNC, O_APPEND, O_DIRECT, O_DIRECTORY, O_NOFOLLOW, access modes", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
fd = os.open("a", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
fails("EBADF", os.read, fd, 1)
os.write(fd, b"hello"); os.close(fd)
assert stat.S_IMODE(os.stat("a").st_mode) == 0o640
fails("EEXIST", os.open, "a", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
fd = os.open("a", os.O_CREAT | os.O_WRONLY); os.close(fd); assert get("a") == b"hello"
fd = os.open("a", os.O_RDONLY); fails("EBADF", os.write, fd, b"x"); os.close(fd)
fd = os.open("a", os.O_WRONLY | os.O_TRUNC); assert os.fstat(fd).st_size == 0; assert os.stat("a").st_size == 0; os.close(fd)
assert get("a") == b""
put("a", b"one")
one = os.open("a", os.O_WRONLY | os.O_APPEND); two = os.open("a", os.O_WRONLY | os.O_APPEND)
os.write(one, b"-1"); os.write(two, b"-2"); os.pwrite(one, b"-3", 0)
assert get("a") == b"one-1-2-3", get("a")
os.close(one); os.close(two); assert get("a") == b"one-1-2-3"
fd = os.open("d", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
buffer = mmap.mmap(-1, 8192); buffer.write(b"D" * 8192)
assert os.write(fd, buffer) == 8192
target = mmap.mmap(-1, 4096); assert os.preadv(fd, [target], 4096) == 4096 and target[:] == b"D" * 4096
os.close(fd); assert get("d") == b"D" * 8192
fails("ENOTDIR", os.open, "a", os.O_RDONLY | os.O_DIRECTORY)
os.symlink("a", "l"); fails("ELOOP", os.open, "l", os.O_RDONLY | os.O_NOFOLLOW)
os.mkdir("dir"); fails("EISDIR", os.open, "dir", os.O_WRONLY); fails("EISDIR", os.open, "dir", os.O_CREAT | os.O_WRONLY)
fails("ENOENT", os.open, "none", os.O_RDONLY); fails("ENOENT", os.open, "none/x", os.O_CREAT | os.O_WRONLY)
fails("ENOTDIR", os.open, "a/x", os.O_CREAT | os.O_WRONLY); fails("ENOTDIR", os.stat, "a/x")
`,
    );
  });
});

test("files: truncation by path and by handle is seen by all at once", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("a", b"0123456789")
reader = os.open("a", os.O_RDONLY); writer = os.open("a", os.O_RDWR)
assert os.pread(reader, 100, 0) == b"0123456789"
os.truncate("a", 4); assert os.pread(reader, 100, 0) == b"0123" and os.fstat(writer).st_size == 4
os.ftruncate(writer, 6); assert os.pread(reader, 100, 0) == b"0123\\0\\0" and os.stat("a").st_size == 6
os.pwrite(writer, b"z", 7); os.truncate("a", 8); assert os.pread(reader, 100, 0) == b"0123\\0\\0\\0z"
os.ftruncate(writer, 0); os.ftruncate(writer, 3); assert os.pread(reader, 9, 0) == bytes(3)
os.close(writer); os.close(reader); assert get("a") == bytes(3)
put("b", b"x" * 300_000); os.truncate("b", 200_001); assert get("b") == b"x" * 200_001
os.truncate("b", 250_000); assert get("b") == b"x" * 200_001 + bytes(49_999)
fails("EINVAL", os.truncate, "b", -1); fails("ENOENT", os.truncate, "none", 0)
os.mkdir("dir"); fails("EISDIR", os.truncate, "dir", 0)
before = os.stat("b"); time.sleep(0.01); os.truncate("b", 1); after = os.stat("b")
assert after.st_mtime_ns > before.st_mtime_ns and after.st_ctime_ns > before.st_ctime_ns
`,
    );
  });
});

test("files: holes: lseek finds them, fallocate makes them", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
fd = os.open("a", os.O_CREAT | os.O_RDWR)
os.write(fd, b"x" * 100)
assert os.lseek(fd, 0, os.SEEK_DATA) == 0 and os.lseek(fd, 0, os.SEEK_HOLE) == 100
fails("ENXIO", os.lseek, fd, 100, os.SEEK_DATA); fails("ENXIO", os.lseek, fd, 101, os.SEEK_HOLE)
assert os.lseek(fd, 0, os.SEEK_END) == 100
fallocate(fd, 0, 0, 1000); assert os.fstat(fd).st_size == 1000
fallocate(fd, 1, 0, 5000); assert os.fstat(fd).st_size == 1000
fallocate(fd, 3, 10, 20); assert os.pread(fd, 100, 0) == b"x" * 10 + bytes(20) + b"x" * 70
fallocate(fd, 16, 40, 10); assert os.pread(fd, 60, 40)[:10] == bytes(10)
fails("EOPNOTSUPP", fallocate, fd, 8, 0, 4096); fails("EINVAL", fallocate, fd, 0, 0, 0)
os.posix_fallocate(fd, 0, 2000); assert os.fstat(fd).st_size == 2000
os.close(fd)
assert os.stat("a").st_size == 2000 and get("a")[:10] == b"x" * 10
`,
    );
  });
});

test("files: copy_file_range within and across files", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
data = os.urandom(2_500_000); put("a", data)
a = os.open("a", os.O_RDWR); b = os.open("b", os.O_CREAT | os.O_RDWR)
done = 0
while True:
    count = os.copy_file_range(a, b, 1 << 30)
    if count == 0: break
    done += count
assert done == len(data); os.close(b); assert get("b") == data
assert os.copy_file_range(a, a, 1000, 0, 2_500_000) == 1000
assert os.copy_file_range(a, a, 1000, 9_000_000, 0) == 0
fails("EINVAL", os.copy_file_range, a, a, 1000, 0, 500)
os.close(a); assert get("a") == data + data[:1000]
`,
    );
    await sh(dir, "cp a c && cmp a c && cp --reflink=auto --sparse=always a d && cmp a d");
  });
});

test("files: O_TMPFILE is refused in the way that programs fall back from; ioctl is ENOTTY", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
fails("EOPNOTSUPP", os.open, ".", os.O_TMPFILE | os.O_RDWR)
put("a", b"x")
with open("a") as f: fails("ENOTTY", fcntl.ioctl, f, 0x80086601, bytes(8))
import tempfile
with tempfile.TemporaryFile(dir=".") as f: f.write(b"x"); f.flush()
`,
    );
  });
});
