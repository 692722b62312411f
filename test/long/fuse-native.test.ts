// The suites of mounts on the transport fuse-native. Each test of theirs passes there too, or is named here with what that
// transport cannot do; one that is named and passes is a failure as well.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);

const SUITES = join(import.meta.dirname, "../kernel");

const IDENTITY = "which process asks is not known";
const NO_CACHE = "direct_io: no shared mappings";
const LIBFUSE = "libfuse 2 does not have it";
const NUMBERS = "libfuse 2 numbers inodes itself";
const PIECES = "libfuse 2 takes a write apart, and a client that is killed leaves some of its pieces";
const UTF8 = "fuse-native takes paths and targets of links as text";
const TIMES = "fuse-native passes times in milliseconds, and both";
const DUPLICATES = `${IDENTITY}, so that a shell's redirection is saved when it closes its copy of the descriptor, too`;
const REMOVED = "libfuse 2 finds a directory by its path, and one that is removed has none";

/** Of each suite the tests that fail, by their titles' beginnings, and why. */
const SUITES_AND_FAILURES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  files: { "files: holes: lseek finds them, fallocate makes them": LIBFUSE },
  directories: { "directories: link counts, times, emptiness, errors": REMOVED },
  rename: {
    "rename: files, directories, symlinks onto each other behave as POSIX says": LIBFUSE,
    "rename: open files go along, in every direction across the border of scratch": LIBFUSE,
    "rename: a chapter with many lessons is renamed at once": NUMBERS,
  },
  attributes: {
    "extended attributes: set, replaced, listed, removed": IDENTITY,
    "set-id bits fall on write, truncate and chown": IDENTITY,
    "times: set to the nanosecond": TIMES,
  },
  "control-files": {
    "control files: readable, listed, right in size": NO_CACHE,
    "R6: audit/verify says that the chain is whole": DUPLICATES,
    "audit files: the rows of a path": DUPLICATES,
    "audit/since: the rows from a time on": DUPLICATES,
  },
  exec: {},
  "large-files": {},
  locks: {},
  permissions: {
    "permissions: a set-user-id program": IDENTITY,
    "permissions: another user reads and writes": IDENTITY,
    "read-only mounts: everything is readable": NO_CACHE,
  },
  "plan-files": {},
  names: { "names: bytes that are not UTF-8": UTF8 },
  oddities: {
    "a file without a name takes no extended attributes": LIBFUSE,
    "trusted.* is listed to administrators only": IDENTITY,
  },
  orphans: {},
  "book-xattrs": { "FR-003: user.pfs.expect": DUPLICATES },
  churn: { "fsx: any reads, writes, maps": LIBFUSE },
  parallel: { "W2: a client that is killed in the middle of its writes": PIECES },
};

/** Suites that cannot run there, or say nothing of it, and why. */
const EXCLUDED: Readonly<Record<string, string>> = {
  seen: `${IDENTITY}: check=off alone`,
  "memory-maps": NO_CACHE,
  limits:
    "opens 65,536 files, and more, each of which costs ten times as much there; the limits are the session's",
  differential: `${IDENTITY}: no allow_other, and it takes the part of several users`,
  "posix-tables": `${IDENTITY}: no allow_other, and it takes the part of several users`,
  "two-mounts":
    "takes minutes, as nothing is kept in the kernel; what an open file shows of the other mount's saves is up to libfuse",
  mounting: "is of mounting by pfs itself",
  "mounting-as-nobody": "is of mounting by pfs itself",
};

test("transport fuse-native: each suite of test/kernel/ runs there or is named with why not", () => {
  const there = readdirSync(SUITES).flatMap((name) => /^(.+)\.test\.ts$/.exec(name)?.[1] ?? []);
  const named = [...Object.keys(SUITES_AND_FAILURES), ...Object.keys(EXCLUDED)];
  assert.deepEqual(named.sort(), there.sort());
});

/** The titles of a suite's tests, by how they ended. A process of its own: node:test runs no files from within a test. */
async function outcomesOf(suite: string): Promise<{ passed: string[]; failed: string[]; printed: string }> {
  const { NODE_TEST_CONTEXT: _ours, ...inherited } = process.env;
  const env = { ...inherited, PFS_TEST_TRANSPORT: "fuse-native" };
  const words = ["--test", "--test-reporter=tap", join(SUITES, `${suite}.test.ts`)];
  const { stdout: printed } = await run(process.execPath, words, { env, maxBuffer: 64 * 1024 * 1024 }).catch(
    (failure: { stdout: string }) => failure,
  );
  const titles = (verdict: string): string[] =>
    [...printed.matchAll(new RegExp(`^${verdict} \\d+ - (.*)$`, "gm"))].map(([, title]) => title as string);
  return { passed: titles("ok"), failed: titles("not ok"), printed };
}

for (const [suite, failures] of Object.entries(SUITES_AND_FAILURES)) {
  test(`transport fuse-native: kernel/${suite} passes but for what cannot be there`, async () => {
    const { passed, failed, printed } = await outcomesOf(suite);
    const expected = Object.keys(failures);
    const isExpected = (name: string): boolean => expected.some((beginning) => name.startsWith(beginning));
    assert.deepEqual(
      failed.filter((name) => !isExpected(name)),
      [],
      printed,
    );
    assert.deepEqual(passed.filter(isExpected), [], "named as failing");
    assert.equal(failed.length, expected.length);
    assert.ok(passed.length > 0);
  });
}
