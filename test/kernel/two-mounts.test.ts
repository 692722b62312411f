// C1: what is closed on one mount is seen by an open, a read and a stat on another of the same book.

import assert from "node:assert/strict";
import { test } from "node:test";
import { both, sh, withBook } from "./harness.ts";

test("C1: saves, however they are made, are seen at once, 300 times in a row", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await both(
      book,
      `
put(A + "f", b"start"); assert get(B + "f") == b"start"
for i in range(100):
    for one, other in ((A, B), (B, A)):
        put(one + "f", f"{one} {i}" * 50); assert get(other + "f") == (f"{one} {i}" * 50).encode(); assert os.stat(other + "f").st_size == len(f"{one} {i}" * 50)
    put(A + "f.tmp.77", f"atomic {i}"); os.rename(A + "f.tmp.77", A + "f"); assert get(B + "f") == f"atomic {i}".encode()
    assert os.stat(A + "f").st_ino == os.stat(B + "f").st_ino
`,
    );
  });
});

test("C1: new, removed and renamed files and directories are seen, also after they were found absent", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await both(
      book,
      `
for i in range(50):
    for one, other in ((A, B), (B, A)):
        fails("ENOENT", os.stat, other + "new"); os.listdir(other)
        put(one + "new", b"n"); assert get(other + "new") == b"n"
        os.unlink(one + "new")
        for _ in range(100):
            if not os.path.exists(other + "new"): break
            time.sleep(0.002)
        fails("ENOENT", os.stat, other + "new")
def eventually(check):
    for _ in range(200):
        if check(): return
        time.sleep(0.005)
    raise AssertionError("never seen")
os.makedirs(A + "d/e"); put(A + "d/e/f", b"1"); assert get(B + "d/e/f") == b"1" and os.listdir(B + "d") == ["e"]
os.rename(A + "d/e", A + "d/g"); eventually(lambda: os.listdir(B + "d") == ["g"] and not os.path.exists(B + "d/e")); assert get(B + "d/g/f") == b"1"
os.chmod(A + "d/g/f", 0o755); eventually(lambda: stat.S_IMODE(os.stat(B + "d/g/f").st_mode) == 0o755)
put(A + "scratch.swp", b"s1"); put(A + ".x.swp", b"s2"); assert get(B + ".x.swp") == b"s2"; put(B + ".x.swp", b"s3"); assert get(A + ".x.swp") == b"s3"
os.truncate(A + "d/g/f", 0); assert os.stat(B + "d/g/f").st_size == 0
`,
    );
  });
});

test("C1: an append through a descriptor goes to the file's end, also if that has moved on the other mount since", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await both(
      book,
      `
put(A + "f", b"a long first version"); fd = os.open(B + "f", os.O_WRONLY | os.O_APPEND)
for text in (b"short", b"long again, longer than all", b""):
    put(A + "f", text); os.write(fd, b"+"); os.write(fd, b"1"); os.fsync(fd)
    assert get(A + "f") == get(B + "f") == text + b"+1", get(B + "f")
    assert os.fstat(fd).st_size == os.stat(A + "f").st_size == len(text) + 2
os.close(fd)
`,
    );
  });
});

test("C1: files that are open on one mount while the other replaces or removes them", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await both(
      book,
      `
put(A + "f", b"one"); fd = os.open(B + "f", os.O_RDONLY); assert os.pread(fd, 9, 0) == b"one"
put(A + "f.tmp.1", b"two"); os.rename(A + "f.tmp.1", A + "f"); assert os.pread(fd, 9, 0) == b"two"
os.unlink(A + "f"); time.sleep(0.05); assert os.pread(fd, 9, 0) == b"two"; os.fstat(fd); os.close(fd)
fails("ENOENT", get, B + "f")
put(A + "g", b"old"); fd = os.open(B + "g", os.O_RDWR); os.unlink(A + "g"); put(A + "g", b"new"); os.close(fd); assert get(B + "g") == b"new" and get(A + "g") == b"new"
a, b = os.open(A + "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND), os.open(B + "log", os.O_WRONLY | os.O_APPEND)
for i in range(20): os.write(a, b"a"); os.write(b, b"b")
os.close(a); os.close(b); assert get(A + "log") == b"ab" * 20 and get(B + "log") == b"ab" * 20, get(A + "log")
`,
    );
  });
});

test("C1: no deadlock when both mounts change the same directories, and in the end both see the same", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    const [a, b] = book.dirs as [string, string];
    const churn = (name: string): string =>
      `mkdir -p d; for i in $(seq 80); do echo ${name}$i > d/${name}$i; mv d/${name}$i d/${name}-moved-$i; cat d/* > /dev/null 2>&1 || :; if [ $((i % 3)) = 0 ]; then rm d/${name}-moved-$i; fi; done`;
    await Promise.all([sh(a, churn("a")), sh(a, churn("b")), sh(b, churn("c")), sh(b, churn("d"))]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const listing = "find d | sort; cat d/*";
    assert.equal(await sh(a, listing), await sh(b, listing));
    assert.equal((await sh(b, "ls d | wc -l")).trim(), String(4 * (80 - 26)));
  });
});
