// pfs write and pfs cat, with and without a daemon: for scripts that must never lose each other's work.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, hash as sha256 } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { execute, type Outcome, PFS, PFSD, type Place, withPlace } from "./harness.ts";
import { withAndWithoutDaemon } from "./imported.ts";

function sha(bytes: string | Buffer): string {
  return sha256("sha256", bytes, "hex");
}

/** Runs bash, where `pfs` is a function. */
function bash({ env, top }: Place, script: string): Promise<Outcome> {
  const pfs = `pfs() { "${process.execPath}" "${PFS}" "$@"; }\n`;
  return execute("bash", ["-c", pfs + script], env, top);
}

/** What `pfs write` says of what it is given. */
async function write(place: Place, input: string | Buffer, ...args: string[]): Promise<Outcome> {
  const child: ChildProcess = spawn(process.execPath, [PFS, "write", "my-book", ...args], { env: place.env });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream]?.setEncoding("utf8").on("data", (text) => {
      said[stream] += text;
    });
  // One that is refused early does not read all of it.
  child.stdin?.on("error", () => undefined).end(input);
  const [code] = await once(child, "close");
  return { code, ...said };
}

test("FR-003, FR-005: write says created, updated or unchanged and the hash; cat --hash names what --expect replaces", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs, run } = place;
    await pfs("init", "my-book", "--schema", "any");
    const path = "d/a.md";
    assert.equal((await write(place, "one\r\n", path)).stdout, `created  ${sha("one\r\n")}\n`);
    assert.equal((await write(place, "one\r\n", path)).stdout, `unchanged  ${sha("one\r\n")}\n`);
    assert.equal(await pfs("cat", "my-book", path), "one\r\n");
    const old = (await pfs("cat", "--hash", "my-book", path)).trim();
    const updated = await write(place, "two", path, "--expect", old, "--json", "--agent", "script");
    assert.deepEqual(JSON.parse(updated.stdout), {
      path,
      outcome: "updated",
      hash: sha("two"),
      prev_hash: old,
    });
    const refused = await write(place, "mine", path, "--expect", old);
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(refused.stderr, new RegExp(`its hash is ${sha("two")} \\(conflict 1\\)`));
    const again = JSON.parse((await write(place, "mine", path, "--expect", "absent", "--json")).stderr);
    assert.deepEqual([again.error.code, again.error.current_hash], ["CONFLICT", sha("two")]);
    const absent = JSON.parse((await write(place, "mine", "no.md", "--expect", old, "--json")).stderr);
    assert.deepEqual([absent.error.code, absent.error.current_hash], ["NOT_FOUND", null]);
    assert.equal((await write(place, "x", path, "--expect", "abc")).code, 2);
    assert.equal(await pfs("cat", "my-book", path, "--at", "1"), "one\r\n");
    assert.equal((await run("cat", "my-book", "d")).code, 1);
    const [conflict] = (await pfs("conflicts", "--json"))
      .split("\n")
      .map((line) => JSON.parse(line || "null"));
    assert.deepEqual([conflict.mine, conflict.theirs, conflict.base], [sha("mine"), sha("two"), old]);
    const log = (await pfs("log", "my-book", "--json", "--agent", "script")).trim().split("\n");
    assert.deepEqual(
      log.map((line) => JSON.parse(line).operation),
      ["update"],
    );
    assert.match(await pfs("verify"), /sound/);
  }));

test("a large file streams in and out; a directory is no input, and a writer that is killed has written nothing", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs, top, store, env } = place;
    await pfs("init", "my-book", "--schema", "any");
    const bytes = randomBytes(5_000_000);
    writeFileSync(join(top, "large.bin"), bytes);
    const round = await bash(
      place,
      "pfs write my-book static/large.bin < large.bin && pfs cat my-book static/large.bin | cmp - large.bin && echo same",
    );
    assert.equal(round.stdout, `created  ${sha(bytes)}\nsame\n`, round.stderr);
    assert.deepEqual(readdirSync(join(store, "drafts")), []);
    const directory = await bash(place, "pfs write my-book x.md < .");
    assert.match(directory.stderr, /^pfs: Standard input cannot be read: it is a directory\./);
    // A writer that is killed in the middle of it has written nothing.
    const child = spawn(process.execPath, [PFS, "write", "my-book", "half.bin"], { env });
    child.stdin.on("error", () => undefined).write(bytes);
    child.kill("SIGKILL");
    await once(child, "close");
    const { code } = await bash(place, "pfs cat --hash my-book half.bin");
    assert.equal(code, 1);
  }));

test("R2: cat tells damaged bytes by its exit code; of a small file it prints none", () =>
  withPlace(async (place) => {
    const { pfs, run, store } = place;
    await pfs("init", "my-book", "--schema", "any");
    const large = randomBytes(300_000);
    await write(place, large, "large.bin");
    await write(place, "small", "small.md");
    const hash = sha(large);
    writeFileSync(join(store, "objects", hash.slice(0, 2), hash), randomBytes(300_000));
    const database = new Sqlite(join(store, "pfs.db"));
    database.prepare("UPDATE blob SET data = ? WHERE sha256 = ?").run(Buffer.from("SMALL"), sha("small"));
    database.close();
    const small = await run("cat", "my-book", "small.md");
    assert.deepEqual([small.code, small.stdout], [1, ""]);
    for (const { code, stderr } of [small, await run("cat", "my-book", "large.bin")]) {
      assert.equal(code, 1);
      assert.match(stderr, /do not match/);
    }
    assert.equal((await run("cat", "--hash", "my-book", "large.bin")).stdout, `${hash}\n`);
  }));

test("C1: mounts of the book show what was written at once; a path in a user's mount is that user's", () =>
  withPlace(async (place) => {
    const { pfs, dir, otherDir } = place;
    await pfs("init", "my-book", "--schema", "any");
    await write(place, "one", "d/a.md");
    await pfs("mount", "my-book", dir);
    await pfs("mount", "my-book", otherDir, "-o", "user=alice");
    for (const text of ["two", "three", "four"]) {
      assert.equal(readFileSync(join(dir, "d/a.md"), "utf8").length > 0, true);
      await write(place, text, join(dir, "d/a.md"), "--expect", sha(readFileSync(join(dir, "d/a.md"))));
      assert.equal(readFileSync(join(dir, "d/a.md"), "utf8"), text);
      assert.equal(readFileSync(join(otherDir, "d/a.md"), "utf8"), text);
    }
    await write(place, "new", "d/e/new.md");
    assert.equal(readFileSync(join(dir, "d/e/new.md"), "utf8"), "new");
    await write(place, "alice's", join(otherDir, "d/a.md"), "--expect", sha("four"));
    assert.equal(readFileSync(join(otherDir, "d/a.md"), "utf8"), "alice's");
    assert.equal(readFileSync(join(dir, "d/a.md"), "utf8"), "four");
    assert.equal(await pfs("cat", "my-book", join(otherDir, "d/a.md")), "alice's");
    assert.equal(await pfs("cat", "my-book", "d/a.md", "--user", "alice"), "alice's");
    assert.equal(await pfs("cat", "my-book", "d/e/new.md", "--user", "alice"), "new");
    assert.equal(await pfs("cat", "my-book", "d/a.md"), "four");
  }));

test("curl puts bytes of any number through the socket; a refusal says the current hash", () =>
  withPlace(async (place) => {
    const { pfs, start, store, top } = place;
    await pfs("init", "my-book", "--schema", "any");
    await start(PFSD).until(/"started"/);
    const bytes = randomBytes(3_000_000);
    writeFileSync(join(top, "large.bin"), bytes);
    const put = (query: string): Promise<Outcome> =>
      execute(
        "curl",
        ["-s", "--unix-socket", "pfsd.sock", "-T", join(top, "large.bin"), `http://pfsd/books/${query}`],
        process.env,
        store,
      );
    const made = JSON.parse((await put("my-book/files?path=a.bin&agent=curl&expect=absent")).stdout);
    assert.deepEqual(made, { path: "a.bin", outcome: "created", hash: sha(bytes), prev_hash: null });
    const refused = JSON.parse((await put("my-book/files?path=a.bin&agent=curl&expect=absent")).stdout);
    assert.deepEqual([refused.error.code, refused.error.hashes.current], ["CONFLICT", sha(bytes)]);
    const unknown = JSON.parse((await put("no-book/files?path=a.bin&agent=curl")).stdout);
    assert.equal(unknown.error.code, "NOT_FOUND");
    const odd = JSON.parse((await put("my-book/files?path=a.bin&agent=curl&expect=abc")).stdout);
    assert.equal(odd.error.code, "USAGE");
    assert.deepEqual(readdirSync(join(store, "drafts")), []);
  }));

test("W1: of two scripts that read, edit and write the same version, exactly one wins each round, and the other's bytes are kept", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs } = place;
    await pfs("init", "my-book", "--schema", "any");
    await write(place, "lines:\n", "a.md");
    for (let round = 0; round < 2; round++) {
      const script = (mine: string, other: string): string => `
        set -o pipefail
        old=$(pfs cat --hash my-book a.md)
        pfs cat my-book a.md > ${mine}.md
        echo "${mine} ${round}" >> ${mine}.md
        touch ${mine}.${round}; until [ -e ${other}.${round} ]; do sleep 0.01; done
        pfs write my-book a.md --expect "$old" --agent ${mine} < ${mine}.md`;
      const outcomes = await Promise.all([
        bash(place, script("ann", "ben")),
        bash(place, script("ben", "ann")),
      ]);
      const codes = outcomes.map(({ code }) => code);
      assert.deepEqual(codes.toSorted(), [0, 1], JSON.stringify(outcomes));
      const [winner, loser] = codes[0] === 0 ? ["ann", "ben"] : ["ben", "ann"];
      const text = await pfs("cat", "my-book", "a.md");
      assert.equal(text.trimEnd().split("\n").length, round + 2, "nothing of a round before is lost");
      assert.ok(text.endsWith(`${winner} ${round}\n`));
      assert.match(outcomes[codes.indexOf(1)]?.stderr ?? "", new RegExp(sha(text)));
      const last = (await pfs("conflicts", "--json"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
        .at(-1);
      assert.deepEqual([last.agent, last.theirs], [loser, sha(text)]);
    }
    assert.match(await pfs("verify"), /sound/);
  }));
