// Stores in trouble, through the daemon and the commands: on a read-only disk, on one that fills up while programs save,
// with damaged or lost bytes, with a damaged database.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { execute, type Place, withPlace } from "../daemon/harness.ts";

/** Calls `use` in a place whose store is a small disk of its own. */
function withStoreOnDisk(megabytes: number, use: (place: Place) => Promise<void>): Promise<void> {
  assert.equal(process.getuid?.(), 0, "run this test as root: it mounts a small tmpfs");
  return withPlace(async (place) => {
    mkdirSync(place.store, { mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=700`, "pfs-test", place.store]);
    try {
      await use(place);
    } finally {
      await place.run("stop", "--lazy");
      execFileSync("umount", ["-l", place.store]);
    }
  });
}

function makeSource(top: string): string {
  const source = join(top, "source");
  mkdirSync(source);
  writeFileSync(join(source, "small"), "small\n");
  writeFileSync(join(source, "large"), Buffer.alloc(300_000, "large"));
  return source;
}

test("a store on a read-only file system is refused by every command in one sentence, and goes on when it is writable", () =>
  withStoreOnDisk(20, async ({ run, pfs, store, top, dir }) => {
    const source = makeSource(top);
    await pfs("import", "my-book", source);
    execFileSync("mount", ["-o", "remount,ro", store]);
    for (const args of [
      ["ls", "my-book"],
      ["log"],
      ["status"],
      ["verify"],
      ["export", "my-book", join(top, "copy")],
      ["validate", "my-book"],
      ["mount", "my-book", dir],
      ["import", "my-book", source],
      ["init", "other"],
    ]) {
      const { code, stdout, stderr } = await run(...args);
      assert.deepEqual([code, stdout], [1, ""], args.join(" "));
      assert.match(
        stderr,
        /^pfs: The store \S+ cannot be used: it is on a read-only file system\.\n {2}Make it /,
      );
    }
    execFileSync("mount", ["-o", "remount,rw", store]);
    await pfs("mount", "my-book", dir);
    assert.equal(await readFile(join(dir, "small"), "utf8"), "small\n");
    assert.match(await pfs("verify"), /^The store is sound/);
  }));

/** Four programs save until the disk is full, some times each; says what was acknowledged. */
const FILLERS = `
import errno, hashlib, json, os, sys, multiprocessing
os.chdir(sys.argv[1])
def fill(worker):
    acknowledged, refused, number = {}, 0, 0
    while refused < 8:
        number += 1
        path = f"{worker}-{number % 40}"
        data = os.urandom(20_000 if number % 3 else 300_000)
        tried = path
        try:
            if number % 2:
                with open(path, "wb", buffering=0) as file:
                    at = 0
                    while at < len(data): at += file.write(data[at:at + 65536])
            else:
                tried = path + ".tmp"
                with open(tried, "wb", buffering=0) as file:
                    at = 0
                    while at < len(data): at += file.write(data[at:at + 65536])
                os.rename(tried, path)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            refused += 1
            try: os.unlink(path + ".tmp")
            except FileNotFoundError: pass
            continue
        acknowledged[path] = hashlib.sha256(data).hexdigest()
    return acknowledged
with multiprocessing.Pool(4) as pool:
    merged = {}
    for part in pool.map(fill, "abcd"): merged.update(part)
print(json.dumps(merged))
`;

/** The hashes of the files that are named on standard input. */
const HASHES = `
import hashlib, json, os, sys
os.chdir(sys.argv[1])
print(json.dumps({name: hashlib.sha256(open(name, "rb").read()).hexdigest() for name in os.listdir(".") if name != ".pfs"}))
`;

test("FULL: a disk that fills up while four programs save: ENOSPC, nothing acknowledged is lost, files can be removed and cut", () =>
  withStoreOnDisk(40, async ({ pfs, run, store, dir }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    const filled = await execute("python3", ["-c", FILLERS, dir]);
    assert.equal(filled.code, 0, filled.stderr);
    const acknowledged = JSON.parse(filled.stdout) as Record<string, string>;
    assert.ok(Object.keys(acknowledged).length > 10);
    const assertAllThere = async (): Promise<void> => {
      const { code, stdout, stderr } = await execute("python3", ["-c", HASHES, dir]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), acknowledged);
    };
    await assertAllThere();
    const [first = "", second = ""] = Object.keys(acknowledged);
    rmSync(join(dir, first));
    delete acknowledged[first];
    const kept = readFileSync(join(dir, second)).subarray(0, 1000);
    truncateSync(join(dir, second), 1000);
    assert.ok(readFileSync(join(dir, second)).equals(kept));
    acknowledged[second] = createHash("sha256").update(kept).digest("hex");
    assert.match(readFileSync(join(dir, ".pfs/errors.jsonl"), "utf8"), /"code":"FULL"/);
    execFileSync("mount", ["-o", "remount,size=80m", store]);
    writeFileSync(join(dir, first), "after");
    assert.equal(readFileSync(join(dir, first), "utf8"), "after");
    rmSync(join(dir, first));
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    await pfs("stop");
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    await pfs("mount", "my-book", dir);
    await assertAllThere();
    assert.equal((await run("stop")).code, 0);
  }));

test("R2: changed, cut or lost bytes are EIO on a mount and named by errors.jsonl, verify and export; the other files are there", () =>
  withPlace(async ({ pfs, run, store, top, dir }) => {
    await pfs("import", "my-book", makeSource(top));
    const [object = ""] = globSync(join(store, "objects/*/*"));
    const bytes = { large: readFileSync(join(top, "source/large")), small: Buffer.from("small\n") };
    const change = (): void => {
      const database = new Sqlite(join(store, "pfs.db"));
      database.exec("UPDATE blob SET data = zeroblob(length(data)) WHERE data IS NOT NULL");
      database.close();
    };
    for (const [index, [path, other, damage, words]] of (
      [
        ["small", "large", change, /do not match/],
        ["large", "small", () => writeFileSync(object, Buffer.alloc(bytes.large.length)), /do not match/],
        ["large", "small", () => truncateSync(object, 1000), /do not match/],
        ["large", "small", () => rmSync(object), /missing/],
      ] as const
    ).entries()) {
      damage();
      await pfs("mount", "my-book", dir);
      await assert.rejects(readFile(join(dir, path)), { code: "EIO" });
      assert.deepEqual(await readFile(join(dir, other)), bytes[other]);
      const told = JSON.parse((await readFile(join(dir, ".pfs/errors.jsonl"), "utf8")).trimEnd());
      assert.deepEqual([told.code, told.path], ["CORRUPT", path]);
      assert.match(told.message, words);
      const verified = await run("verify", "--json");
      assert.equal(verified.code, 1);
      assert.equal(JSON.parse(verified.stdout).subject, path);
      const exported = await run("export", "my-book", join(top, `copy-${index}`));
      assert.equal(exported.code, 1);
      assert.ok(exported.stderr.startsWith(`pfs: ${path} cannot be read: `), exported.stderr);
      assert.match(exported.stderr, /\n {2}All others \(1\) were written\./);
      await pfs("stop");
      await pfs("import", "my-book", join(top, "source"));
      assert.match(await pfs("verify"), /^The store is sound/);
    }
  }));

test("a database that is cut short or overwritten is refused by every command, with what to do, and left as it is", () =>
  withPlace(async ({ pfs, run, store, top, dir }) => {
    await pfs("import", "my-book", makeSource(top));
    const file = join(store, "pfs.db");
    const good = join(top, "good.db");
    copyFileSync(file, good);
    const whole = readFileSync(good);
    const garbage = Buffer.from(whole);
    garbage.fill(0xff, 3 * 4096);
    for (const bytes of [whole.subarray(0, 8192), garbage]) {
      writeFileSync(file, bytes);
      for (const args of [
        ["verify"],
        ["ls"],
        ["log"],
        ["mount", "my-book", dir],
        ["import", "my-book", join(top, "source")],
      ]) {
        const { code, stderr } = await run(...args);
        assert.equal(code, 1, args.join(" "));
        assert.match(stderr, /^pfs: The store's database \S+ is damaged: .*\n {2}It was left as it is\. /);
      }
      assert.ok(readFileSync(file).equals(bytes));
    }
    writeFileSync(file, whole);
    for (const rest of ["-wal", "-shm"]) rmSync(`${file}${rest}`, { force: true });
    assert.match(await pfs("verify"), /^The store is sound/);
  }));
