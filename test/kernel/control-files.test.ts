// `.pfs/` through a real kernel, read by the programs that people read it with.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { python, sh, withBook } from "./harness.ts";

const run = promisify(execFile);

test("control files: readable, listed, right in size, and nothing in .pfs can be changed", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import json
assert ".pfs" in os.listdir(".") and "README" in os.listdir(".pfs")
for top, _, names in os.walk(".pfs"):
    for name in names:
        data = get(top + "/" + name); assert len(data) == os.stat(top + "/" + name).st_size, name
        assert os.stat(top + "/" + name).st_ino < 2**32
assert json.loads(get(".pfs/status.json"))["book"] == "test-book"
fails("EROFS", put, ".pfs/README", b"x"); fails("EROFS", put, ".pfs/new", b"x"); fails("EROFS", os.mkdir, ".pfs/new")
fails("EROFS", os.unlink, ".pfs/README"); fails("EROFS", os.rmdir, ".pfs"); fails("EROFS", os.rename, ".pfs", "x")
put("x", b""); fails("EROFS", os.rename, "x", ".pfs/x"); fails("EROFS", os.chmod, ".pfs/README", 0o777)
fails("EROFS", os.symlink, "x", ".pfs/l"); fails("EROFS", os.setxattr, ".pfs/README", "user.x", b"y")
fails("ENOENT", os.stat, ".pfs/none"); fails("EEXIST", os.mkdir, ".pfs"); fails("ENODATA", os.getxattr, ".pfs/README", "user.x")
assert os.listxattr(".pfs/README") == []
with open(".pfs/status.json") as f: assert mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[:1] == b"{"
`,
    );
    // A refusal shows up: device nodes cannot be in a book.
    await sh(
      dir,
      "! mknod dev c 1 3 2>/dev/null && grep -q NOT_PERMITTED .pfs/errors.jsonl && tail -1 .pfs/errors.jsonl | jq -e .command",
    );
  });
});

test("control files: README names everything that is in .pfs", async () => {
  await withBook({}, async ({ dir }) => {
    const text = await readFile(join(dir, ".pfs/README"), "utf8");
    for (const name of await readdir(join(dir, ".pfs"))) assert.match(text, new RegExp(`^${name} `, "m"));
  });
});

test("control files: cp, tar, wc, jq, diff, make, Node and Python read all bytes of each", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await sh(dir, "echo one > a.md; echo two > a.md; mkdir d; echo three > d/b.md");
    await sh(
      dir,
      `cp -r .pfs ${plain}/copy && cd ${plain} && tar -C ${dir} -cf all.tar .pfs && mkdir tar && tar -C tar -xf all.tar
       test "$(cat ${plain}/copy/metrics)" = "pfs_test 1"
       cd ${dir}/.pfs && find . -type f | while read -r name; do
         diff "$name" "${plain}/copy/$name"; diff "$name" "${plain}/tar/.pfs/$name"
         test "$(wc -c < "$name")" = "$(cat "$name" | wc -c)"; test "$(wc -c "$name" | cut -d' ' -f1)" = "$(cat "$name" | wc -c)"
         case "$name" in *.json | *.jsonl | */head) jq -e -s 'length >= 0' "$name" > "${plain}/jq";; esac
       done`,
    );
    await sh(
      plain,
      `printf 'out: ${dir}/.pfs/README ${dir}/.pfs/book.json\n\tcat $^ > $@\n' > Makefile
       make -s; cat ${dir}/.pfs/README ${dir}/.pfs/book.json | cmp - out; make | grep "up to date" > said`,
    );
    const { stdout } = await run(
      "node",
      ["-p", "fs.readFileSync(process.argv[1], 'utf8').length", ".pfs/README"],
      {
        cwd: dir,
      },
    );
    const text = await readFile(join(dir, ".pfs/README"), "utf8");
    assert.equal(Number(stdout), text.length);
    assert.equal(await python(dir, 'print(open(".pfs/README").read(), end="")'), text);
  });
});

test("control files: tar, cp and wc have all bytes of what is made when it is opened, also if nobody has opened it before", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await python(dir, 'for i in range(700): put("file-%d" % i, b"x")');
    for (const name of [
      "metrics",
      "audit/verify",
      "audit/op/create.jsonl",
      "manifest.json",
      "plan/all",
      "archive.zip",
      "archive-content.zip",
    ])
      await sh(
        dir,
        `test $(stat -c %s .pfs/${name}) = 1; tar cf - .pfs/${name} | tar xOf - > ${plain}/tar; test -s ${plain}/tar
         case ${name} in *.zip) unzip -tq ${plain}/tar;; *.json*) jq -e . ${plain}/tar;; esac > ${plain}/said
         echo again >> file-0; cp .pfs/${name} ${plain}/cp; echo again >> file-0; test -s ${plain}/cp; test $(wc -c < .pfs/${name}) -gt 1`,
      );
  });
});

test("audit files: the rows of a path and of the book, complete to every reader, also while the log grows", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await sh(dir, "mkdir d; echo one > d/a.md; echo two > d/a.md; mv d/a.md d/b.md");
    await python(
      dir,
      `
import json
rows = [json.loads(line) for line in open(".pfs/audit/path/d/a.md.jsonl")]
assert [(row["operation"], row["path"]) for row in rows] == [("create", "d/a.md"), ("update", "d/a.md"), ("rename", "d/a.md")], rows
assert all(row["path"] == "d/b.md" for row in map(json.loads, open(".pfs/audit/path/d/b.md.jsonl")))
assert os.listdir(".pfs/audit/path") == [] and os.listdir(".pfs/audit/path/d") == []
fails("ENOENT", open, ".pfs/audit/path/d/none.md.jsonl"); fails("ENOENT", open, ".pfs/audit/path/e/a.md.jsonl")
last = json.loads(open(".pfs/errors.jsonl").read().splitlines()[-1])
assert last["code"] == "NOT_FOUND" and last["path"] == ".pfs/audit/path/d/none.md.jsonl" and "nothing about d/none.md" in last["message"], last
fails("EROFS", open, ".pfs/audit/all.jsonl", "a"); fails("EROFS", os.unlink, ".pfs/audit/path/d/a.md.jsonl")
with open(".pfs/audit/all.jsonl") as short:
    assert os.fstat(short.fileno()).st_size == len(short.read()) > 0
for i in range(1500): put("many-%d" % i, b"x")
assert os.stat(".pfs/audit/all.jsonl").st_size in (1, len(get(".pfs/audit/all.jsonl")))
assert os.stat(".pfs/audit/all.jsonl").st_size == len(get(".pfs/audit/all.jsonl")), "known since it was read to its end"
with open(".pfs/audit/all.jsonl") as long:
    first = long.read(1000)
    for i in range(300): put("more-%d" % i, b"x")
    lines = (first + long.read()).splitlines()
count = len(lines)
assert [json.loads(line)["seq"] for line in lines] == list(range(1, count + 1)) and 1500 < count < 1810, count
size = sum(len(line) + 1 for line in lines)
with open(".pfs/audit/all.jsonl", "rb", buffering=0) as again:
    assert again.read(100).decode() == first[:100]
    assert again.seek(0) == 0 and again.read(200).decode() == first[:200]
    fails("ESPIPE", os.pread, again.fileno(), 10, 50_000_000)
    assert os.pread(again.fileno(), 200, 100).decode() == first[100:300]
`,
    );
    await sh(
      dir,
      `cat .pfs/audit/all.jsonl > ${plain}/cat; cp .pfs/audit/all.jsonl ${plain}/cp; cmp ${plain}/cat ${plain}/cp
       tar cf - .pfs/audit/all.jsonl | tar xOf - | cmp - ${plain}/cat
       test "$(wc -c .pfs/audit/all.jsonl | cut -d' ' -f1)" = "$(wc -c < ${plain}/cat)"; diff .pfs/audit/all.jsonl ${plain}/cat
       test "$(jq -s length .pfs/audit/all.jsonl)" = "$(wc -l < ${plain}/cat)"; tail -n 1 .pfs/audit/all.jsonl | cmp - <(tail -n 1 ${plain}/cat)
       head -n 1 .pfs/audit/all.jsonl | jq -e '.seq == 1' > ${plain}/jq; grep -c many- .pfs/audit/all.jsonl > ${plain}/count`,
    );
    const { stdout } = await run(
      "node",
      ["-p", "fs.readFileSync(process.argv[1]).length", ".pfs/audit/all.jsonl"],
      {
        cwd: dir,
      },
    );
    const whole = await readFile(join(plain, "cat"));
    assert.equal(Number(stdout), whole.length);
    assert.equal((await readFile(join(dir, ".pfs/audit/all.jsonl"))).length, whole.length);
    assert.equal(
      await sh(dir, "cat .pfs/audit/head | jq .seq"),
      await sh(dir, "tail -n 1 .pfs/audit/all.jsonl | jq .seq"),
    );
  });
});

test("audit/since: the rows from a time on; a wrong time is explained", async () => {
  await withBook({}, async ({ dir }) => {
    await sh(dir, "echo one > a.md; echo two > a.md");
    await python(
      dir,
      `
import json
rows = lambda name: [json.loads(line) for line in get(".pfs/audit/since/" + name + ".jsonl").splitlines()]
all = [json.loads(line) for line in get(".pfs/audit/all.jsonl").splitlines()]
assert rows("1h") == rows("2000-01-01") == rows(all[0]["timestamp"]) == all and len(all) == 2
last = all[-1]["timestamp"]
assert rows(last) == [row for row in all if row["timestamp"] >= last] and rows("2999-01-01T00:00:00Z") == []
assert os.stat(".pfs/audit/since/1h.jsonl").st_size == len(get(".pfs/audit/since/1h.jsonl")) > 0
fails("ENOENT", open, ".pfs/audit/since/1h")
assert '"1h" does not end in .jsonl' in json.loads(get(".pfs/errors.jsonl").splitlines()[-1])["message"]
fails("ENOENT", open, ".pfs/audit/since/soon.jsonl"); fails("ENOENT", open, ".pfs/audit/since/.git")
refused = json.loads(get(".pfs/errors.jsonl").splitlines()[-1])
assert refused["path"] == ".pfs/audit/since/soon.jsonl" and '"soon" is no time' in refused["message"] and "2h.jsonl" in refused["hint"]
`,
    );
  });
});

test("audit/q, agent, op: rows by who, what, where and when; of a long log, too; a wrong question is explained", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await sh(
      dir,
      "mkdir -p c/d; echo one > c/d/a.md; echo two > c/d/a.md; echo x > c/b.txt; mv c/b.txt c/d/c.txt",
    );
    await python(
      dir,
      `
import json
ask = lambda name: [json.loads(line) for line in get(".pfs/audit/" + name + ".jsonl").splitlines()]
def check():
    all = ask("all")
    same = lambda name, fits: (lambda rows: (rows == [row for row in all if fits(row)], len(rows)))(ask(name))
    for name, fits in {
        "agent/test-agent": lambda row: row["agent_id"] == "test-agent", "agent/nobody": lambda row: False,
        "op/update": lambda row: row["operation"] == "update", "op/hide": lambda row: False,
        "q/op=create&agent=test-agent": lambda row: row["operation"] == "create",
        "q/path=c/d/a.md": lambda row: row["path"] == "c/d/a.md", "q/path=c%2Fd%2Fa.md": lambda row: row["path"] == "c/d/a.md",
        "q/path=c/**&op=rename": lambda row: row["path"].startswith("c/") and row["operation"] == "rename",
        "q/path=c/*/*.md": lambda row: row["path"] == "c/d/a.md", "q/path=**/*.txt": lambda row: row["path"].endswith(".txt"),
        "q/path=c/**&since=1h&status=ok": lambda row: row["path"].startswith("c/"), "q/until=1h": lambda row: False,
        "q/user=ulla": lambda row: False, "q/since=" + all[2]["timestamp"]: lambda row: row["timestamp"] >= all[2]["timestamp"],
        "q/until=" + all[2]["timestamp"]: lambda row: row["timestamp"] < all[2]["timestamp"],
    }.items(): assert same(name, fits)[0], (name, same(name, fits))
    return len(all)
assert os.listdir(".pfs/audit/q") == [] and "update.jsonl" in os.listdir(".pfs/audit/op")
assert check() < 10
for name in ("op/update", "q/path=c/**"): assert os.stat(".pfs/audit/" + name + ".jsonl").st_size == len(get(".pfs/audit/" + name + ".jsonl")) > 0
for i in range(1100): put("many-%d" % i, b"x")
assert check() > 1100
assert os.stat(".pfs/audit/op/create.jsonl").st_size == 1
with open(".pfs/audit/op/create.jsonl") as long:
    first = long.read(10)
    put("later", b"x")
    assert "later" not in first + long.read(), "as it was when it was opened"
for name, why in {"agent=": "No agent", "agent=a&agent=b": "twice", "op=fly": "no operation", "colour=red": "asks nothing", "since=soon": "no time",
                  "path=": "is empty", "path=a/[b": "not closed", "": "asks nothing", "agent=%zz": "stands for no character"}.items():
    fails("ENOENT", open, ".pfs/audit/q/" + name + ".jsonl")
    refused = json.loads(get(".pfs/errors.jsonl").splitlines()[-1])
    assert refused["code"] == "NOT_FOUND" and why in refused["message"] and refused["hint"], (name, refused)
fails("ENOENT", os.stat, ".pfs/audit/q/agent=a/b.jsonl"); fails("ENOENT", os.stat, ".pfs/audit/op/.git"); fails("ENOENT", os.stat, ".pfs/audit/agent/.git")
for name, why in {"op/fly.jsonl": "there are create", "op/update": "does not end in .jsonl", "agent/a": "does not end in .jsonl", "agent/system.jsonl": "not an agent"}.items():
    fails("ENOENT", os.stat, ".pfs/audit/" + name)
    refused = json.loads(get(".pfs/errors.jsonl").splitlines()[-1])
    assert refused["path"] == ".pfs/audit/" + name and why in refused["message"] and refused["hint"], (name, refused)
`,
    );
    await sh(
      dir,
      `cat '.pfs/audit/q/op=create.jsonl' > ${plain}/cat; cp '.pfs/audit/q/op=create.jsonl' ${plain}/cp; cmp ${plain}/cat ${plain}/cp
       jq -es 'length > 1100' .pfs/audit/op/create.jsonl > ${plain}/jq; head -n 1 .pfs/audit/op/create.jsonl | jq -e '.seq == 1' > ${plain}/jq`,
    );
  });
});

test("R6: audit/verify says that the chain is whole, each time anew", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await sh(
      dir,
      `echo one > a.md; echo two > a.md; jq -e '.status == "whole" and .rows == 2 and .findings == []' .pfs/audit/verify > ${plain}/jq
       test "$(jq -r .entry_hash .pfs/audit/verify)" = "$(jq -r .entry_hash .pfs/audit/head)"; echo three > a.md
       jq -e '.rows == 3' .pfs/audit/verify > ${plain}/jq; test "$(stat -c %s .pfs/audit/verify)" = "$(wc -c < .pfs/audit/verify)"`,
    );
  });
});

test("at/REF: the book as it was, by position, time and age, read by ordinary programs; what never was is explained", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await sh(
      dir,
      "mkdir -p d/e; echo one > d/a.md; printf two > d/e/b.md; ln -s a.md d/l; chmod +x d/e/b.md; head -c 300000 /dev/zero > large",
    );
    const then = (await sh(dir, "tail -n 1 .pfs/audit/all.jsonl | jq -r .seq")).trim();
    await sh(dir, "echo later > d/a.md; rm d/e/b.md; mv large larger; echo x > new.md");
    await sh(
      dir,
      `cp -a .pfs/at/${then} ${plain}/copy; diff -r --no-dereference .pfs/at/${then} ${plain}/copy
       cd ${plain}/copy; test "$(find . | sort | tr '\\n' ' ')" = ". ./d ./d/a.md ./d/e ./d/e/b.md ./d/l ./large "
       test "$(cat d/a.md d/e/b.md d/l)" = "$(printf 'one\\ntwoone')"; test "$(readlink d/l)" = a.md; test -x d/e/b.md; test "$(stat -c %s large)" = 300000
       cd ${dir}; tar cf - .pfs/at/${then} | tar tf - | grep -c . | grep -qx 7
       diff .pfs/at/${then}/d/a.md d/a.md > ${plain}/diff && exit 1; grep -q '> later' ${plain}/diff
       test "$(ls .pfs/at/1/)" = d; test "$(cat .pfs/at/0s/new.md)" = x; test "$(ls .pfs/at)" = ""`,
    );
    await python(
      dir,
      `
import json
fails("ENOENT", os.stat, ".pfs/at/none")
refused = json.loads(get(".pfs/errors.jsonl").splitlines()[-1])
assert refused["path"] == ".pfs/at/none" and '"none" names no state' in refused["message"] and "an age such as 2h" in refused["hint"], refused
fails("ENOENT", os.stat, ".pfs/at/9999999"); fails("ENOENT", os.stat, ".pfs/at/.git")
refused = json.loads(get(".pfs/errors.jsonl").splitlines()[-1])
assert refused["path"] == ".pfs/at/9999999" and "has no state 9999999" in refused["message"], refused
fails("EROFS", put, ".pfs/at/1/d/a.md", b"x"); fails("EROFS", os.unlink, ".pfs/at/1/d/a.md"); fails("EROFS", os.mkdir, ".pfs/at/1/x")
fails("ENOENT", os.stat, ".pfs/at/1/d/none"); fails("EINVAL", os.readlink, ".pfs/at/1/d/a.md")
`,
    );
  });
});

test("manifest: sha256sum of it is manifest.hash, which names that state from then on", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await sh(dir, "mkdir a; echo one > a/b.md; echo two > a-b.md; echo three > a.md; echo scratch > a.md~");
    const hash = (await sh(dir, "cat .pfs/manifest.hash")).trim();
    await sh(
      dir,
      `test "$(sha256sum < .pfs/manifest | cut -d' ' -f1)" = ${hash}
       for name in a-b.md a.md a/b.md; do echo "$name:$(sha256sum < $name | cut -d' ' -f1)"; done | LC_ALL=C sort -t: -k1,1 > ${plain}/wanted
       cmp ${plain}/wanted .pfs/manifest; test "$(stat -c %s .pfs/manifest)" = "$(wc -c < ${plain}/wanted)"; test "$(stat -c %s .pfs/manifest.hash)" = 65
       printf 'out: ${dir}/.pfs/manifest.hash\\n\\techo built > $@\\n' > ${plain}/Makefile; make -s -C ${plain}; make -C ${plain} | grep "up to date" > ${plain}/said
       echo four > a.md; test "$(cat .pfs/manifest.hash)" != ${hash}; test "$(sha256sum < .pfs/manifest | cut -d' ' -f1)" = "$(cat .pfs/manifest.hash)"
       make -C ${plain} | grep built > ${plain}/said; test "$(cat .pfs/at/${hash}/a.md)" = three; test "$(cat .pfs/at/${hash.slice(0, 9)}/a/b.md)" = one`,
    );
  });
});

test("manifest.json: every file of the manifest with its last row, of one state however long it is read", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import hashlib, json
os.mkdir("d"); put("d/a.md", b"one"); put("d/a.md", b"two!"); put("gone", b"x"); os.unlink("gone"); put("b.md", b"")
def whole():
    manifest = json.loads(get(".pfs/manifest.json"))
    lines = "".join("%s:%s\\n" % (file["path"], file["sha256"]) for file in manifest["files"])
    assert hashlib.sha256(lines.encode()).hexdigest() == manifest["manifest_hash"]
    return manifest
while "gone" in get(".pfs/manifest").decode(): time.sleep(0.05)
assert os.stat(".pfs/manifest.json").st_size == len(get(".pfs/manifest.json"))
manifest = whole()
assert [file["path"] for file in manifest["files"]] == ["b.md", "d/a.md"]
rows = [json.loads(line) for line in open(".pfs/audit/all.jsonl")]
for file in manifest["files"]:
    last = [row for row in rows if row["path"] == file["path"] and row["status"] == "ok"][-1]
    assert (file["seq"], file["agent"], file["size"]) == (last["seq"], last["agent_id"], os.stat(file["path"]).st_size), file
for i in range(900): put("many-%03d" % i, b"%d" % i)
assert len(whole()["files"]) == 902
with open(".pfs/manifest.json") as slow:
    first = slow.read(100)
    for i in range(0, 900, 3): put("many-%03d" % i, b"changed")
    for i in range(300): put("more-%03d" % i, b"")
    old = json.loads(first + slow.read())
assert len(old["files"]) == 902
lines = "".join("%s:%s\\n" % (file["path"], file["sha256"]) for file in old["files"])
assert hashlib.sha256(lines.encode()).hexdigest() == old["manifest_hash"] != whole()["manifest_hash"]
`,
    );
  });
});
