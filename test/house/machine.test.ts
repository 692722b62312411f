// The preparation of a machine for the tests: what it says where something is missing.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { explainMissingDevice, findMissingPackages, prepareMachine } from "../machine.ts";

/** Calls `use` with a search path on which there are these programs only. */
function withPrograms(names: readonly string[], use: (searchPath: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    for (const name of names) symlinkSync("/bin/sh", join(folder, name));
    use(`/nonexistent:${folder}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("machine: names the package of each missing program, and no other", () => {
  const all = findMissingPackages("");
  assert.equal(all.length, 34);
  const names = [
    "vim",
    "nvim",
    "emacs",
    "nano",
    "rsync",
    "git",
    "perl",
    "python3",
    "tmux",
    "zip",
    "unzip",
    "jq",
  ];
  withPrograms(names, (searchPath) => {
    const missing = findMissingPackages(searchPath);
    assert.equal(missing.length, 22);
    assert.ok(missing.includes("attr") && missing.includes("chromium"));
    assert.ok(!missing.includes("vim-nox") && !missing.includes("neovim"));
  });
});

test("machine: where it may not install, one line says what to run", () => {
  withPrograms(["vim"], (searchPath) => {
    const problem = prepareMachine(searchPath) ?? "";
    assert.match(
      problem,
      /run as root: apt-get update && apt-get install -y --no-install-recommends neovim /,
    );
    assert.doesNotMatch(problem, /vim-nox|\n/);
  });
});

test("machine: a missing device is said with the command that makes it", () => {
  assert.equal(explainMissingDevice("/dev/null"), undefined);
  assert.match(explainMissingDevice("/dev/no-such-fuse") ?? "", /modprobe fuse \|\| mknod .*c 10 229/);
});
