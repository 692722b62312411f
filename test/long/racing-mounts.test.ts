// C1, while processes race: what is closed on one mount is seen on another, thousands of times.

import { test } from "node:test";
import { both, withBook } from "../kernel/harness.ts";

test("C1: processes that race on two mounts: 2,000 rounds, and never an old version after a close", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await both(
      book,
      `
# A child writes on one mount, looks at once at the other, and tells each version; others read all the time meanwhile.
WRITER = """
import os, sys
for i in range(2000):
    path, other = sys.argv[1 + i % 2] + "f", sys.argv[2 - i % 2] + "f"
    os.stat(other)
    if i % 3 == 2:
        with open(path + ".tmp", "w") as file: file.write(str(i) * (i % 97 + 1))
        os.rename(path + ".tmp", path)
    else:
        with open(path, "w") as file: file.write(str(i) * (i % 97 + 1))
    size = os.stat(other).st_size
    assert size == len(str(i)) * (i % 97 + 1), (i, size)
    print(i, flush=True); sys.stdin.readline()
"""
READER = """
import sys, time
while True:
    for at in sys.argv[1:]:
        with open(at + "f") as file: file.read()
    time.sleep(0.0005)
"""
put(A + "f", b"")
readers = [subprocess.Popen([sys.executable, "-c", READER, A, B]) for _ in range(2)]
writer = subprocess.Popen([sys.executable, "-c", WRITER, A, B], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
try:
    for i in range(2000):
        assert writer.stdout.readline() == f"{i}\\n"
        for at in (A, B):
            assert get(at + "f") == (str(i) * (i % 97 + 1)).encode(), (i, at, get(at + "f"))
            assert os.stat(at + "f").st_size == len(str(i)) * (i % 97 + 1)
        writer.stdin.write("\\n"); writer.stdin.flush()
    assert writer.wait() == 0
finally:
    for child in (writer, *readers): child.kill(); child.wait()
`,
    );
  });
});

test("C1: a save is seen by a stat on another mount whose kernel forgets the file all the time and is just learning of it", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await both(
      book,
      `
put(A + "f", b"")
READER = """
import os, sys
while True: os.stat(sys.argv[1] + "f")
"""
# What a remount lets go of is what a machine short of memory does: names, and the files that nobody has open.
MS_NOSUID, MS_NODEV, MS_REMOUNT = 2, 4, 32
readers = [subprocess.Popen([sys.executable, "-c", READER, B]) for _ in range(2)]
ended = threading.Event()
def forget():
    while not ended.is_set():
        check(libc.mount, None, os.fsencode(B), None, MS_NOSUID | MS_NODEV | MS_REMOUNT, None); time.sleep(0.0002)
forgetting = threading.Thread(target=forget); forgetting.start()
try:
    for i in range(2000):
        put(A + "f", b"x" * (i % 97 + 1))
        size = os.stat(B + "f").st_size
        assert size == i % 97 + 1, (i, size)
finally:
    ended.set(); forgetting.join()
    for child in readers: child.kill(); child.wait()
`,
    );
  });
});
