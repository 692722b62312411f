// Directories through the real kernel: many entries, listings that go on, link counts, removal under churn.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MANY_FILES, python, sh, withBook } from "./harness.ts";

test("directories: link counts, times, emptiness, errors", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
root = os.stat(".").st_nlink
os.mkdir("d"); assert os.stat("d").st_nlink == 2 and os.stat(".").st_nlink == root + 1
os.mkdir("d/e"); os.mkdir("d/f"); put("d/file", b""); assert os.stat("d").st_nlink == 4
fails("ENOTEMPTY", os.rmdir, "d"); fails("EEXIST", os.mkdir, "d"); fails("ENOTDIR", os.rmdir, "d/file")
fails("EISDIR", os.unlink, "d/e"); fails("ENOENT", os.rmdir, "none"); fails("ENOENT", os.mkdir, "none/x")
fails("ENOTDIR", os.mkdir, "d/file/x"); fails("EINVAL", os.rmdir, "d/.")
before = os.stat("d"); time.sleep(0.01); os.rmdir("d/e"); after = os.stat("d")
assert after.st_nlink == 3 and after.st_mtime_ns > before.st_mtime_ns and after.st_ctime_ns > before.st_ctime_ns
before = after; time.sleep(0.01); put("d/new", b""); after = os.stat("d"); assert after.st_mtime_ns > before.st_mtime_ns
before = after; time.sleep(0.01); os.unlink("d/new"); after = os.stat("d"); assert after.st_mtime_ns > before.st_mtime_ns
os.mkdir("m", 0o1777 & ~0o022); os.chmod("m", 0o1777); assert stat.S_IMODE(os.stat("m").st_mode) == 0o1777
os.chdir("d/f"); os.rmdir("../f"); fails("ENOENT", put, "x", b""); assert os.listdir(".") == []
`,
    );
  });
});

test(`directories: ${MANY_FILES} entries are listed once each, also when the listing is interrupted and goes on`, async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
os.mkdir("many")
names = {f"file-{i:05}.md" for i in range(${MANY_FILES})}
for name in names: os.close(os.open("many/" + name, os.O_CREAT | os.O_WRONLY))
listed = os.listdir("many"); assert len(listed) == ${MANY_FILES} and set(listed) == names
types = [entry.is_file(follow_symlinks=False) for entry in os.scandir("many")]; assert all(types)
inodes = {entry.name: entry.inode() for entry in os.scandir("many")}
for name in list(names)[:200]: assert os.stat("many/" + name).st_ino == inodes[name]
# telldir, seekdir
libc.opendir.restype = ctypes.c_void_p; libc.readdir.restype = ctypes.c_void_p; libc.telldir.restype = ctypes.c_long
stream = ctypes.c_void_p(libc.opendir(b"many"))
def step():
    entry = libc.readdir(stream)
    return ctypes.string_at(entry + 19) if entry else None
places = []
for _ in range(1500): places.append((libc.telldir(stream), step()))
for at, name in places[1499::-171]:
    libc.seekdir(stream, ctypes.c_long(at)); assert step() == name
libc.rewinddir(stream); assert step() == places[0][1]
libc.closedir(stream)
`,
    );
    assert.equal((await sh(dir, "rm -r many; ls -A")).trim(), ".pfs");
  });
});

test("directories: a listing in progress shows every entry that stays, whatever comes and goes", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
os.mkdir("d")
stay = {f"stay-{i}" for i in range(500)}
for i in range(500): put(f"d/stay-{i}", b""); put(f"d/go-{i}", b"")
seen = []
with os.scandir("d") as listing:
    for count, entry in enumerate(listing):
        seen.append(entry.name)
        if count % 3 == 0 and os.path.exists(f"d/go-{count // 3}"): os.unlink(f"d/go-{count // 3}")
        if count % 5 == 0: put(f"d/new-{count}", b"")
assert len(seen) == len(set(seen)) and stay <= set(seen)
assert set(os.listdir("d")) == stay | {n for n in os.listdir("d") if not n.startswith("stay")}
`,
    );
  });
});

test("directories: rm -rf after heavy parallel churn leaves nothing", async () => {
  await withBook({}, async ({ dir }) => {
    await sh(
      dir,
      `mkdir churn
       churn() { for i in $(seq 60); do mkdir -p churn/$1/$i/sub; echo $i > churn/$1/$i/sub/f; mv churn/$1/$i/sub/f churn/$1/$i/g
         if [ $((i % 3)) = 0 ]; then rm -r churn/$1/$i; fi; if [ $((i % 5)) = 1 ]; then mv churn/$1/$i churn/$1/moved-$i; fi; done; }
       for n in 1 2 3 4; do churn $n & done; wait
       find churn -type f | wc -l
       rm -rf churn`,
    );
    assert.equal((await sh(dir, "ls -A")).trim(), ".pfs");
  });
});

test("directories: `.` and `..` have the inode numbers that stat says", async () => {
  await withBook({}, async ({ dir }) => {
    await sh(dir, "mkdir -p a/b/c");
    const listed = await sh(dir, "ls -aifd a/b/. a/b/..; ls -aif a/b | sort");
    const stats = await sh(
      dir,
      "stat -c '%i' a/b a; stat -c '%i .' a/b; stat -c '%i ..' a; stat -c '%i c' a/b/c",
    );
    const numbers = (text: string): string[] => [...text.matchAll(/\d{5,}/g)].map(String).sort();
    assert.deepEqual(numbers(listed), numbers(stats));
  });
});
