/** Owns the proof that a refusal names a path that would do, where one is near. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInProfile } from "../../schema/profiles.ts";
import { refusedPath } from "../../schema/refused-path.ts";

const strict = builtInProfile("strict");

test("R1: a refused path is explained, with the valid one that is near it", () => {
  const { code, message, hint } = refusedPath(strict, "content/01-Part/01-Chapter/3 My Notes.md");
  assert.equal(code, "SCHEMA_VIOLATION");
  assert.match(message, /^content\/01-Part\/01-Chapter\/3 My Notes\.md has no place in the book: /);
  assert.equal(
    hint,
    "The schema of this book is strict; content/01-Part/01-Chapter/03-My-Notes.md would fit it.",
  );
});

test("R1: where no valid path is near, the refusal names the schema", () => {
  const { hint } = refusedPath(strict, "content/notes.txt");
  assert.equal(hint, "The schema of this book is strict; choose a name that it has a place for.");
});
