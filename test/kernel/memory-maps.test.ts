// mmap(2) through the real kernel: reads, shared writes, late writes, coherence with read and write.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, withBook } from "./harness.ts";

test("mmap: shared and private maps read and write; what is written is there after munmap", async () => {
  await withBook({}, async ({ dir, restart }) => {
    await python(
      dir,
      `
put("a", b"a" * 10000)
with open("a", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0); assert m[9999:] == b"a"
    m[5000:5005] = b"BBBBB"; assert get("a")[4999:5006] == b"aBBBBBa"
    os.pwrite(f.fileno(), b"C", 0); assert m[0:2] == b"Ca"
    private = mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE); private[1:2] = b"P"; assert get("a")[1:2] == b"a"
    m.flush(); m.close(); private.close()
assert get("a")[:1] == b"C" and get("a")[5000:5005] == b"BBBBB"
`,
    );
    await restart();
    await python(
      dir,
      `data = get("a"); assert len(data) == 10000 and data[:1] == b"C" and data[5000:5005] == b"BBBBB"`,
    );
  });
});

test("mmap: a write after close is saved, under the name of the program that wrote it", async () => {
  await withBook({}, async ({ dir, restart }) => {
    await python(
      dir,
      `
put("a", b"a" * 4096); before = os.stat("a")
fd = os.open("a", os.O_RDWR); m = mmap.mmap(fd, 4096); os.close(fd)
m[0:4] = b"late"; m.close()
`,
    );
    const content = await python(dir, `print(get("a")[:6].decode())`);
    assert.equal(content.trim(), "lateaa");
    await restart();
    assert.equal((await python(dir, `print(get("a")[:6].decode())`)).trim(), "lateaa");
  });
});

test("mmap: growing and shrinking a mapped file", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
fd = os.open("a", os.O_CREAT | os.O_RDWR); os.ftruncate(fd, 8192); m = mmap.mmap(fd, 8192)
m[8190:8192] = b"zz"; os.ftruncate(fd, 4096); os.ftruncate(fd, 8192); assert m[8190:8192] == bytes(2)
m[0:3] = b"abc"; m.flush(); assert os.pread(fd, 3, 0) == b"abc"; m.close(); os.close(fd)
assert os.stat("a").st_size == 8192 and get("a")[:3] == b"abc"
`,
    );
  });
});
