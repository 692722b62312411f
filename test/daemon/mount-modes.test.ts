// What a mount is asked to be (`-o`) reaches whoever serves it and is shown to people and scripts.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./harness.ts";

test("a mount's mode is in the status, in .pfs/ and in what pfs mount says", () =>
  withPlace(async ({ pfs, dir, otherDir, status }) => {
    await pfs("init", "my-book", "--schema", "any");
    assert.match(
      await pfs("mount", "my-book", dir, "-o", "check=require,agent=alice,noatime"),
      /\(rw,check=require, agent alice\)/,
    );
    await pfs("mount", "my-book", otherDir, "-o", "ro,check=seen,agent=bob");
    assert.deepEqual(
      (await status()).mounts.map(({ options }) => options),
      ["rw,check=require", "ro"],
    );
    const shown = JSON.parse(await readFile(join(otherDir, ".pfs/status.json"), "utf8"));
    const rest = {
      user: null,
      delete: null,
      sync: "background",
      at: null,
      position: null,
      position_time: null,
    };
    const [alice, bob] = [
      { agent: "alice", read_only: false, check: "require", ...rest },
      { agent: "bob", read_only: true, check: "seen", ...rest },
    ];
    const { mount } = JSON.parse(await readFile(join(otherDir, ".pfs/book.json"), "utf8"));
    assert.deepEqual(mount, { directory: otherDir, ...bob });
    assert.deepEqual(shown.mounts, [
      { directory: dir, ...alice },
      { directory: otherDir, ...bob },
    ]);
  }));
