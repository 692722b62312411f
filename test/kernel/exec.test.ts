// Programs that are executed while they have files of the mount open. The kernel closes those in the middle of exec(2),
// holding a lock on the process that a look into /proc may wait for: the mount thread must not look there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { python, sh, withBook } from "./harness.ts";

test("exec: files that close on exec are saved, also an emptied one, and nobody waits for anybody", async () => {
  await withBook({}, async ({ dir }) => {
    await python(
      dir,
      `
put("emptied", b"was here"); put("written", b"was here")
for i in range(20):
    child = os.fork()
    if child == 0:
        os.open("emptied", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        fd = os.open("written", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC); os.write(fd, b"%d" % i)
        os.execv("/bin/true", ["true"])
    assert os.waitpid(child, 0)[1] == 0
    assert get("emptied") == b"" and get("written") == b"%d" % i
`,
    );
  });
});

test("exec: a program in the book runs, and cannot be written while it does", async () => {
  await withBook({}, async ({ dir, plain }) => {
    const program = `
import shutil
shutil.copy("/bin/sleep", "sleep"); os.chmod("sleep", 0o755)
child = subprocess.Popen(["./sleep", "30"])
try:
    fails("ETXTBSY", os.open, "sleep", os.O_RDWR)
    os.rename("sleep", "moved"); fails("ETXTBSY", os.truncate, "moved", 0); os.unlink("moved")
finally: child.kill(); child.wait()
put("script", b"#!/bin/sh\\necho ran $1\\n"); fails("EACCES", subprocess.run, ["./script"])
os.chmod("script", 0o755); print(subprocess.run(["./script", "it"], capture_output=True).stdout)
`;
    assert.equal(await python(dir, program), await python(plain, program));
    assert.equal(
      await sh(
        dir,
        "mkdir bin && printf '#!/bin/sh\\necho $PWD\\n' > bin/where && chmod +x bin/where && cd bin && ./where",
      ),
      `${dir}/bin\n`,
    );
  });
});
