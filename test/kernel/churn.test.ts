// Files and trees under heavy use: one file changed in every way there is, many processes making, moving and removing in the
// same tree. Everything is as expected, and everything can be removed afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { exerciseFile } from "./differential/fsx.ts";
import { IS_SLOW, python, sh, withBook } from "./harness.ts";

const seed = Number(process.env.PFS_SEED ?? Date.now() % 1_000_000);

test(`fsx: any reads, writes, maps, truncations, holes and copies of one file (seed ${seed})`, async () => {
  await assert.doesNotReject(exerciseFile({ seed, runs: 1, operations: 300 }));
});

test("churn: processes make, write, move and remove in one tree while others list it; rm -rf leaves nothing", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
import random
def work(seed):
    chance = random.Random(seed); names = ["a.md", "b.md", "c", ".a.md.swp", "d.md~"]; place = lambda: "tree" + "".join("/" + chance.choice("xyz") for _ in range(chance.randrange(3)))
    allowed = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ESTALE}
    for step in range(${IS_SLOW ? 80 : 400}):
        path, to = place() + "/" + chance.choice(names), place() + "/" + chance.choice(names)
        try:
            do = chance.randrange(8)
            if do < 2: os.makedirs(place(), exist_ok=True)
            elif do < 4: put(path, b"%d" % step)
            elif do == 4: os.rename(path, to)
            elif do == 5: os.unlink(path)
            elif do == 6: os.rename(place(), place())
            else: subprocess.run(["rm", "-rf", place()] if step % 20 == 0 else ["find", "tree"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError as error:
            if error.errno not in allowed: raise
os.mkdir("tree"); children = []
for seed in range(4):
    child = os.fork()
    if child == 0:
        work(seed); os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
subprocess.run(["find", ".", "-path", "./.pfs", "-prune", "-o", "-type", "f", "-exec", "cat", "{}", "+"], check=True, stdout=subprocess.DEVNULL)
`,
    );
    assert.equal(await sh(dir, "rm -rf tree && find . -path ./.pfs -prune -o -print"), ".\n");
  });
});
