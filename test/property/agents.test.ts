// R7: who answers for a change, whatever text names them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PfsError } from "../../schema/errors.ts";

import { type AgentName, parseAgentName } from "../../schema/ids.ts";
import { ALICE, withBook } from "../lib/book-fixture.ts";
import { assertSound } from "../lib/soundness.ts";
import "../property-seed.ts";

const blanks = fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\u00a0"), maxLength: 3 });
const nobodies = fc.constantFrom("", "system", "System", "SYSTEM", "sYsTeM", "__base__", "systems", "alice");
const names = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 210 }),
  fc.tuple(blanks, nobodies, blanks).map((parts) => parts.join("")),
);

test("R7: whatever names an agent, a change is by exactly that one, or is refused; the table admits no nobody either", () => {
  withBook((book) => {
    let version = 0;
    fc.assert(
      fc.property(names, (text) => {
        const rows = book.log().length;
        const save = (agent: AgentName): void => book.write("x", `version ${++version}`, { ...ALICE, agent });
        const refusal = refusalOf(text);
        if (refusal === undefined) {
          save(parseAgentName(text));
          assert.equal(book.log().at(-1)?.agent_id, text);
          return;
        }
        assert.ok(["AGENT_REQUIRED", "USAGE"].includes(refusal.code), refusal.code);
        // The table knows ASCII's blank only; whoever writes to it past the parser is told no all the same.
        if (!/^ *(system)? *$/i.test(text)) return;
        assert.throws(() => save(text as AgentName), /CHECK constraint failed/);
        assert.equal(book.log().length, rows);
      }),
      { numRuns: 200 },
    );
    assertSound(book.library);
  });
});

function refusalOf(text: string): PfsError | undefined {
  try {
    parseAgentName(text);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof PfsError);
    return error;
  }
}
