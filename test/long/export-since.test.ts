// pfs export --since, with and without a daemon: from one manifest hash to the next.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Library } from "../../lib/library.ts";
import { withPlace } from "../daemon/harness.ts";
import { importFiles, withAndWithoutDaemon } from "../daemon/imported.ts";

test("FR-027: export says the manifest hash of what it wrote; --since it, only changes are written; again, nothing is", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs, run, top } = place;
    const copy = join(top, "copy");
    await importFiles(place, { "a.md": "1", "b.md": "1", "d/c.md": "1" });
    const exported = JSON.parse(await pfs("export", "my-book", copy, "--json"));
    assert.equal(exported.manifest_hash, (await pfs("manifest", "my-book", "--hash")).trim());
    const since = exported.manifest_hash as string;
    await importFiles(place, { "a.md": "22" });
    const { manifest_hash: next, ...done } = JSON.parse(
      await pfs("export", "my-book", copy, "--since", since, "--json"),
    );
    assert.deepEqual(done, { book: "my-book", directory: copy, written: 1, deleted: 0, size_bytes: 2 });
    assert.equal(await readFile(join(copy, "a.md"), "utf8"), "22");
    for (const hash of [since, next as string, since.slice(0, 8)]) {
      assert.equal(
        await pfs("export", "my-book", copy, "--since", hash),
        `${copy} has everything that is in my-book.\nmanifest  ${next}\n`,
      );
    }
    await importFiles(place, { "a.md": "3", "b.md": "3" });
    await writeFile(join(copy, "b.md"), "mine");
    const refused = await run("export", "my-book", copy, "--since", next);
    assert.match(
      refused.stderr,
      /^pfs: In .*copy somebody has changed b\.md\. Nothing was done\.\n {2}.*--force/,
    );
    assert.deepEqual([refused.code, await readFile(join(copy, "a.md"), "utf8")], [1, "22"]);
    assert.match(
      await pfs("export", "my-book", copy, "--since", next, "--force"),
      /^Wrote 2 files \(2 B\) of my-book to .*copy, and deleted 0\.\nmanifest {2}[0-9a-f]{64}\n$/,
    );
    const unknown = await run("export", "my-book", copy, "--since", "0f".repeat(32));
    assert.match(
      unknown.stderr,
      /^pfs: The manifest 0f0f.* of my-book is not known here\.\n {2}.*without --since/,
    );
    assert.equal(unknown.code, 1);
  }));

test("export: while another program has the store the files are written, and it is said that their manifest hash is not kept", () =>
  withPlace(async (place) => {
    const { pfs, top, store } = place;
    await importFiles(place, { "a.md": "1" });
    const library = Library.open(store);
    try {
      const copy = join(top, "copy");
      const { manifest_hash, files } = JSON.parse(await pfs("export", "my-book", copy, "--json"));
      assert.deepEqual([manifest_hash, files], [null, 1]);
      assert.equal(await readFile(join(copy, "a.md"), "utf8"), "1");
    } finally {
      library.close();
    }
  }));
