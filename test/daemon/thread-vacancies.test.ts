// When removed paths become deletes of the log, and how often that is tried.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ThreadVacancies } from "../../daemon/thread-vacancies.ts";
import { withSteps } from "../fault/step-hook.ts";
import { withBook } from "../lib/book-fixture.ts";

test("a settling that fails is not tried again at every request", () => {
  withBook((book) => {
    book.write("x", "bytes");
    book.unlink("x");
    book.library.store.database.prepare("UPDATE vacancy SET since = 0").run();
    const vacancies = new ThreadVacancies(book.library);
    withSteps(
      () => {
        throw new Error("the disk is full");
      },
      () => {
        assert.throws(() => vacancies.settle(), /the disk is full/);
        const waitMs = vacancies.settle();
        assert.ok(waitMs > 0 && waitMs <= 500, `${waitMs}`);
      },
    );
    assert.deepEqual(book.story(), ["create x"]);
    assert.equal(new ThreadVacancies(book.library).settle(), -1);
    assert.deepEqual(book.story(), ["create x", "delete x"]);
  });
});

test("after the removal of many files there is a pause for requests after each slice", () => {
  withBook((book) => {
    for (let index = 0; index < 300; index++) book.write(`x${index}`, "bytes");
    for (let index = 0; index < 300; index++) book.unlink(`x${index}`);
    book.library.store.database.prepare("UPDATE vacancy SET since = 0").run();
    const vacancies = new ThreadVacancies(book.library);
    assert.equal(vacancies.settle(), 0, "more at once");
    assert.equal(book.worktree.hasVacancies, true);
    // A slice ends early on a machine that is slow.
    let slices = 1;
    while (vacancies.settle() === 0) assert.ok(++slices < 300);
    assert.equal(book.worktree.hasVacancies, false);
    assert.equal(vacancies.settle(), -1);
  });
});
