// Many at once through the real kernel: open files, writers and readers of one file, clients that die, busy unmounts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, sh, withBook } from "./harness.ts";

test("parallel: 1,000 open files at once, each with its own bytes", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
fds = [os.open(f"f{i}", os.O_CREAT | os.O_RDWR) for i in range(1000)]
for i, fd in enumerate(fds): os.write(fd, f"file {i}".encode())
for i, fd in enumerate(fds): assert os.pread(fd, 50, 0) == f"file {i}".encode()
for fd in fds: os.close(fd)
for i in range(1000): assert get(f"f{i}") == f"file {i}".encode()
`,
    );
  });
});

test("parallel: 64 writers and readers of one file; no write is torn or lost", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("f", bytes(32 * 4096)); failures = []
def writer(slot):
    fd = os.open("f", os.O_RDWR)
    for turn in range(40): os.pwrite(fd, bytes([slot + 1]) * 4096, slot * 4096)
    os.close(fd)
def reader(slot):
    for turn in range(40):
        block = os.pread(fd_shared, 4096, slot * 4096)
        if block != block[:1] * 4096 or block[0] not in (0, slot + 1): failures.append((slot, block[:8]))
fd_shared = os.open("f", os.O_RDONLY)
threads = [threading.Thread(target=work, args=(slot,)) for slot in range(32) for work in (writer, reader)]
for t in threads: t.start()
for t in threads: t.join()
assert not failures, failures[:3]
data = get("f"); assert len(data) == 32 * 4096 and all(data[s * 4096:(s + 1) * 4096] == bytes([s + 1]) * 4096 for s in range(32))
`,
    );
  });
});

test("parallel: appends of many processes all arrive whole", async () => {
  await withBook({}, async ({ dir }) => {
    await sh(
      dir,
      `for n in $(seq 16); do (for i in $(seq 25); do echo "writer $n line $i" >> log; done) & done; wait
       test $(wc -l < log) = 400 && test $(sort -u log | wc -l) = 400 && test $(grep -cE '^writer [0-9]+ line [0-9]+$' log) = 400`,
    );
  });
});

test("parallel: exclusive creation has one winner", async () => {
  await withBook({}, async ({ dir }) => {
    const winners = await sh(
      dir,
      `for round in $(seq 20); do for n in $(seq 8); do (set -C; echo $n > lock-$round) 2>/dev/null && echo won & done; wait; done`,
    );
    assert.equal(winners.trim().split("\n").length, 20);
  });
});

test("W2: a client that is killed in the middle of a write leaves what it had written, and the mount goes on", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
child = subprocess.Popen([sys.executable, "-c", "import os, time\\nfd = os.open('f', os.O_CREAT | os.O_WRONLY)\\nos.write(fd, b'half')\\nprint(1, flush=True)\\ntime.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline(); child.kill(); child.wait()
for _ in range(200):
    if os.path.exists("f") and get("f") == b"half": break
    time.sleep(0.01)
assert get("f") == b"half"; put("g", b"on"); assert get("g") == b"on"
`,
    );
  });
});

test("git: a repository on the mount: init, add, commit, branch, checkout, gc, fsck", async () => {
  await withBook({}, async ({ dir }) => {
    await sh(
      dir,
      `export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
       git init -q . && git config user.email a@b.c && git config user.name a && echo .pfs > .git/info/exclude
       for i in $(seq 60); do mkdir -p dir$((i % 7)); echo "file $i" > dir$((i % 7))/f$i; done
       git add -A && git commit -qm one && git checkout -qb other && git mv dir1 moved && sed -i s/file/FILE/ dir2/* && git commit -qam two
       git checkout -q - && test -e dir1/f1 && git merge -q other && test -e moved/f1 && git gc -q && git fsck --strict
       test -z "$(git status --porcelain)" && rm -rf .git dir* moved && test "$(ls -A)" = .pfs`,
    );
  });
});
