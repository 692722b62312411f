// R6: `pfs audit-head`, `.pfs/audit/head` and `pfs verify --head` as people and scripts use them.

import assert from "node:assert/strict";
import { cp, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execute, withPlace } from "./harness.ts";

test("R6: a head that was kept proves, also offline, that the log extends it; one that the log does not extend is an error", () =>
  withPlace(async ({ pfs, run, top, dir, store }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, "-o", "agent=ann");
    await writeFile(join(dir, "a.md"), "one\n");
    const kept = join(top, "kept.json");
    await pfs("audit-head", "-o", kept);
    assert.equal((await stat(join(store, "audit-key.pem"))).mode & 0o777, 0o600);
    const shown = JSON.parse(await readFile(join(dir, ".pfs/audit/head"), "utf8"));
    const head = JSON.parse(await readFile(kept, "utf8"));
    for (const key of ["store_id", "seq", "entry_hash", "public_key"])
      assert.equal(shown[key], head[key], key);
    await cp(join(dir, ".pfs/audit/head"), join(top, "copy.json"));
    await writeFile(join(dir, "a.md"), "two\n");
    await pfs("stop");
    const said = await pfs("verify", "--head", kept, "--head", join(top, "copy.json"));
    assert.match(said, /^The log extends the head of row 1, 20.*Z, in .*kept\.json\.$/m);
    assert.match(said, /copy\.json\.\nThe store is sound/);

    const other = join(top, "other");
    await pfs("--store", other, "init", "my-book", "--schema", "any");
    await mkdir(join(top, "source"));
    await writeFile(join(top, "source/b.md"), "other\n");
    await pfs("--store", other, "import", "my-book", join(top, "source"));
    const failed = await run("--store", other, "verify", "--head", kept);
    assert.equal(failed.code, 1);
    assert.match(failed.stdout, /^error R6 row 1: The log does not extend the head of .* in .*kept\.json/m);
  }));

test("R6: a head that was changed, or a file that is none, is refused with one sentence", () =>
  withPlace(async ({ pfs, run, top }) => {
    await pfs("init", "my-book", "--schema", "any");
    const kept = join(top, "kept.json");
    await writeFile(kept, JSON.stringify({ ...JSON.parse(await pfs("audit-head", "--json")), seq: 1 }));
    for (const [file, message] of [
      [kept, "is not signed by the key that it names: it was changed after it was signed."],
      [import.meta.filename, "is no signed head of a log."],
      [join(top, "none.json"), "cannot be read: there is no such file."],
    ] as const) {
      const { code, stderr, stdout } = await run("verify", "--head", file);
      assert.ok(stderr.split("\n")[0]?.endsWith(message), stderr);
      assert.deepEqual([code > 0, stdout], [true, ""]);
    }
  }));

test("heads: openssl checks a signature with nothing but the head itself", () =>
  withPlace(async ({ pfs, top }) => {
    await pfs("init", "my-book", "--schema", "any");
    await writeFile(join(top, "head.json"), await pfs("audit-head"));
    assert.match(await pfs("audit-head", "--public-key"), /^-----BEGIN PUBLIC KEY-----\n/);
    const script = `jq -r .public_key head.json > key.pem; jq -r .signature head.json | base64 -d > signature
      { echo 'pfs audit head 1'; jq -cj '{entry_hash, seq, store_id, time}' head.json; } > text
      openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature`;
    const { code, stdout, stderr } = await execute(
      "bash",
      ["-euo", "pipefail", "-c", script],
      undefined,
      top,
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Signature Verified Successfully/);
  }));
