// The bytes of one open file under any writes, truncations, allocations and saves, as small, large and scratch file.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Fallocate, Seek } from "../../lib/content.ts";
import type { OpenFile } from "../../lib/worktree/open-file.ts";
import { PosixError } from "../../schema/errors.ts";
import { ALICE, contentOf, withBook } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";

type Change =
  | { readonly do: "write"; readonly at: number; readonly size: number; readonly fill: number }
  | { readonly do: "append"; readonly size: number; readonly fill: number }
  | { readonly do: "truncate"; readonly size: number }
  | { readonly do: "allocate"; readonly mode: number; readonly at: number; readonly size: number }
  | { readonly do: "commit" | "reopen" };

const position = fc.oneof(fc.nat(300), fc.integer({ min: 131_000, max: 131_100 }), fc.nat(400_000));
const length = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 150_000 }));
const fill = fc.integer({ min: 1, max: 255 });
const modes = [
  0,
  Fallocate.keepSize,
  Fallocate.zeroRange,
  Fallocate.zeroRange | Fallocate.keepSize,
  Fallocate.punchHole | Fallocate.keepSize,
];

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("write" as const), at: position, size: length, fill }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("append" as const), size: length, fill }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("truncate" as const), size: position }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("allocate" as const),
      mode: fc.constantFrom(...modes),
      at: position,
      size: length,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("commit" as const, "reopen" as const) }) },
);

/** The same in one buffer. */
class Plain {
  bytes = Buffer.alloc(0);

  resize(size: number): void {
    const bytes = Buffer.alloc(size);
    this.bytes.copy(bytes, 0, 0, size);
    this.bytes = bytes;
  }

  write(at: number, bytes: Buffer): void {
    this.resize(Math.max(this.bytes.byteLength, at + bytes.byteLength));
    this.bytes.set(bytes, at);
  }

  allocate(mode: number, at: number, size: number): void {
    const end = at + size;
    const present = this.bytes.byteLength;
    if ((mode & ~Fallocate.keepSize) !== 0) this.bytes.fill(0, Math.min(at, present), Math.min(end, present));
    if ((mode & Fallocate.keepSize) === 0 && end > this.bytes.byteLength) this.resize(end);
  }
}

/** What SEEK_DATA and SEEK_HOLE may say: data is never called a hole, and the end is one. */
function assertSeek(file: OpenFile, bytes: Buffer): void {
  for (let at = 0; at < bytes.byteLength; ) {
    const hole = file.seek(at, Seek.hole);
    assert.ok(hole > at || bytes[at] === 0, "a hole reads as zeros");
    let data = bytes.byteLength;
    try {
      data = file.seek(hole, Seek.data);
    } catch (error) {
      assert.ok(error instanceof PosixError && error.code === "ENXIO");
    }
    assert.ok(
      bytes.subarray(hole, data).every((byte) => byte === 0),
      "a hole reads as zeros",
    );
    at = Math.max(data, at + 1);
  }
  assert.throws(() => file.seek(bytes.byteLength, Seek.data), /ENXIO/);
}

function check(path: string, changes: readonly Change[]): void {
  withBook((book) => {
    const plain = new Plain();
    let file = book.create(path);
    for (const step of changes) {
      if (step.do === "write" || step.do === "append") {
        const at = step.do === "write" ? step.at : plain.bytes.byteLength;
        const bytes = Buffer.alloc(step.size, step.fill);
        file.write(at, bytes, ALICE);
        plain.write(at, bytes);
      } else if (step.do === "truncate") {
        file.truncate(step.size, ALICE);
        plain.resize(step.size);
      } else if (step.do === "allocate") {
        file.allocate(step.mode, step.at, step.size, ALICE);
        plain.allocate(step.mode, step.at, step.size);
      } else {
        file.commit(ALICE, { durable: false });
        if (step.do === "reopen") {
          file.release(ALICE);
          file = book.open(path);
        }
        const hash = book.node(path).hash;
        if (hash !== undefined) assert.equal(hash, createHash("sha256").update(plain.bytes).digest("hex"));
      }
      assert.equal(file.size, plain.bytes.byteLength, step.do);
    }
    assert.ok(contentOf(file).equals(plain.bytes), "before the save");
    assertSeek(file, plain.bytes);
    file.commit(ALICE, { durable: true });
    assert.ok(contentOf(file).equals(plain.bytes), "after the save");
    file.release(ALICE);
    assert.ok(book.bytes(path).equals(plain.bytes), "opened again");
    if (path !== "x") book.rename(path, "x");
    assert.ok(book.bytes("x").equals(plain.bytes));
    assertSound(book.library);
    assertAtRest(book.library);
  });
}

for (const path of ["x", "x.tmp"]) {
  test(`R2: any changes of ${path === "x" ? "a file of the book" : "scratch"} end with the bytes and their hash`, () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 15 }), (changes) => check(path, changes)),
      { numRuns: 60 },
    );
  });
}
