// A `pfs export --since` that is killed on its way.

import assert from "node:assert/strict";
import { watch } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execute, PFS, withPlace } from "../daemon/harness.ts";
import { importFiles } from "../daemon/imported.ts";

const MANY = 800;

test("FR-027: killed at any moment, an export --since is finished by the same command: the directory is what a whole export makes", () =>
  withPlace(async (place) => {
    const { pfs, start, top, dir } = place;
    const copy = join(top, "copy");
    const files = (text: string): Record<string, string> =>
      Object.fromEntries(Array.from({ length: MANY }, (_, index) => [`d/${index}.md`, `${text} ${index}`]));
    await importFiles(place, { ...files("old"), "gone/a.md": "old" });
    const { manifest_hash: since } = JSON.parse(await pfs("export", "my-book", copy, "--json"));
    await importFiles(place, files("new"));
    await pfs("mount", "my-book", dir);
    await rm(join(dir, "gone"), { recursive: true });
    // Each time a few more files are there.
    for (const seen of [1, 30, 200]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let count = 0;
      const watcher = watch(join(copy, "d"), () => {
        if (++count >= seen) resolve();
      });
      try {
        const { child, exit } = start(PFS, "export", "my-book", copy, "--since", since);
        await promise;
        child.kill("SIGKILL");
        assert.equal(await exit, "SIGKILL", "it was killed before its end");
      } finally {
        watcher.close();
      }
    }
    const { written } = JSON.parse(await pfs("export", "my-book", copy, "--since", since, "--json"));
    assert.ok(written > 0 && written < MANY, `${written} were left to be written`);
    const whole = join(top, "whole");
    await pfs("export", "my-book", whole);
    const { code, stdout } = await execute("diff", ["-r", copy, whole]);
    assert.deepEqual([code, stdout], [0, ""]);
    const listing = (at: string) =>
      execute("bash", ["-c", "find . -type f -printf '%p %m %T@\\n' | sort"], undefined, at);
    assert.equal((await listing(copy)).stdout, (await listing(whole)).stdout);
  }));
