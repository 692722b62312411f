// Unlinked open files: readable and writable until the last close, and never saved.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, sh, withBook } from "./harness.ts";

test("orphans: an unlinked open file goes on, also when its path comes back", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("a.md", b"first"); fd = os.open("a.md", os.O_RDWR); inode = os.fstat(fd).st_ino
os.unlink("a.md"); fails("ENOENT", os.stat, "a.md"); assert os.fstat(fd).st_nlink == 0
assert os.pread(fd, 9, 0) == b"first"; os.pwrite(fd, b"FIRST and more", 0)
put("a.md", b"second"); assert get("a.md") == b"second" and os.pread(fd, 99, 0) == b"FIRST and more"
assert os.stat("a.md").st_ino != os.fstat(fd).st_ino
os.ftruncate(fd, 3); assert os.fstat(fd).st_size == 3 and os.stat("a.md").st_size == 6
os.fchmod(fd, 0o600); assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600 and stat.S_IMODE(os.stat("a.md").st_mode) == 0o644
os.fsync(fd); again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY); assert os.pread(again, 9, 0) == b"FIR"
os.close(fd); assert os.pread(again, 9, 0) == b"FIR"; os.close(again); assert get("a.md") == b"second"
# never saved at all
fd = os.open("b.md", os.O_CREAT | os.O_RDWR); os.write(fd, b"x" * 1000); os.unlink("b.md"); os.write(fd, b"y")
assert os.pread(fd, 2, 999) == b"xy" and os.fstat(fd).st_size == 1001; os.close(fd)
# scratch
put(".c.swp", b"scratch"); fd = os.open(".c.swp", os.O_RDWR); os.unlink(".c.swp"); os.write(fd, b"S")
assert os.pread(fd, 9, 0) == b"Scratch" and os.fstat(fd).st_nlink == 0; os.close(fd)
# large
put("big.bin", b"q" * 1_000_000); fd = os.open("big.bin", os.O_RDWR); os.unlink("big.bin"); os.pwrite(fd, b"Q", 500_000)
assert os.pread(fd, 3, 499_999) == b"qQq"; os.close(fd)
m = mmap.mmap(os.open("m.md", os.O_CREAT | os.O_RDWR), 0) if False else None
`,
    );
    assert.equal((await sh(dir, "ls -A")).trim(), ".pfs\na.md");
  });
});

test("orphans: 200 files replaced while open keep their own bytes each", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
kept = []
for i in range(200):
    put("f.md", f"version {i}"); kept.append(os.open("f.md", os.O_RDONLY))
    if i % 2: os.unlink("f.md")
    else: put("f.md.tmp.9", f"replacement {i}"); os.rename("f.md.tmp.9", "f.md")
assert len({os.fstat(fd).st_ino for fd in kept}) == 200
for i, fd in enumerate(kept): assert os.pread(fd, 50, 0) == f"version {i}".encode(), i
for fd in kept: os.close(fd)
fails("ENOENT", os.stat, "f.md")
`,
    );
  });
});
