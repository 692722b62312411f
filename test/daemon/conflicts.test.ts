// Conflicts as people meet them: `pfs import` over a file that a program has open and has changed, then cp, mv, rm -r, jq,
// `pfs conflicts` and `pfs resolve` (W2).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { execute, PFS, type Place, withPlace } from "./harness.ts";

const LESSON = "01-lesson.md";
const [BASE, MINE, THEIRS] = ["1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n"];
const MERGED = "one\n2\nthree\n";

/** Opens a file, changes it, says so, and closes it when it is told to; says what close(2) answered. */
const PROGRAM = `
import errno, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(fd, sys.argv[2].encode(), 0)
os.ftruncate(fd, len(sys.argv[2]))
print("changed", flush=True)
sys.stdin.readline()
try:
    os.close(fd)
    print("saved", flush=True)
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
`;

const REFUSALS = `
import errno, os
os.chdir(".pfs/conflicts")
def fails(code, call, *args):
    try: call(*args)
    except OSError as error: assert error.errno == getattr(errno, code), (code, args, error)
    else: raise AssertionError(args)
fails("EROFS", open, "1/new", "x"); fails("EROFS", open, "1/mine", "r+"); fails("EROFS", open, "1/mine", "w")
fails("EROFS", os.mkdir, "2"); fails("EROFS", os.rename, "1/mine", "1/ours"); fails("EROFS", os.rename, "1", "2")
fails("EROFS", os.chmod, "1/mine", 0o600); fails("EROFS", os.symlink, "x", "1/link"); fails("EROFS", os.link, "1/mine", "1/ours")
fails("ENOTEMPTY", os.rmdir, "1"); fails("ENOENT", os.rmdir, "9"); fails("ENOENT", os.unlink, "1/none")
fails("EISDIR", os.unlink, "1"); fails("ENOTDIR", os.rmdir, "1/mine"); fails("ENOENT", os.stat, "01"); fails("ENOENT", os.stat, "x")
`;

interface Conflicted extends Place {
  /** Mounted, with one lesson. */
  readonly book: string;
  /** A save of `mine` that `theirs` was imported under. */
  conflict(mine?: string, theirs?: string): Promise<void>;
  bring(text: string): Promise<void>;
  sh(script: string): Promise<string>;
  conflicts(): Promise<Record<string, unknown>[]>;
}

function withConflicts(use: (place: Conflicted) => Promise<void>): Promise<void> {
  return withPlace(async (place) => {
    const { pfs, top, dir } = place;
    const source = join(top, "source");
    await mkdir(source);
    const bring = async (text: string): Promise<void> => {
      await writeFile(join(source, LESSON), text);
      await pfs("import", "my-book", source, "--agent", "bob");
    };
    await pfs("init", "my-book", "--schema", "any");
    await bring(BASE);
    await pfs("mount", "my-book", dir, "-o", "agent=alice");
    await use({
      ...place,
      book: dir,
      bring,
      async conflict(mine = MINE, theirs = THEIRS) {
        const writer = spawn("python3", ["-c", PROGRAM, join(dir, LESSON), mine], {
          stdio: ["pipe", "pipe", "inherit"],
        });
        const lines = createInterface({ input: writer.stdout })[Symbol.asyncIterator]();
        const closed = once(writer, "close");
        try {
          assert.equal((await lines.next()).value, "changed");
          await bring(theirs);
          writer.stdin.end("close\n");
          assert.equal((await lines.next()).value, "ESTALE");
          assert.deepEqual(await closed, [0, null]);
        } finally {
          writer.kill("SIGKILL");
        }
      },
      async sh(script) {
        const { code, stdout, stderr } = await execute(
          "bash",
          ["-euo", "pipefail", "-c", script],
          undefined,
          dir,
        );
        assert.equal(code, 0, `${script}: ${stderr}`);
        return stdout;
      },
      async conflicts() {
        const lines = (await pfs("conflicts", "--json")).split("\n").filter((line) => line !== "");
        return lines.map((line) => JSON.parse(line));
      },
    });
  });
}

test("W2: a refused save is a folder in .pfs/conflicts, counted in the status, listed, explained, and in the log", () =>
  withConflicts(async ({ book, pfs, conflict, conflicts, sh, status }) => {
    assert.equal(await pfs("conflicts"), "There are no conflicts.\n");
    await conflict();
    assert.equal(await readFile(join(book, LESSON), "utf8"), THEIRS);
    const folder = join(book, ".pfs/conflicts/1");
    assert.deepEqual((await readdir(folder)).sort(), ["base", "info.json", "merged", "mine", "theirs"]);
    const texts = ["base", "mine", "theirs", "merged"].map((name) => readFile(join(folder, name), "utf8"));
    assert.deepEqual(await Promise.all(texts), [BASE, MINE, THEIRS, MERGED]);
    const info = JSON.parse(await readFile(join(folder, "info.json"), "utf8"));
    const hash = async (path: string) => (await sh(`sha256sum < ${path} | cut -c1-64`)).trim();
    assert.deepEqual(
      [info.path, info.agent, info.command, info.user, info.mine, info.theirs],
      [LESSON, "alice", "python3", "__base__", await hash(".pfs/conflicts/1/mine"), await hash(LESSON)],
    );
    assert.deepEqual(await conflicts(), [info]);
    assert.match(
      await pfs("conflicts", "my-book"),
      /^1 {2}my-book {2}01-lesson\.md {2}\S+ \S+ {2}alice \(python3\) {2}merges\n/,
    );
    assert.equal(((await status()) as unknown as { conflicts: number }).conflicts, 1);
    assert.match(await pfs("status"), /^conflicts {2}1; `pfs conflicts` lists them$/m);
    assert.equal((await sh("jq .conflicts .pfs/status.json")).trim(), "1");
    assert.match(
      await sh("tail -n 1 .pfs/errors.jsonl | jq -r '.code, .hint'"),
      /^CONFLICT\n.*\.pfs\/conflicts\/1 /,
    );
    assert.match(await pfs("log", "--refused"), /01-lesson\.md was changed by someone else .*\(conflict 1\)/);
    await sh(
      "find .pfs -type f -exec cmp {} {} ';' && tar cf - .pfs/conflicts | tar tf - | grep -c conflicts/1/ | grep -q 6",
    );
  }));

test("W2: resolved by hand: what is to stay is copied or moved over the original, and rm -r ends the conflict", () =>
  withConflicts(async ({ conflict, bring, sh, conflicts, pfs }) => {
    await conflict();
    await sh(
      `cp .pfs/conflicts/1/mine ${LESSON} && rm -r .pfs/conflicts/1 && test "$(ls .pfs/conflicts)" = ""`,
    );
    assert.equal(await sh(`cat ${LESSON}`), MINE);
    await bring(BASE);
    await conflict("ONE\n2\n3\n");
    await sh(
      `cp .pfs/conflicts/2/merged ${LESSON}.tmp && mv ${LESSON}.tmp ${LESSON} && rm -rf .pfs/conflicts/*`,
    );
    assert.equal(await sh(`cat ${LESSON}; ls .pfs/conflicts; test ! -e .pfs/conflicts/2`), "ONE\n2\nthree\n");
    assert.deepEqual(await conflicts(), []);
    assert.match(await pfs("log", "--refused", "-n", "1"), /What was refused as conflict 2 was given up\./);
    await bring(BASE);
    await conflict("1\n2\n3\nmine\n", "0\n2\n3\n");
    // As from another file system: mv copies, with the lesson's mode, and takes the version from the folder.
    await sh(
      `mv .pfs/conflicts/3/mine ${LESSON} && test "$(stat -c %a ${LESSON})" = 644 && test ! -e .pfs/conflicts/3/mine`,
    );
    assert.equal(await sh(`cat ${LESSON}; rm -r .pfs/conflicts/3`), "1\n2\n3\nmine\n");
    assert.match(await pfs("log", LESSON, "-n", "1"), / update .*\(alice, mv\)/);
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.$/m);
  }));

test("W2: on a user's mount a version is copied over the lesson; mv, which would revert that first, is told to", () =>
  withConflicts(async ({ conflict, pfs, otherDir, sh, env }) => {
    await pfs("mount", "my-book", otherDir, "-o", "user=carol,agent=carol");
    const file = join(otherDir, LESSON);
    await writeFile(file, "carol\n");
    await conflict();
    const old = (await pfs("cat", "--hash", "my-book", LESSON, "--user", "carol")).trim();
    await writeFile(file, "carol again\n");
    const stale = `echo stale | node ${PFS} write my-book ${LESSON} --user carol --agent carol --expect ${old}`;
    const { code, stderr } = await execute("bash", ["-c", stale], env);
    assert.match(stderr, /conflict 2/);
    assert.equal(code, 1);
    const version = join(otherDir, ".pfs/conflicts/2/mine");
    assert.equal((await execute("mv", ["-f", version, file])).code, 1);
    assert.equal(await readFile(file, "utf8"), "carol again\n");
    assert.match(
      await sh(`tail -n 1 "${otherDir}"/.pfs/errors.jsonl | jq -r .hint`),
      /^Copy it over the file with cp/,
    );
    await sh(`cp "${version}" "${file}" && rm -r "${otherDir}"/.pfs/conflicts/2`);
    assert.equal(await readFile(file, "utf8"), "stale\n");
  }));

test("W2: nothing else in the folder can be changed, nor by a mount that only reads", () =>
  withConflicts(async ({ conflict, sh, pfs, otherDir, conflicts }) => {
    await conflict();
    await sh(`python3 -c '${REFUSALS}'`);
    await pfs("mount", "my-book", otherDir, "-o", "ro,agent=carol");
    const { code } = await execute("rm", ["-r", join(otherDir, ".pfs/conflicts/1")]);
    assert.notEqual(code, 0);
    assert.equal((await conflicts()).length, 1);
    assert.deepEqual((await readdir(join(otherDir, ".pfs/conflicts/1"))).length, 5);
    // Another mount's kernel sees that the folder went, and that one came.
    await sh("rm -r .pfs/conflicts/1");
    assert.deepEqual(await readdir(join(otherDir, ".pfs/conflicts")), []);
    await conflict(MINE, "other\n");
    assert.deepEqual(await readdir(join(otherDir, ".pfs/conflicts")), ["2"]);
  }));

test("W2: a conflict outlives the daemon and can be resolved with and without one", () =>
  withConflicts(async ({ conflict, conflicts, pfs, run, book, top }) => {
    await conflict();
    await pfs("stop");
    assert.equal((await conflicts()).length, 1);
    assert.match(await pfs("status"), /^conflicts {2}1;/m);
    assert.equal(
      await pfs("resolve", "1", "--merged", "--agent", "carol"),
      `${LESSON} has both versions, merged. Conflict 1 is resolved.\n`,
    );
    await pfs("export", "my-book", join(top, "out"));
    assert.equal(await readFile(join(top, "out", LESSON), "utf8"), MERGED);
    await pfs("mount", "my-book", book, "-o", "agent=alice");
    await conflict("mine\n", "theirs\n");
    const merged = await run("resolve", "2", "--merged");
    assert.equal(merged.code, 1);
    assert.match(
      merged.stderr,
      /^pfs: The versions of conflict 2 do not merge by themselves\.\n {2}Take --mine/,
    );
    await pfs("resolve", "2", "--mine", "--agent", "carol");
    assert.equal(await readFile(join(book, LESSON), "utf8"), "mine\n");
    assert.deepEqual(await readdir(join(book, ".pfs/conflicts")), []);
    const { agent_id, operation } = JSON.parse((await pfs("log", "-n", "1", "--json")).trim());
    assert.deepEqual([agent_id, operation], ["carol", "update"]);
  }));

test("W2: what moved on again is not resolved unseen; wrong numbers and choices are refused in a sentence", () =>
  withConflicts(async ({ conflict, bring, run, pfs, sh }) => {
    await conflict();
    await bring("1\n2\n3\nfour\n");
    const moved = await run("resolve", "1", "--theirs");
    assert.equal(moved.code, 1);
    assert.match(
      moved.stderr,
      /^pfs: 01-lesson\.md was changed again after conflict 1 was found\.\n {2}Look at /,
    );
    assert.equal(
      await sh("cat .pfs/conflicts/1/theirs .pfs/conflicts/1/merged"),
      "1\n2\n3\nfour\none\n2\n3\nfour\n",
    );
    const cases: [code: number, said: RegExp, ...args: string[]][] = [
      [2, /^pfs: "x" is not the number of a conflict\.\n {2}`pfs conflicts`/, "x", "--mine"],
      [2, /^pfs: Say which version it is to be: /, "1"],
      [2, /^pfs: Say which version it is to be: /, "1", "--mine", "--theirs"],
      [1, /^pfs: There is no open conflict 7\.\n {2}`pfs conflicts`/, "7", "--mine"],
    ];
    for (const [code, said, ...args] of cases) {
      const outcome = await run("resolve", ...args);
      assert.equal(outcome.code, code);
      assert.match(outcome.stderr, said);
    }
    await pfs("resolve", "1", "--merged");
    assert.equal(await sh(`cat ${LESSON}`), "one\n2\n3\nfour\n");
  }));
