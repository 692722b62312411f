// The window on a stream: what was appended and not yet dropped is there, wherever the buffer had to move or grow.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWindow } from "../../mount/control/byte-window.ts";
import "../property-seed.ts";

test("a window is the end of all that was appended, from where it was dropped", () => {
  const step = fc.oneof(
    fc.record({
      append: fc.string({ unit: "grapheme", maxLength: 40 }),
      times: fc.integer({ min: 1, max: 5000 }),
    }),
    fc.record({ drop: fc.integer({ min: 0, max: 200_000 }) }),
    fc.record({ copy: fc.integer({ min: 0, max: 200_000 }), size: fc.integer({ min: 0, max: 100_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const window = new ByteWindow();
      let all = Buffer.alloc(0);
      for (const each of steps) {
        if ("append" in each) {
          const text = each.append.repeat(each.times);
          window.append(text);
          all = Buffer.concat([all, Buffer.from(text)]);
        } else if ("drop" in each) window.dropUntil(each.drop);
        else {
          const target = Buffer.alloc(each.size);
          const place = window.start + each.copy;
          const length = window.copy(place, target);
          assert.ok(target.subarray(0, length).equals(all.subarray(place, place + each.size)));
        }
        assert.equal(window.end, all.length);
        assert.ok(window.bytes.equals(all.subarray(window.start)));
      }
      window.clear();
      assert.deepEqual([window.start, window.end], [0, 0]);
    }),
    { numRuns: 50 },
  );
});
