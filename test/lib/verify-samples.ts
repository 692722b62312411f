// What the tests of verify share: a store with some history of every kind, and what a finding must look like.

import assert from "node:assert/strict";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import type { Finding } from "../../lib/verify.ts";
import { alice, move, placeOf, remove, save, type TestStore } from "./test-store.ts";

export const LARGE = Buffer.alloc(INLINE_MAX_BYTES + 1, "large ");

/** Some history of every kind. */
export function fillStore({ worktree }: TestStore): void {
  save(worktree, "a.md", "one\r\n");
  save(worktree, "a.md", "two");
  save(worktree, "part/b.md", "bee");
  save(worktree, "part/large.png", LARGE);
  save(worktree, "gone.md", "gone");
  remove(worktree, "gone.md");
  move(worktree, "part", "chapter");
  const { parent, name } = placeOf(worktree, "chapter/.b.md.swp");
  worktree.create(parent, name, 0o600, alice).release(alice);
}

/** Every finding must be a sentence with a hint. */
export function assertReadable(findings: readonly Finding[]): void {
  for (const { message, hint, subject } of findings) {
    assert.match(message, /^\S.*\.$/s);
    assert.match(hint, /^[A-Z`].*\.$/s);
    assert.equal(typeof subject, "string");
  }
}
