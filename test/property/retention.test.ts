// Two books to which the same happens, at random, in the base and in two overlays: of one the old rows of the log move into
// segments now and then. Nobody may see a difference: not who works on, not who reads the log, not who looks at the past from the
// horizon on.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { readLog } from "../../lib/history.ts";
import { PastFiles } from "../../lib/past/past-files.ts";
import { PastOverlay } from "../../lib/past/past-overlay.ts";
import { rangeBelow } from "../../lib/past/past-view.ts";
import { userChangesBetween } from "../../lib/past/user-changes.ts";
import { StoreReader } from "../../lib/reader.ts";
import { MovedRows } from "../../lib/retention/moved-rows.ts";
import { verifyStore } from "../../lib/verify.ts";
import { BASE, type Seq } from "../../schema/ids.ts";
import { BOOK, BookFixture } from "../lib/book-fixture.ts";
import { moveRows, recallRows, type Segments, shareAll } from "../lib/retention-fixture.ts";
import { HIDING, LAYERS, Layers, REVERTING, type Step, step } from "./overlay-layers.ts";

/** What is done to the rows of one of the books before a step. */
type Keeping = "nothing" | "move" | "move some" | "recall";

class Twin {
  readonly directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  readonly book = new BookFixture(this.directory, {});
  readonly layers: Layers;

  constructor() {
    for (const directory of ["a/b", "b/b"]) this.book.makeDirectories(directory);
    for (const path of ["a/a", "a/b/a", "a/b/b", "b/a", "b/b/a"]) this.book.write(path, path);
    this.layers = new Layers(this.book);
  }

  /** Without what is another one in every store: file ids, and the order in which some rows of one change come, which is theirs. */
  log(): string[] {
    const reader = StoreReader.openBeside(this.directory);
    try {
      return [...readLog(reader, { bookId: BOOK })]
        .map(({ operation, path, prev_path, user_id, status, prev_hash, new_hash, size }) =>
          [operation, path, prev_path, user_id, status, prev_hash, new_hash, size].join(" "),
        )
        .sort();
    } finally {
      reader.close();
    }
  }

  shown(): unknown {
    return LAYERS.map((layer) => [...this.layers.files(layer)]);
  }

  past(seq: Seq): unknown {
    const { database } = this.book.library.store;
    const views = [new PastFiles(database, BOOK, BASE)].map((files) => files.filesIn(rangeBelow(""), seq));
    const overlays = [REVERTING, HIDING].map((user) => new PastOverlay(database, BOOK, user));
    return [...views, ...overlays.map((view) => view.filesIn(rangeBelow(""), seq))].map((files) =>
      [...files].map(({ path, sha256, mode }) => `${path} ${sha256} ${mode}`),
    );
  }

  changes(from: Seq, to: Seq): unknown {
    const { database } = this.book.library.store;
    return [REVERTING, HIDING].map((userId) =>
      [...userChangesBetween(database, { bookId: BOOK, userId, from, to, below: "" })].map(
        ({ path }) => path,
      ),
    );
  }

  take(): void {
    this.layers.closeAll();
    this.book.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function check(
  steps: readonly (Step & { readonly keeping: Keeping; readonly share: number })[],
): Promise<void> {
  const [moving, staying] = [new Twin(), new Twin()];
  const segments: Segments = new Map();
  let nowMs = Date.now();
  /** Positions between two changes. */
  const ends: Seq[] = [];
  const keep = async (keeping: Keeping, share: number): Promise<void> => {
    if (keeping === "nothing") return;
    const { library } = moving.book;
    shareAll(library);
    nowMs += 8 * 86_400_000;
    const untilSeq = keeping === "move" ? undefined : Math.floor(library.log.seq * share);
    if (keeping === "recall") await recallRows(library, segments, nowMs);
    else await moveRows(library, segments, { untilSeq }, nowMs);
  };
  try {
    for (const [index, one] of steps.entries()) {
      await keep(one.keeping, one.share);
      for (const { layers } of [moving, staying]) {
        layers.run(one, index);
        if (index % 4 === 0) layers.settle();
      }
      assert.deepEqual(moving.shown(), staying.shown(), `after step ${index}`);
      assert.equal(moving.book.library.log.seq, staying.book.library.log.seq, `after step ${index}`);
      ends.push(moving.book.library.log.seq as Seq);
    }
    await keep("move some", 0.7);
    assert.deepEqual(moving.log(), staying.log());
    const { database } = moving.book.library.store;
    const horizon = MovedRows.of(database).horizonOf(BOOK);
    const later = [...new Set(ends)].filter((seq) => seq >= horizon);
    for (const seq of later) {
      assert.deepEqual(moving.past(seq), staying.past(seq), `position ${seq}`);
      assert.deepEqual(moving.changes(later[0]!, seq), staying.changes(later[0]!, seq));
    }
    const reader = StoreReader.openBeside(moving.directory);
    try {
      const errors = (await verifyStore(reader)).filter(({ severity }) => severity === "error");
      assert.deepEqual(errors, []);
    } finally {
      reader.close();
    }
  } finally {
    for (const twin of [moving, staying]) twin.take();
  }
}

test("R6: nobody can tell a book whose old rows have moved into segments from one that kept them", async () => {
  const keeping = fc.constantFrom(
    "nothing" as const,
    "nothing" as const,
    "nothing" as const,
    "move" as const,
    "move some" as const,
    "recall" as const,
  );
  const both = fc
    // What restoring would go back to lies before the horizon for one of them.
    .record({
      one: step.filter((each) => each.do !== "restore"),
      keeping,
      share: fc.double({ min: 0.2, max: 1, noNaN: true }),
    })
    .map(({ one, ...rest }) => ({ ...one, ...rest }));
  await fc.assert(fc.asyncProperty(fc.array(both, { minLength: 1, maxLength: 40, size: "max" }), check), {
    numRuns: 20,
  });
});
