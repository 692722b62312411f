// The manifest as it is now: kept and followed, it is at each moment what the log says, byte for byte.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { CurrentManifest } from "../../lib/current-manifest.ts";
import { manifestHash, manifestLines } from "../../lib/manifest.ts";
import { PastManifest } from "../../lib/past/past-manifest.ts";
import { resolveReference } from "../../lib/past/position.ts";
import { fromIso } from "../../lib/time.ts";
import { parseUserId, type Seq } from "../../schema/ids.ts";
import "../property-seed.ts";
import { ALICE, BOOK, type BookFixture, withBook } from "./book-fixture.ts";

function assertManifest(book: BookFixture, manifest: CurrentManifest): void {
  const [sizeBytes, look] = [manifest.sizeBytes(), manifest.look()];
  const { text, hash, seq, since } = manifest.get();
  assert.deepEqual([sizeBytes, look.seq, look.since], [text.length, seq, since]);
  const bytes = Buffer.alloc(text.length);
  assert.equal(text.read(0, bytes), bytes.length);
  const { database } = book.library.store;
  assert.equal(seq, book.library.log.seq);
  const wanted = [...manifestLines(database, BOOK, seq)].map((line) => `${line}\n`).join("");
  assert.equal(bytes.toString(), wanted);
  assert.equal(hash, createHash("sha256").update(bytes).digest("hex"));
  assert.equal(hash, manifestHash(database, BOOK, seq));
}

test("after any changes, asked for now and then, the manifest is what the log says", () => {
  const name = fc.constantFrom("a", "a-b", "a.md", "b", "é", "z");
  const step = fc.oneof(
    fc.record({ write: name, text: fc.constantFrom("1", "2", "3") }),
    fc.record({ remove: name }),
    fc.record({ move: name, to: name }),
    fc.record({ ask: fc.constant(true) }),
    fc.record({ overlay: name }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      withBook((book) => {
        const manifest = book.library.manifest(BOOK);
        const overlay = book.library.worktree(BOOK, parseUserId("ulla"));
        for (const each of steps) {
          if ("write" in each) book.write(each.write, each.text);
          else if ("remove" in each) {
            if (book.find(each.remove) !== undefined) book.unlink(each.remove);
            book.settle();
          } else if ("move" in each) {
            if (book.find(each.move) !== undefined) book.rename(each.move, each.to);
          } else if ("overlay" in each) {
            const node = overlay.lookup(overlay.rootId, each.overlay);
            const file =
              node === undefined
                ? overlay.create(overlay.rootId, each.overlay, 0o644, ALICE)
                : overlay.open(node.fileId);
            file.write(0, Buffer.from("overlay"), ALICE);
            file.commit(ALICE, { durable: false });
            file.release(ALICE);
          } else assertManifest(book, manifest);
        }
        assertManifest(book, manifest);
        assertManifest(book, new CurrentManifest(book.library.store, book.library.log, BOOK));
      });
    }),
    { numRuns: 60 },
  );
});

test("a hash that was told can be asked for, also after a restart and as its first digits; what was only looked at is not kept", () => {
  withBook((book) => {
    book.write("a", "1");
    const { seq, hash } = book.library.manifest(BOOK).tell();
    assert.equal(seq, 1);
    book.write("a", "2");
    const unseen = book.library.manifest(BOOK).get().hash;
    book.write("a", "3");
    book.reopen();
    const { database } = book.library.store;
    assert.equal(resolveReference(database, BOOK, hash), 1 as Seq);
    assert.equal(resolveReference(database, BOOK, hash.slice(0, 8)), 1 as Seq);
    assert.throws(() => resolveReference(database, BOOK, unseen), { code: "NOT_FOUND" });
  });
});

test("unchanged it is the same, and its time moves with its bytes only", () => {
  withBook((book) => {
    book.write("a", "1");
    const manifest = book.library.manifest(BOOK);
    const first = manifest.get();
    assert.equal(manifest.get(), first);
    book.worktree.setAttributes(book.node("a").fileId, { mode: 0o755 }, ALICE);
    const same = manifest.get();
    assert.deepEqual([same.hash, same.since], [first.hash, first.since]);
    assert.equal(same.text, first.text);
    book.write("b", "1");
    assert.notDeepEqual(manifest.get().hash, first.hash);
  });
});

test("looked at only, it has its size, and its time moves with its bytes only", () => {
  withBook((book) => {
    book.write("a", "1");
    const manifest = book.library.manifest(BOOK);
    const first = manifest.look();
    assert.equal(manifest.sizeBytes(), "a:".length + 65);
    book.worktree.setAttributes(book.node("a").fileId, { mode: 0o755 }, ALICE);
    assert.throws(() => book.unlink("none"));
    const same = manifest.look();
    assert.equal(same.since, first.since);
    assert.equal(same.seq, book.library.log.seq);
    book.write("bé", "1");
    const { log } = book.library;
    assert.deepEqual(manifest.look(), { seq: log.seq, since: fromIso(log.timestamp) });
    assert.equal(manifest.sizeBytes(), "a:bé:".length + 1 + 2 * 65);
    assert.deepEqual(manifest.get().since, fromIso(log.timestamp));
  });
});

test("of the past it says the same, looked at first or made first", () => {
  withBook((book) => {
    book.write("a", "1");
    book.write("é", "2");
    const seq = book.library.log.seq as Seq;
    book.write("b", "3");
    const [looked, made] = [1, 2].map(() => new PastManifest(book.library.store, BOOK, seq)) as [
      PastManifest,
      PastManifest,
    ];
    const { text, since } = made.get();
    assert.deepEqual([looked.sizeBytes(), looked.look()], [text.length, { seq, since }]);
    assert.deepEqual([made.sizeBytes(), made.look()], [text.length, { seq, since }]);
  });
});
