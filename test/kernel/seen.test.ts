// W1 through a real kernel, with its cache of pages: who has read what is known, and nobody is refused without a reason.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Book, python, sh, withBook } from "./harness.ts";

async function refusals({ dir }: Book): Promise<{ code: string; message: string; count: number }[]> {
  const lines = (await readFile(join(dir, ".pfs/errors.jsonl"), "utf8")).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/** Python: another process that saves bytes in a file when it is told to, without ever reading it. */
const OTHER = `
class Other:
    def __init__(self):
        code = "import sys\\nfor line in sys.stdin:\\n  path, text = line.rstrip(chr(10)).split(chr(9)); f = open(path, 'w'); f.write(text); f.close(); print(flush=True)"
        self.child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    def save(self, path, text):
        self.child.stdin.write(f"{path}\\t{text}\\n"); self.child.stdin.flush(); self.child.stdout.readline()
    def end(self): self.child.stdin.close(); self.child.wait()
other = Other()
def in_thread(call):
    result = []
    def run():
        try: result.append(call())
        except OSError as error: result.append(error)
    thread = threading.Thread(target=run); thread.start(); thread.join()
    if isinstance(result[0], OSError): raise result[0]
    return result[0]
`;

test("W1: a thread that reads and ends counts as its process, 200 times, whatever the kernel has cached", async () => {
  await withBook({}, async (book) => {
    const missed = await python(
      book.dir,
      `${OTHER}
missed = 0
for i in range(200):
    other.save("f", f"first {i}")
    if i % 2 == 0: subprocess.run(["cat", "f"], stdout=subprocess.DEVNULL, check=True)
    assert in_thread(lambda: get("f")) == f"first {i}".encode()
    other.save("f", f"second {i}")
    try: in_thread(lambda: put("f", b"mine")); missed += 1
    except OSError as error: assert error.errno == errno.ESTALE
    assert missed or in_thread(lambda: get("f")) == f"second {i}".encode()
    in_thread(lambda: put("f", b"merged"))
other.end()
print(missed)
`,
    );
    assert.equal(missed.trim(), "0", "lost updates");
  });
});

test("W1: reading again through an open descriptor is heard, although the kernel has pages of the file", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await python(
      book.dir,
      `${OTHER}
for at in (os.getcwd(), ${JSON.stringify(book.dirs[1])}):
    path = at + "/f"
    other.save(path, "0"); fd = os.open("f", os.O_RDONLY); both = os.open("f", os.O_RDWR); time.sleep(1.1)
    for i in range(1, 100):
        assert os.pread(fd, 99, 0) == str(i - 1).encode()
        other.save(path, str(i))
        if i % 2:
            fails("ESTALE", os.pwrite, both, b"x", 0)
        assert os.pread(fd if i % 3 else both, 99, 0) == str(i).encode()
        os.pwrite(both, str(i).encode(), 0); os.fsync(both)
    os.close(fd); os.close(both)
other.end()
`,
    );
  });
});

test("W1: what was read of another program's draft may not be saved, on its mount or another, although the draft came to nothing", async () => {
  await withBook({ mounts: 2 }, async (book) => {
    await python(
      book.dir,
      `
code = '''
import os, sys
for line in sys.stdin:
    fd = os.open("f", os.O_WRONLY | (os.O_TRUNC if line.strip() == "empty" else 0)); os.write(fd, b"half"); print(flush=True); sys.stdin.readline()
    os.pwrite(fd, b"whole", 0); os.close(fd); print(flush=True)
'''
put("f", b"whole")
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def tell(line): print(line, file=child.stdin, flush=True); child.stdout.readline()
for at in (${JSON.stringify(book.dirs[0])}, ${JSON.stringify(book.dirs[1])}):
    path = at + "/f"
    for how, seen in (("empty", b"half"), ("over", b"halfe")):
        fd = os.open(path, os.O_RDONLY); tell(how)
        assert os.pread(fd, 99, 0) == seen, os.pread(fd, 99, 0); os.close(fd); tell("on")
        fails("ESTALE", put, path, b"mine")
        assert get(path) == b"whole"; put(path, b"whole")
        tell(how); assert get(path) == seen; tell("on")
        fails("ESTALE", put, path, b"mine")
        assert get(path) == b"whole"; put(path, b"whole")
child.stdin.close(); child.wait()
`,
    );
  });
});

test("W1: a shell's descriptors: children that inherited them, redirections, appends, here and there", async () => {
  await withBook({ check: "require" }, async (book) => {
    await sh(
      book.dir,
      `
echo 0 > f; mapfile -t all < f
{ echo 1; cat /etc/hostname; printf 'x\\n'; } > f
exec 3>> f; echo 2 >&3; sh -c 'echo 3 >&3'; exec 3>&-
test "$(tail -n 2 f)" = "$(printf '2\\n3')"
exec 4<> f; cat <&4 > /dev/null; echo 4 >&4; exec 4>&-
test "$(tail -n 1 f)" = 4
! sh -c 'echo blind > f' 2> /dev/null
! sh -c 'rm f' 2> /dev/null
sh -c 'read -r _ < f; echo seen > f; echo again >> f'
`,
    );
    const found = await refusals(book);
    assert.deepEqual(new Set(found.map(({ code }) => code)), new Set(["HASH_REQUIRED"]));
  });
});

test("W1: never a false conflict: one process rewriting, truncating, with two handles, mapped, on two mounts", async () => {
  await withBook({ mounts: 2, check: "require" }, async (book) => {
    await python(
      book.dir,
      `
A, B = ${JSON.stringify(`${book.dirs[0]}/`)}, ${JSON.stringify(`${book.dirs[1]}/`)}
for i in range(100): put(A + "f", f"{i}"); assert get(A + "f") == f"{i}".encode()
for i in range(50):
    for at in (A, B): put(at + "f", f"{i}"); assert get((B if at is A else A) + "f") == f"{i}".encode()
fd = os.open(A + "f", os.O_RDWR)
for i in range(50): os.ftruncate(fd, 0); os.pwrite(fd, b"truncated", 0); os.fsync(fd); os.truncate(A + "f", 3); os.pwrite(fd, b"x", 5)
two = os.open(A + "f", os.O_RDWR)
for i in range(50): os.pwrite(fd, b"a", i); os.pwrite(two, b"b", i + 1); os.fsync(fd if i % 2 else two); put(A + "f", b"whole")
os.ftruncate(fd, 4096); view = mmap.mmap(fd, 4096)
for i in range(20): view[i] = 65; view.flush(); os.pwrite(two, b"z", 2000 + i)
view.close(); os.close(fd); os.close(two)
put(A + "m", b"mapped"); fd = os.open(A + "m", os.O_RDWR)
with mmap.mmap(fd, 6) as view: assert view[:] == b"mapped"
for i in range(20): os.pwrite(fd, b"%d" % i, 0); os.rename(A + "m", A + "n"); os.rename(A + "n", A + "m")
os.pwrite(fd, b"last", 0); os.rename(A + "m", A + "n"); os.unlink(A + "n"); os.close(fd)
for i in range(50):
    put(A + "f.tmp", f"{i}"); os.rename(A + "f.tmp", A + "f")
    os.rename(A + "f", A + "f~"); put(A + "f", b"dance"); os.unlink(A + "f~")
    os.unlink(A + "f"); put(A + "f", b"anew"); os.rename(A + "f", A + "g"); os.rename(A + "g", A + "f")
`,
    );
    assert.deepEqual(await refusals(book), []);
  });
});

test("W1: never a false conflict: a dev server that reads all the time, an editor that saves in every way, appenders", async () => {
  await withBook({}, async (book) => {
    const { dir } = book;
    const server = spawn(
      process.execPath,
      [
        "-e",
        `const fs = require("fs"); console.log(); setInterval(() => { for (const n of fs.readdirSync(".")) if (!n.startsWith(".")) fs.readFile(n, () => {}); }, 1)`,
      ],
      { cwd: dir, stdio: ["ignore", "pipe", "inherit"] },
    );
    try {
      await once(server.stdout, "data");
      await Promise.all([
        python(
          dir,
          `
put("a.md", b"0")
for i in range(100):
    get("a.md"); put("a.md", f"in place {i}")
    put("a.md.tmp", f"atomic {i}"); os.replace("a.md.tmp", "a.md")
    os.rename("a.md", "a.md~"); put("a.md", f"moved {i}"); os.unlink("a.md~")
`,
        ),
        sh(
          dir,
          "echo start > b.md; for i in $(seq 40); do sed -i s/start/start/ b.md; perl -i -pe s/start/start/ b.md; cat b.md > /dev/null; done",
        ),
        ...["one", "two"].map((name) => sh(dir, `for i in $(seq 60); do echo ${name} >> log.md; done`)),
      ]);
    } finally {
      const exit = once(server, "exit");
      server.kill("SIGKILL");
      await exit;
    }
    assert.equal((await readFile(join(dir, "log.md"), "utf8")).split("\n").length, 121);
    assert.deepEqual(await refusals(book), []);
  });
});

test("W1: never a false conflict: git checkout, stash and rebase, rsync both ways, while a program has read everything", async () => {
  await withBook({}, async (book) => {
    await sh(
      book.dir,
      `
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main .; echo .pfs > .git/info/exclude; for i in $(seq 20); do echo $i > $i.md; done; git add .; git commit -qm one
git checkout -qb side; for i in $(seq 20); do echo side >> $i.md; done; git commit -qam side
git checkout -q main; echo main > main.md; git add .; git commit -qm main
git rebase -q main side; git checkout -q main; git merge -q side; echo dirty >> 1.md; git stash -q; git stash pop -q; git checkout -q -- .
git diff --quiet; git checkout -q HEAD~1; git checkout -q main; git status --short | wc -l | grep -qx 0
cp -r . ${JSON.stringify(`${book.plain}/copy`)}; echo changed > ${JSON.stringify(`${book.plain}/copy/2.md`)}
rsync -r --delete --exclude=.git --exclude=.pfs ${JSON.stringify(`${book.plain}/copy/`)} ./; rsync -rc --inplace --exclude=.git --exclude=.pfs ${JSON.stringify(`${book.plain}/copy/`)} ./
`,
    );
    assert.deepEqual(await refusals(book), []);
  });
});
