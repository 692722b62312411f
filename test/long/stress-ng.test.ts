// stress-ng's file system stressors, with its own verification, on a mount. Debian's package brings it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { sh, trySh, withBook } from "../kernel/harness.ts";

/** Of `--class filesystem?`, without those that need hard links (a book has none), devices, or no file system at all. */
const STRESSORS =
  "access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate fcntl fiemap file-ioctl filename flock fpunch fstat getdent handle hdd io iomix lease locka lockf lockofd mknod mmap msync open readahead rename seek sendfile sync-file utime xattr".split(
    " ",
  );
const SECONDS_EACH = 2;
const LONGEST_SECONDS = 10;
const TIMEOUT_SECONDS = 120;
/** Source: stress-ng(1), "exit status". */
const EXIT_METRICS_UNTRUSTWORTHY = 7;
const GET_IT = "apt-get update && apt-get install -y --no-install-recommends stress-ng";

function bringStressNg(): void {
  const isThere = () => spawnSync("stress-ng", ["--version"]).status === 0;
  if (!isThere() && process.getuid?.() === 0) spawnSync("sh", ["-c", GET_IT], { stdio: "inherit" });
  assert.ok(isThere(), `stress-ng is missing; run as root: ${GET_IT}`);
}

async function stress(dir: string, stressor: string): ReturnType<typeof trySh> {
  const command = `timeout -s KILL ${TIMEOUT_SECONDS} stress-ng --${stressor} 2 --verify --temp-path ${stressor}`;
  await sh(dir, `mkdir ${stressor}`);
  for (let seconds = SECONDS_EACH; ; seconds *= 2) {
    const outcome = await trySh(dir, `${command} -t ${seconds} 2>&1`);
    // It had no time to count what it did, and with more it has.
    if (outcome.code !== EXIT_METRICS_UNTRUSTWORTHY || seconds > LONGEST_SECONDS) return outcome;
  }
}

test("stress-ng: every stressor of files and directories finds on a mount what it expects", async () => {
  bringStressNg();
  await withBook({ allowOther: true }, async ({ dir }) => {
    for (const stressor of STRESSORS) {
      const { code, stdout, stderr } = await stress(dir, stressor);
      assert.equal(code, 0, `${stressor}: ${stdout}${stderr}`);
      // What it left (it is killed at the end of its time) goes, and at once.
      await sh(dir, `rm -rf ${stressor} && ! test -e ${stressor}`);
    }
  });
});
