// A hostile program on a mount that opens, and leaves unsaved, as much as it can: it is told so, and nobody else suffers.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { python, withBook } from "./harness.ts";

async function refusalsIn(dir: string): Promise<{ code: string; message: string }[]> {
  const text = await readFile(join(dir, ".pfs/errors.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("TOO_MANY: a program that opens 65,536 files is refused the next one, and closing brings back all", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `put("a", b"one")
# Each process may have only so many; together they may have more.
children = []
total = 0
while True:
    (answers, answer), (waits, goes_on) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(goes_on); fds = []
        try:
            while len(fds) < 16000: fds.append(os.open("a", os.O_RDONLY))
        except OSError as error:
            if error.errno != errno.ENFILE: os._exit(1)
        os.write(answer, str(len(fds)).encode()); os.read(waits, 1); os._exit(0)
    os.close(answer); os.close(waits); count = int(os.read(answers, 10)); total += count; children.append(goes_on)
    if count < 16000: break
assert total == 65536, total
fails("ENFILE", os.open, "b", os.O_WRONLY | os.O_CREAT); fails("ENFILE", os.open, ".pfs/README", os.O_RDONLY)
assert os.stat("a").st_size == 3 and "a" in os.listdir(".")
for goes_on in children: os.close(goes_on)
for _ in children: assert os.wait()[1] == 0
put("b", b"two"); assert get("b") == b"two" and get("a") == b"one"
`,
    );
    const refusals = await refusalsIn(dir);
    assert.match(
      refusals.find(({ code }) => code === "TOO_MANY")?.message ?? "",
      /^Programs have 65536 files open/,
    );
  });
});

test("TOO_MANY: a program that leaves 4,096 files unsaved begins no other; those are saved, and others save what is begun", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `put("old", b"old"); os.mkdir("d")
begun = os.open("begun", os.O_WRONLY | os.O_CREAT); os.write(begun, b"begun")
fds = []
while True:
    try: fds.append(os.open(f"d/{len(fds)}", os.O_WRONLY | os.O_CREAT)); os.write(fds[-1], b"x" * 100)
    except OSError as error:
        assert error.errno == errno.ENFILE, error; break
assert len(fds) == 4095, len(fds)
fails("ENFILE", put, "old", b"new"); assert get("old") == b"old"
os.write(begun, b", and ended"); os.close(begun); assert get("begun") == b"begun, and ended"
put("old", b"new"); assert get("old") == b"new"
for fd in fds: os.close(fd)
assert len(os.listdir("d")) == 4095 and get("d/4094") == b"x" * 100
`,
    );
    const refusals = await refusalsIn(dir);
    assert.match(
      refusals.find(({ code }) => code === "TOO_MANY")?.message ?? "",
      /^4096 files are open with something unsaved/,
    );
  });
});
