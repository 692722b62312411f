// A book with an overlay over it, for the tests of the floor lib/.

import { parseUserId } from "../../schema/ids.ts";
import { type BookFixture, layerOf, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

/** Whose overlay it is. */
export const OVERLAY_USER = parseUserId("alice");

/** A base with two chapters, and a user's overlay over it; at the end the store must be sound. */
export function withOverlay(use: (base: BookFixture, overlay: BookFixture) => void): void {
  withBook((base) => {
    base.makeDirectories("part/one");
    base.makeDirectories("part/two");
    base.write("part/one/a.md", "base a");
    base.write("part/one/b.md", "base b");
    base.write("part/two/c.md", "base c");
    base.settle();
    use(base, layerOf(base, OVERLAY_USER));
    for (const worktree of base.library.openWorktrees()) worktree.settle(0);
    assertSound(base.library);
    assertAtRest(base.library);
  });
}
