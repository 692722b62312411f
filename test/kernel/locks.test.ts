// flock(2) and fcntl(2) locks through the real kernel, between processes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, sh, trySh, withBook } from "./harness.ts";

test("locks: flock excludes other processes until it is given up", async () => {
  await withBook({}, async ({ dir }) => {
    await sh(dir, "touch a");
    const held = await trySh(dir, "exec 9<a; flock 9; flock -n a true");
    assert.equal(held.code, 1);
    await sh(dir, "flock -n a true; flock -n . true");
  });
});

test("locks: fcntl ranges exclude each other, are told, and end with the process", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("a", b"0123456789")
file = open("a", "r+b"); fcntl.lockf(file, fcntl.LOCK_EX, 5, 0)
other = "import fcntl; f = open('a', 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, %d, %d)"
def runs(length, start): return subprocess.run([sys.executable, "-c", other % (length, start)], stderr=subprocess.DEVNULL).returncode == 0
assert not runs(3, 0) and not runs(0, 4) and runs(5, 5)
os.close(os.open("a", os.O_RDONLY)); assert runs(3, 0), "closing any descriptor ends POSIX locks"
fcntl.lockf(file, fcntl.LOCK_SH, 5, 0); assert not runs(5, 0); file.close(); assert runs(5, 0)
`,
    );
  });
});
