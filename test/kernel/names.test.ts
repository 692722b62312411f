// Names through the real kernel: as long as allowed and longer, in any script, and bytes that are no text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, withBook } from "./harness.ts";

test("names: 255 bytes work, 256 are ENAMETOOLONG, for every operation", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
longest, longer = "n" * 255, "n" * 256; umlauts = "ü" * 127 + "x"
put(longest, b"x"); assert get(longest) == b"x" and longest in os.listdir("."); os.rename(longest, "m" * 255); os.unlink("m" * 255)
put(umlauts, b"y"); assert umlauts in os.listdir("."); os.mkdir("d" * 255); os.rmdir("d" * 255)
for call, args in ((put, (longer, b"")), (os.stat, (longer,)), (os.mkdir, (longer,)), (os.unlink, (longer,)), (os.rmdir, (longer,)), (os.symlink, ("x", longer)), (os.mkfifo, (longer,)), (os.stat, ("ü" * 128,))):
    fails("ENAMETOOLONG", call, *args)
put("a", b""); fails("ENAMETOOLONG", os.rename, "a", longer); fails("ENAMETOOLONG", os.rename, longer, "b")
`,
    );
  });
});

test("names: deep paths work up to PATH_MAX, and what goes beyond it is refused, not broken", async () => {
  await withBook({}, async ({ dir }) => {
    const depth = await python(
      dir,
      `
count = 0
try:
    while count < 50: os.mkdir("d" * 200); os.chdir("d" * 200); count += 1
except OSError as error: assert error.errno == errno.ENAMETOOLONG, error
put("f", b"deep"); assert get("f") == b"deep"
print(count)
`,
    );
    assert.ok(Number(depth) >= 20, depth);
    await python(
      dir,
      `subprocess.run(["rm", "-rf", "d" * 200], check=True); assert os.listdir(".") == [".pfs"]`,
    );
  });
});

test("names: any script, case, spaces and quotes are kept byte for byte; two forms of one letter are two names", async () => {
  await withBook({}, async ({ dir, restart }) => {
    const names = `names = ["a b", "A B", "日本語.md", "é", "e\\u0301", "-rf", "\\"q\\"", "#x", "100%", "emoji😀", "\\ufeffbom", "tr ", "x:y", "a\\\\b"]\n`;
    await python(
      dir,
      `${names}for n in names: put(n, n)\nassert sorted(os.listdir(".")) == sorted(names + [".pfs"])`,
    );
    await restart();
    await python(
      dir,
      `${names}assert sorted(os.listdir(".")) == sorted(names + [".pfs"])\nfor n in names: assert get(n) == n.encode()`,
    );
  });
});

test("names: bytes that are not UTF-8 are not found, and cannot be made", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("a", b"")
for name in (b"\\xff", b"x\\xc3", b"\\xed\\xa0\\x80", b"\\xc0\\xaf"):
    fails("ENOENT", os.stat, name); fails("ENOENT", os.unlink, name); fails("ENOENT", os.rmdir, name); fails("ENOENT", os.rename, name, b"b")
    fails("EINVAL", put, name, b""); fails("EINVAL", os.mkdir, name); fails("EINVAL", os.symlink, b"x", name); fails("EINVAL", os.rename, b"a", name)
for name in ("tab\\t", "new\\nline", "del\\x7f"):
    fails("ENOENT", os.stat, name); fails("EINVAL", put, name, b""); fails("EINVAL", os.mkdir, name)
os.symlink(b"\\xff\\xfe", "l"); assert os.readlink(b"l") == b"\\xff\\xfe"
assert sorted(os.listdir(".")) == [".pfs", "a", "l"]
`,
    );
  });
});
