// `.pfs/plan/` through a real kernel, read as a build script reads it.

import { test } from "node:test";
import { python, sh, withBook } from "./harness.ts";

test("FR-026: plan/<manifest hash> is what changed since, plan/all everything; a script goes from one hash to the next", async () => {
  await withBook({}, async ({ dir, plain }) => {
    await sh(dir, "mkdir d; echo one > d/a.md; echo two > b.md; echo three > c.md");
    await sh(
      dir,
      `jq -e '.status == "changed" and ([.files[].path] == ["b.md", "c.md", "d/a.md"]) and all(.files[]; .change == "added" and .target_hash == null)' .pfs/plan/all > ${plain}/jq
       jq -r .manifest_hash .pfs/plan/all > ${plain}/built; cmp ${plain}/built .pfs/manifest.hash; test "$(ls .pfs/plan)" = all
       jq -e '.status == "unchanged" and .files == []' ".pfs/plan/$(cat ${plain}/built)" > ${plain}/jq
       jq -e '.status == "unchanged"' ".pfs/plan/$(cut -c1-8 ${plain}/built)" > ${plain}/jq`,
    );
    await sh(
      dir,
      `echo new > b.md; mv c.md d/c.md; while grep -q ^c.md: .pfs/manifest; do sleep 0.05; done
       plan=.pfs/plan/$(cat ${plain}/built); test "$(wc -c < $plan)" = "$(cat $plan | wc -c)"; test "$(stat -c %s $plan)" = "$(cat $plan | wc -c)"
       jq -r '.files[] | "\\(.change) \\(.path) \\(.current_hash) \\(.target_hash)"' $plan > ${plain}/said
       new=$(echo new | sha256sum | cut -d' ' -f1); two=$(echo two | sha256sum | cut -d' ' -f1); three=$(echo three | sha256sum | cut -d' ' -f1)
       printf '%s\\n' "modified b.md $new $two" "deleted c.md null $three" "added d/c.md $three null" | cmp - ${plain}/said
       jq -r .manifest_hash $plan | cmp - .pfs/manifest.hash
       cp $plan ${plain}/copy; cmp $plan ${plain}/copy; tar cf - $plan | tar xOf - | cmp - $plan
       printf 'out: ${dir}/'$plan'\\n\\techo built > $@\\n' > ${plain}/Makefile; make -s -C ${plain}; make -C ${plain} | grep "up to date" > ${plain}/made
       echo more > b.md; make -C ${plain} | grep built > ${plain}/made`,
    );
  });
});

test("plan: a hash that is not known says so and lists all; a name that is none is explained; nothing can be written", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import json
put("a.md", b"one")
unknown = json.loads(get(".pfs/plan/" + "0f" * 32))
assert [file["path"] for file in unknown["files"]] == ["a.md"] and "is not known here" in unknown["warning"], unknown
assert "warning" not in json.loads(get(".pfs/plan/all"))
last = lambda: json.loads(get(".pfs/errors.jsonl").splitlines()[-1])
for name, said in (("latest", '"latest" is no manifest hash'), ("0F" * 32, "is no manifest hash"), ("abc", "is no manifest hash"), ("0f0f0f0f", "No manifest hash of test-book that is known here begins with 0f0f0f0f")):
    fails("ENOENT", open, ".pfs/plan/" + name)
    assert last()["code"] == "NOT_FOUND" and last()["path"] == ".pfs/plan/" + name and said in last()["message"], last()
before = get(".pfs/errors.jsonl")
fails("ENOENT", os.stat, ".pfs/plan/.git")
assert get(".pfs/errors.jsonl") == before
fails("EROFS", put, ".pfs/plan/all", b"x"); fails("EROFS", os.unlink, ".pfs/plan/all"); fails("EROFS", os.mkdir, ".pfs/plan/x"); fails("EROFS", put, ".pfs/plan/" + "0f" * 32, b"")
`,
    );
  });
});

test("plan: one of thousands of files is made while it is read, of one state however long that takes; reading it makes its manifest hash known", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import json
for i in range(1500): put("many-%04d" % i, b"%d" % i)
with open(".pfs/plan/all") as slow:
    first = slow.read(100)
    for i in range(0, 1500, 3): put("many-%04d" % i, b"changed")
    for i in range(100): put("more-%d" % i, b"")
    plan = json.loads(first + slow.read())
assert [file["path"] for file in plan["files"]] == ["many-%04d" % i for i in range(1500)]
since = json.loads(get(".pfs/plan/" + plan["manifest_hash"]))
assert sorted((file["change"], file["path"]) for file in since["files"]) == sorted([("modified", "many-%04d" % i) for i in range(0, 1500, 3)] + [("added", "more-%d" % i) for i in range(100)])
size = len(get(".pfs/plan/all"))
assert os.stat(".pfs/plan/all").st_size == size, "known since it was read to its end"
`,
    );
  });
});
