// The bytes of a manifest in pieces: whatever is changed, wherever it is read, they are those of all its lines joined.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { ManifestText } from "../../lib/manifest-text.ts";
import type { BlobHash } from "../../schema/ids.ts";
import "../property-seed.ts";

const hashOf = (text: string): BlobHash => createHash("sha256").update(text).digest("hex") as BlobHash;
const pathOf = (number: number): string =>
  `content/${number % 7}/é-${number}${"-long".repeat(number % 20)}.md`;

function joined(files: ReadonlyMap<string, BlobHash>): Buffer {
  const lines = [...files].map(([path, hash]) => ({ key: Buffer.from(path), line: `${path}:${hash}\n` }));
  lines.sort((a, b) => Buffer.compare(a.key, b.key));
  return Buffer.from(lines.map(({ line }) => line).join(""));
}

function textOf(files: ReadonlyMap<string, BlobHash>): ManifestText {
  return ManifestText.of(joined(files).toString().split("\n").slice(0, -1));
}

function assertText(text: ManifestText, wanted: Buffer, offset: number): void {
  assert.equal(text.length, wanted.length);
  const all = Buffer.alloc(wanted.length + 10);
  assert.equal(text.read(0, all), wanted.length);
  assert.ok(all.subarray(0, wanted.length).equals(wanted));
  const part = Buffer.alloc(100_000);
  const length = text.read(offset, part);
  assert.ok(part.subarray(0, length).equals(wanted.subarray(offset, offset + part.length)));
  assert.equal(text.hash(), createHash("sha256").update(wanted).digest("hex"));
}

test("manifest: through any changes of a long manifest its bytes are its lines, at every offset, and what was before stays as it was", () => {
  const change = fc.record({
    number: fc.nat(4000),
    hash: fc.option(fc.constantFrom("1", "2", "3"), { nil: null }),
  });
  const rounds = fc.array(
    fc.oneof(
      fc.array(change, { minLength: 1, maxLength: 20 }),
      // Whole pieces go, and come.
      fc
        .record({ from: fc.nat(4000), count: fc.nat(2500), hash: fc.constantFrom("4", null) })
        .map(({ from, count, hash }) =>
          Array.from({ length: count }, (_, index) => ({ number: from + index, hash })),
        ),
    ),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(fc.nat(3000), rounds, fc.nat(1_000_000), (size, changes, offset) => {
      const files = new Map(
        Array.from({ length: size }, (_, number) => [pathOf(number), hashOf("0")] as const),
      );
      let text = textOf(files);
      assertText(text, joined(files), offset);
      for (const round of changes) {
        const [before, beforeBytes] = [text, joined(files)];
        const changed = new Map(
          round.map(({ number, hash }) => [pathOf(number), hash === null ? null : hashOf(hash)] as const),
        );
        for (const [path, hash] of changed) {
          if (hash === null) files.delete(path);
          else files.set(path, hash);
        }
        text = text.with(changed);
        assertText(text, joined(files), offset);
        assertText(before, beforeBytes, offset);
      }
    }),
    { numRuns: 25 },
  );
});
