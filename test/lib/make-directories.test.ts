// Directories with those above them: made, kept, or refused in one sentence; never an endless loop.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeDirectories } from "../../lib/make-directories.ts";

test("directories are made with those above them, and made again without harm", () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const path = join(top, "a", "b", "c");
    makeDirectories(path, 0o700);
    makeDirectories(path, 0o755);
    assert.equal(statSync(path).mode & 0o777, 0o700);
    writeFileSync(join(top, "file"), "");
    assert.throws(() => makeDirectories(join(top, "file"), 0o700), /cannot be made: EEXIST/);
    assert.throws(() => makeDirectories(join(top, "file", "x"), 0o700), /cannot be made: ENOTDIR/);
    // Whether it is a directory cannot be asked: ELOOP here, ENOTCONN of a dead mount.
    symlinkSync("round", join(top, "round"));
    assert.throws(() => makeDirectories(join(top, "round"), 0o700), /round cannot be made: EEXIST/);
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
});

test("a place where no directory can be made is refused, not tried for ever", () => {
  assert.throws(
    () => makeDirectories("/proc/pfs-test/store", 0o700),
    /\/proc\/pfs-test cannot be made: ENOENT/,
  );
});
