// The same refusal again and again: counted, told and logged with its count, and never more than a row or two for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Counters } from "../../lib/counters.ts";
import { REPEAT_MS, Refusals } from "../../lib/worktree/refusals.ts";
import { PfsError } from "../../schema/errors.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { ALICE, actorNamed, type BookFixture, withBook } from "./book-fixture.ts";
import { assertSound } from "./soundness.ts";

const STRICT = { profile: builtInProfile("strict") };

function refused(book: BookFixture, path: string, times: number, actor = ALICE): void {
  for (let index = 0; index < times; index++)
    assert.throws(() => book.create(path, actor), { code: "SCHEMA_VIOLATION" });
}

function counts(book: BookFixture): [string, string, number][] {
  return book.worktree.refusals.list().map(({ path, agent, count }) => [path, agent, count]);
}

test("R6, R7: a program that is refused the same thing 1,000 times has two rows, which say so; errors.jsonl counts", () => {
  withBook((book) => {
    refused(book, "notes", 1000);
    refused(book, "other", 1);
    refused(book, "notes", 1, actorNamed("bob"));
    refused(book, "notes", 1);
    assert.deepEqual(book.story(), ["refused create notes", "refused create other", "refused create notes"]);
    assert.deepEqual(counts(book), [
      ["other", "alice", 1],
      ["notes", "bob", 1],
      ["notes", "alice", 1001],
    ]);
    book.worktree.settleRefusals(REPEAT_MS);
    assert.equal(book.log().length, 3, "not yet");
    book.worktree.settleRefusals(0);
    book.worktree.settleRefusals(0);
    const rows = book.log();
    assert.equal(rows.length, 4);
    assert.equal(rows[3]?.agent_id, "alice");
    assert.equal(rows[3]?.pid, ALICE.pid);
    assert.match(
      rows[3]?.error_message ?? "",
      /^SCHEMA_VIOLATION: .* Refused 1000 more times until 20.*Z\.$/,
    );
    refused(book, "notes", 2);
    book.reopen();
    assert.match(
      book.log()[4]?.error_message ?? "",
      /Refused 2 more times/,
      "what is left is told at the end",
    );
    assertSound(book.library);
  }, STRICT);
});

test("after a while the same refusal is a new one, with a row of its own", (t) => {
  withBook((book) => {
    const begun = performance.now();
    refused(book, "notes", 3);
    t.mock.method(performance, "now", () => begun + REPEAT_MS + 1000);
    refused(book, "notes", 1);
    book.worktree.settleRefusals(REPEAT_MS);
    const messages = book.log().map((row) => /Refused .* more times/.exec(row.error_message ?? "")?.[0]);
    assert.deepEqual(messages, [undefined, undefined, "Refused 2 more times"]);
    assert.deepEqual(counts(book), [
      ["notes", "alice", 3],
      ["notes", "alice", 1],
    ]);
    assertSound(book.library);
  }, STRICT);
});

test("what could not be logged (a full disk) is logged the next time, with all that came since", () => {
  withBook((book) => {
    refused(book, "notes", 3);
    const { refusals } = book.worktree;
    assert.throws(
      () =>
        refusals.settle(0, () => {
          throw new Error("full");
        }),
      /full/,
    );
    refused(book, "notes", 1);
    assert.equal(refusals.hasRepeats, true);
    book.worktree.settleRefusals(0);
    assert.equal(refusals.hasRepeats, false);
    assert.match(book.log()[1]?.error_message ?? "", /Refused 3 more times/);
  }, STRICT);
});

test("the list of refusals is bounded; those that fall out of it with a count are still logged, and told", () => {
  const refusals = new Refusals(new Counters());
  const told: [string, number][] = [];
  refusals.onRefusal(({ path, count }) => told.push([path, count]));
  const record = (path: string) =>
    refusals.record(new PfsError("SCHEMA_VIOLATION", "no"), path, ALICE, "create");
  assert.equal(record("first"), true);
  assert.equal(record("first"), false);
  for (let index = 0; index < 600; index++) record(`path-${index}`);
  assert.equal(refusals.list().length, 500);
  const logged: [string, number][] = [];
  refusals.settle(REPEAT_MS, ({ refusal, more }) => logged.push([refusal.path, more]));
  assert.deepEqual(logged, [["first", 1]]);
  assert.equal(told.length, 602);
  assert.deepEqual(told.at(-1), ["first", 2]);
  assert.equal(record("first"), true, "a new one again");
});
