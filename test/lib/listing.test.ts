// Listing a directory: three sources in one order, going on at any entry while others come and go.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ALICE, withBook } from "./book-fixture.ts";

test("a long listing of all kinds shows each once, in ascending cookies that are over 2^32", () => {
  withBook((book) => {
    const unsaved = [];
    const wanted = new Set<string>();
    book.library.store.transaction(() => {
      for (let number = 0; number < 700; number++) {
        const name = number % 3 === 0 ? `${number}.md` : number % 3 === 1 ? `${number}.md~` : `dir-${number}`;
        if (number % 3 === 2) book.makeDirectory(name);
        else book.write(name, "");
        wanted.add(name);
      }
    });
    for (let number = 0; number < 300; number++) {
      unsaved.push(book.create(`new-${number}`));
      wanted.add(`new-${number}`);
    }
    const cookies: number[] = [];
    const names: string[] = [];
    // Three at a time, as a small buffer of a kernel would.
    for (let after = 0, more = true; more; ) {
      more = false;
      let count = 0;
      book.worktree.list(book.worktree.rootId, after, (name, node, cookie) => {
        if (count++ === 3) return false;
        names.push(name);
        cookies.push(cookie);
        assert.deepEqual(book.worktree.lookup(book.worktree.rootId, name), node);
        after = cookie;
        more = true;
        return true;
      });
    }
    assert.deepEqual(new Set(names), wanted);
    assert.equal(names.length, wanted.size);
    assert.ok(cookies.every((cookie, index) => cookie > (cookies[index - 1] ?? 2 ** 32)));
    for (const file of unsaved) file.release(ALICE);
  });
});

test("what stays is listed once although others are removed, renamed and made meanwhile", () => {
  withBook((book) => {
    const names = Array.from({ length: 400 }, (_, index) => `file-${index}`);
    book.library.store.transaction(() => {
      for (const name of names) book.write(name, "");
    });
    const seen: string[] = [];
    book.worktree.list(book.worktree.rootId, 0, (name) => {
      seen.push(name);
      const number = Number(name.split("-")[1]);
      if (name.startsWith("file-") && number % 2 === 0) book.unlink(name);
      if (number % 40 === 1) book.write(`other-${number}`, "");
      return true;
    });
    const kept = seen.filter((name) => /^file-\d*[13579]$/.test(name));
    assert.deepEqual(new Set(kept), new Set(names.filter((name) => /[13579]$/.test(name))));
    assert.equal(kept.length, 200);
  });
});

test("cookies stay the same through a save and a rename", () => {
  withBook((book) => {
    const cookieOf = (name: string) => {
      let found = 0;
      book.worktree.list(book.worktree.rootId, 0, (listed, _, cookie) => {
        if (listed === name) found = cookie;
        return true;
      });
      return found;
    };
    const file = book.create("a");
    const cookie = cookieOf("a");
    file.release(ALICE);
    assert.equal(cookieOf("a"), cookie);
    book.rename("a", "b");
    assert.equal(cookieOf("b"), cookie);
    book.makeDirectory("d");
    const directory = cookieOf("d");
    book.rename("d", "e");
    assert.equal(cookieOf("e"), directory);
  });
});
