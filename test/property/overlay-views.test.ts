// Random operations of the base and of users in nested directories, without a model: whatever happens, what each layer shows
// must be consistent in itself, and the store sound (I1, R5).

import "../property-seed.ts";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { StoreReader } from "../../lib/reader.ts";
import { verifyStore } from "../../lib/verify.ts";
import { BASE } from "../../schema/ids.ts";
import { actorNamed, BookFixture } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { HIDING, LAYERS, Layers, REVERTING, type Step, step } from "./overlay-layers.ts";

async function check(steps: readonly Step[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const book = new BookFixture(folder, {});
    try {
      const layers = new Layers(book);
      for (const [index, one] of steps.entries()) {
        const before = one.layer === BASE || index % 20 !== 0 ? undefined : layers.view(BASE);
        layers.run(one, index);
        if (before !== undefined && one.do !== "settle" && one.do !== "publish")
          assert.deepEqual(layers.view(BASE), before, "R5: the base is as it was");
      }
      layers.closeAll();
      layers.settle();
      const views = LAYERS.map((layer) => [...layers.view(layer)].sort());
      assertSound(book.library);
      assertAtRest(book.library);
      const reader = StoreReader.openBeside(folder);
      try {
        assert.deepEqual(await verifyStore(reader), [], "what verify finds");
      } finally {
        reader.close();
      }
      // Nothing of what is seen is only remembered.
      book.reopen();
      assert.deepEqual(
        LAYERS.map((layer) => [...new Layers(book).view(layer)].sort()),
        views,
        "after a restart",
      );
      const again = new Layers(book);
      for (const layer of LAYERS) again.removeScratch(layer);
      for (const layer of [REVERTING, HIDING]) {
        again.of(layer).worktree.revert([""], actorNamed(layer));
        assert.deepEqual(
          [...again.view(layer)].sort(),
          [...again.view(BASE)].sort(),
          "FR-019: reverted wholly, it is the base",
        );
      }
    } finally {
      book.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("I1, R5: what the base and users show in nested directories is consistent, whatever any of them does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 400, size: "max" }), (steps) => check(steps)),
    {
      numRuns: 40,
    },
  );
});
