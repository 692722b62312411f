/** Owns the proof that suggestions are valid and that nothing unknowable is guessed (FR-010). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import "../property-seed.ts";
import fc from "fast-check";
import { suggestPath } from "../../schema/path-suggestion.ts";
import { builtInProfile } from "../../schema/profiles.ts";

const strict = builtInProfile("strict");

describe("path suggestions", () => {
  test("FR-010: a path that is nearly valid gets a valid one beside it", () => {
    const cases: Record<string, string> = {
      "content/01-Part/01-Chapter/1-intro.md": "content/01-Part/01-Chapter/01-intro.md",
      "content/1-Part/2-Chapter/3-intro.summary.md": "content/01-Part/02-Chapter/03-intro.summary.md",
      "content/01 Part One/01_Chapter/01 Grüße & Küsse.md":
        "content/01-Part-One/01-Chapter/01-Grusse-Kusse.md",
      "content/01-Part/01-Chapter/01_intro.MD": "content/01-Part/01-Chapter/01-intro.md",
      "content/01-Part/01-Chapter/1. Intro!.markdown": "content/01-Part/01-Chapter/01-Intro.md",
      "content/01-Part/01-Chapter/001-intro.md": "content/01-Part/01-Chapter/01-intro.md",
      "content/01-Part/01-Chapter/01-intro.md\n": "content/01-Part/01-Chapter/01-intro.md",
      "/content/01-Part//01-Chapter/./01-intro.md": "content/01-Part/01-Chapter/01-intro.md",
      "Content/01-Part/01-Chapter/01-intro.md": "content/01-Part/01-Chapter/01-intro.md",
      "static/IMG/x.png": "static/img/x.png",
      "static/img/.x.png": "static/img/x.png",
    };
    for (const [path, suggestion] of Object.entries(cases))
      assert.equal(suggestPath(strict, path), suggestion, JSON.stringify(path));
  });

  test("FR-010: what nobody can know is not guessed", () => {
    const unknowable = [
      "",
      "/",
      "..",
      "content/../x",
      "content/README.md",
      "content/01-Part/01-Chapter/intro.md",
      "docs/01-x.md",
    ];
    unknowable.push(
      "content/01-Part/01-Chapter/3.md",
      "content/01-Part/01-Chapter/100-x.md",
      "content/01-Part/01-Chapter/01-x.mdx",
    );
    unknowable.push("content/01-Part/01-Chapter/01-intro.md");
    for (const path of unknowable) assert.equal(suggestPath(strict, path), undefined, path);
  });

  test("FR-010: a suggestion is always valid, and is not the path itself", () => {
    const segment = fc.constantFrom(
      "content",
      "Static",
      "img",
      "1-A b",
      "01_C",
      "2. x.MD",
      "é.md",
      ".x",
      "..",
      "",
    );
    const path = fc
      .array(fc.oneof(segment, fc.string({ unit: "binary", maxLength: 8 })), { maxLength: 5 })
      .map((all) => all.join("/"));
    fc.assert(
      fc.property(path, (text) => {
        for (const profile of [strict, builtInProfile("docusaurus"), builtInProfile("any")]) {
          const suggestion = suggestPath(profile, text);
          if (suggestion === undefined) continue;
          assert.ok(profile.matchesFile(suggestion));
          assert.notEqual(suggestion, text);
        }
      }),
    );
  });
});
