// Errands as another thread does them: what comes of a file, and of one that is not there.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fingerprintOf } from "../../lib/fingerprint.ts";
import { runErrand } from "../../lib/run-errand.ts";

test("an errand tells a file's hash and by what the file is known; of a missing one nothing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const [path, bytes] = [join(directory, "file"), Buffer.alloc(2_500_000, "some text ")];
    writeFileSync(path, bytes);
    for (const sync of [false, true]) {
      assert.deepEqual(await runErrand({ type: "hash", path, sync }, directory), {
        hash: createHash("sha256").update(bytes).digest("hex"),
        fingerprint: fingerprintOf(statSync(path, { bigint: true })),
      });
    }
    await assert.rejects(
      runErrand({ type: "hash", path: join(directory, "absent"), sync: false }, directory),
      { code: "ENOENT" },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
