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
