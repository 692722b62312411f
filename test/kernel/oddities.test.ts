// What SEMANTICS.md says of a mount that an ordinary file system does not do, or that is easily taken for a fault.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import { python, sh, withBook } from "./harness.ts";

test("hard-linked scratch that is renamed into the book is copied: the other names stay what they are", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put(".a.swp", "bytes"); os.link(".a.swp", ".b.swp"); put("lesson.md", "old"); before = os.stat("lesson.md").st_ino
os.rename(".a.swp", "lesson.md")
assert get("lesson.md") == b"bytes" == get(".b.swp") and os.stat("lesson.md").st_ino == before != os.stat(".b.swp").st_ino
assert os.stat("lesson.md").st_nlink == 1 == os.stat(".b.swp").st_nlink
put(".b.swp", "other"); assert get("lesson.md") == b"bytes"
put("lesson.md", "mine"); assert get(".b.swp") == b"other"
`,
    );
  });
});

test("R3: who opens, looks at or changes a name right after hard-linked scratch was renamed to it means the book's file", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("lesson.md", "old"); lesson = os.stat("lesson.md").st_ino
def place(text):
    put(".a.swp", text); os.link(".a.swp", ".b.swp"); os.rename(".a.swp", "lesson.md")
def opened(name):
    with open(name, "r+b") as file:
        assert os.fstat(file.fileno()).st_ino == os.stat(name).st_ino
        file.write(b"x")
for round in range(60):
    place(f"o{round}"); assert os.stat("lesson.md").st_ino == lesson; os.unlink(".b.swp")
    place(f"w{round}"); opened("lesson.md"); assert get(".b.swp") == f"w{round}".encode(), round; os.unlink(".b.swp")
    place(f"s{round}"); opened(".b.swp"); assert get("lesson.md") == f"s{round}".encode(), round; os.unlink(".b.swp")
    place(f"t{round}"); os.truncate("lesson.md", 1); assert get(".b.swp") == f"t{round}".encode(), round; os.unlink(".b.swp")
    place(f"m{round}"); os.chmod(".b.swp", 0o600); assert os.stat("lesson.md").st_mode & 0o777 == 0o644; os.unlink(".b.swp")
    put(".a.swp", f"f{round}"); os.link(".a.swp", ".b.swp"); file = open(".b.swp", "rb"); os.rename(".a.swp", "lesson.md")
    assert os.fstat(file.fileno()).st_nlink == 1 and file.read() == f"f{round}".encode(); file.close(); os.unlink(".b.swp")
`,
    );
  });
});

test("a file without a name takes no extended attributes, has those of no one, and no ioctl", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
for path in ("a.md", ".a.md.swp"):
    fd = os.open(path, os.O_CREAT | os.O_RDWR); os.write(fd, b"x"); os.unlink(path)
    fails("EOPNOTSUPP", os.setxattr, fd, "user.x", b"1"); fails("ENODATA", os.getxattr, fd, "user.x")
    fails("ENOTTY", fcntl.ioctl, fd, 0x80086601, bytes(8)); os.close(fd)
`,
    );
  });
});

test("trusted.* is listed to administrators only; they alone read it", async () => {
  await withBook({ allowOther: true }, async ({ dir }) => {
    await python(dir, `put("a", b""); os.setxattr("a", "trusted.t", b"1"); os.setxattr("a", "user.u", b"2")`);
    await python(
      dir,
      `
assert sorted(os.listxattr("a")) == ["trusted.t", "user.u"]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
assert os.listxattr("a") == ["user.u"]; fails("ENODATA", os.getxattr, "a", "trusted.t")
`,
    );
  });
});

test("the root lists .pfs, and its link count counts it", async () => {
  await withBook({}, async ({ dir }) => {
    assert.equal((await sh(dir, "stat -c %h .")).trim(), "3");
    assert.deepEqual(await readdir(dir), [".pfs"]);
    assert.equal((await sh(dir, "mkdir d; stat -c %h . d; stat -c %F .pfs")).trim(), "4\n2\ndirectory");
  });
});
