// Random and hostile requests: every one is answered, none ends the mount, none changes what it may not.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OPCODE } from "../../mount/kernel/protocol.ts";
import { ProtocolError } from "../../mount/kernel/protocol-error.ts";
import { ROOT } from "./kernel-client.ts";
import { withTestBook } from "./test-book.ts";
import "../property-seed.ts";

const UNANSWERED = new Set<number>([OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT]);

test("random bodies of every request type are answered or refused, and the book goes on", () => {
  const opcodes = fc.oneof(fc.constantFrom(...Object.values(OPCODE)), fc.nat(5000));
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 120 }).map(smallNumbers),
  );
  const requests = fc.array(fc.tuple(opcodes, fc.constantFrom(0, 1, 2, 3, 4, 77, 2 ** 40), body), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(requests, (list) => {
      withTestBook((book) => {
        const kernel = book.mount();
        const file = kernel.save(ROOT, "kept.md", "kept");
        const handle = kernel.open(file);
        for (const [opcode, nodeid, bytes] of list) {
          let answer: unknown;
          try {
            answer = kernel.sendRaw(opcode, { nodeid }, Buffer.concat([Buffer.from(bytes), Buffer.alloc(1)]));
          } catch (error) {
            // The device refuses what has no readable header before a session sees it.
            assert.ok(error instanceof ProtocolError);
            continue;
          }
          assert.equal(answer === undefined, UNANSWERED.has(opcode), `opcode ${opcode}`);
        }
        assert.deepEqual(book.faults, []);
        const again = book.mount();
        assert.equal(again.lookup(ROOT, ".pfs").nodeid, 2);
        assert.ok(handle.fh >= 0);
      });
    }),
    { numRuns: 60 },
  );
});

test("a read of more than was agreed on is answered with what is agreed on", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    const file = kernel.save(ROOT, "a.md", "kept");
    const answer = kernel.read(file, kernel.open(file).fh, { size: 0xffff_ffff });
    assert.deepEqual([answer.errno, answer.body.toString()], [0, "kept"]);
    assert.deepEqual(book.faults, []);
  });
});

/** Bodies whose 64-bit fields are small, so that they name handles, nodes and sizes that exist. */
function smallNumbers(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, index) => (index % 8 === 0 ? byte & 7 : 0));
}
