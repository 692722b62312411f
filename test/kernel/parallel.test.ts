// Many at once through the real kernel: open files, writers and readers of one file, clients that die, busy unmounts.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { IS_SLOW, python, sh, withBook } from "./harness.ts";

const OPEN_FILES = IS_SLOW ? 250 : 1_000;

test(`parallel: ${OPEN_FILES} open files at once, each with its own bytes`, async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
fds = [os.open(f"f{i}", os.O_CREAT | os.O_RDWR) for i in range(${OPEN_FILES})]
for i, fd in enumerate(fds): os.write(fd, f"file {i}".encode())
for i, fd in enumerate(fds): assert os.pread(fd, 50, 0) == f"file {i}".encode()
for fd in fds: os.close(fd)
for i in range(${OPEN_FILES}): assert get(f"f{i}") == f"file {i}".encode()
`,
    );
  });
});

// With `check=off`: by default each of the others would be refused once one of them has closed the file (W1).
test("parallel: 64 processes write and read one file; no write is torn or lost, and no reader sees one undone", async () => {
  await withBook({ check: "off" }, async ({ dir }) => {
    await python(
      dir,
      `
TURNS = ${IS_SLOW ? 10 : 40}
def block(turn): return struct.pack("<Q", turn) * 512
put("f", block(0) * 32)
def writer(slot):
    fd = os.open("f", os.O_RDWR)
    for turn in range(1, TURNS + 1):
        assert os.pwrite(fd, block(turn), slot * 4096) == 4096
        assert os.pread(fd, 4096, slot * 4096) == block(turn), f"slot {slot}: turn {turn} is lost at once"
    os.close(fd)
def reader(slot):
    fd = os.open("f", os.O_RDONLY); last = 0; patience = time.monotonic() + 60
    while last < TURNS:
        assert time.monotonic() < patience, f"slot {slot}: still {last}"
        data = os.pread(fd, 4096, slot * 4096)
        turns = set(struct.unpack("<512Q", data))
        assert len(turns) == 1, f"slot {slot}: torn: {sorted(turns)}"
        turn = turns.pop()
        assert turn >= last, f"slot {slot}: {turn} after {last}"
        last = turn
    os.close(fd)
children = []
for slot in range(32):
    for work in (writer, reader):
        pid = os.fork()
        if pid == 0:
            try: work(slot)
            except BaseException as error: print(error, file=sys.stderr, flush=True); os._exit(1)
            os._exit(0)
        children.append(pid)
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 64
assert get("f") == block(TURNS) * 32
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

test("W2: a client that is killed in the middle of its writes leaves a prefix of them, whole, and the mount goes on", async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import random
random.seed(${seed})
# Each 8 bytes say which write they are of.
PIECE = 1 << 20; PER_PIECE = PIECE // 8
writing = """import os, struct
fd = os.open('f', os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
print(1, flush=True)
for turn in range(1, 200): os.write(fd, struct.pack('<Q', turn) * (1 << 17))
"""
for old in (None, b"the old version"):
    for attempt in range(8):
        if old is None:
            if os.path.exists("f"): os.unlink("f")
        else: put("f", old)
        child = subprocess.Popen([sys.executable, "-c", writing], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(random.uniform(0, 0.1))
        child.kill(); child.wait(); child.stdout.close()
        # The kernel closes for it, and does not wait for that.
        fd = os.open("f", os.O_RDONLY); data = os.pread(fd, 1 << 28, 0); os.close(fd)
        # A write that the kill cut short ends between two of its requests.
        assert len(data) % 4096 == 0, len(data)
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            assert piece == struct.pack("<Q", at // PIECE + 1) * (len(piece) // 8), f"at {at} of {len(data)}"
    put("g", b"on"); assert get("g") == b"on"
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
       for i in $(seq ${IS_SLOW ? 20 : 60}); do mkdir -p dir$((i % 7)); echo "file $i" > dir$((i % 7))/f$i; done
       git add -A && git commit -qm one && git checkout -qb other && git mv dir1 moved && sed -i s/file/FILE/ dir2/* && git commit -qam two
       git checkout -q - && test -e dir1/f1 && git merge -q other && test -e moved/f1 && ${IS_SLOW ? "git pack-refs --all" : "git gc -q"} && git fsck --strict
       test -z "$(git status --porcelain)" && rm -rf .git dir* moved && test "$(ls -A)" = .pfs`,
    );
  });
});
