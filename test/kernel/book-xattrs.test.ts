// What the book says of a file through extended attributes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, withBook } from "./harness.ts";

test("user.pfs.hash, layer, seq, agent and sync: read by name, of files of the book only, not listed, not to be set", async () => {
  await withBook({}, async ({ dir }) => {
    const said = await python(
      dir,
      `
import hashlib
put("a.md", b"one"); put(".a.md.swp", b"scratch"); os.mkdir("d")
read = lambda path, name: os.getxattr(path, "user.pfs." + name).decode()
assert read("a.md", "hash") == hashlib.sha256(b"one").hexdigest() and read("a.md", "layer") == "base" and read("a.md", "agent") == "test-agent"
assert read("a.md", "sync") == "pending"
first = int(read("a.md", "seq")); put("a.md", b"two"); assert int(read("a.md", "seq")) > first
assert read("a.md", "hash") == hashlib.sha256(b"two").hexdigest()
assert os.listxattr("a.md") == []
for path in (".a.md.swp", "d"): fails("ENODATA", os.getxattr, path, "user.pfs.hash")
fails("ENODATA", os.getxattr, "a.md", "user.pfs.none")
fails("EPERM", os.setxattr, "a.md", "user.pfs.hash", b"x"); fails("EPERM", os.removexattr, "a.md", "user.pfs.hash")
print("done")
`,
    );
    assert.equal(said.trim(), "done");
  });
});

test("FR-003: user.pfs.expect: the next change succeeds only on that version, whoever has read what, and uses it up", async () => {
  for (const check of ["seen", "require", "off"] as const) {
    await withBook({ check }, async ({ dir }) => {
      const said = await python(
        dir,
        `
import hashlib
put("a.md", b"one")
hash_of = lambda text: hashlib.sha256(text).hexdigest().encode()
expect = lambda value: os.setxattr("a.md", "user.pfs.expect", value)
script = lambda text: subprocess.run(["sh", "-c", text], stderr=subprocess.DEVNULL).returncode
fails("EINVAL", expect, b"abc"); fails("ENOENT", os.setxattr, "none.md", "user.pfs.expect", hash_of(b""))
expect(hash_of(b"one")); assert os.getxattr("a.md", "user.pfs.expect") == hash_of(b"one")
assert script("echo two > a.md") == 0 and get("a.md") == b"two\\n"
fails("ENODATA", os.getxattr, "a.md", "user.pfs.expect")
for wrong in (hash_of(b"one"), b"absent"):
    expect(wrong); assert script("echo three > a.md") != 0; assert get("a.md") == b"two\\n"
    expect(wrong); assert script("echo three > .t.swp; mv .t.swp a.md") != 0; assert get("a.md") == b"two\\n"
    expect(wrong); fails("ESTALE", put, "a.md", b"mine")
expect(hash_of(b"one")); os.removexattr("a.md", "user.pfs.expect"); put("a.md", b"mine")
expect(hash_of(b"mine")); assert script("rm a.md") == 0
print("done")
`,
      );
      assert.equal(said.trim(), "done");
    });
  }
});
