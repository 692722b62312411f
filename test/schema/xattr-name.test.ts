// Names of extended attributes: any bytes come back, and no two names are one.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { splitXattrName, xattrName, xattrNameBytes } from "../../schema/xattr-name.ts";

function nameOf(bytes: Uint8Array): string {
  return xattrName(isUtf8(bytes) ? Buffer.from(bytes).toString("utf8") : undefined, bytes);
}

test("any bytes are a name that is well-formed text, from which they come back", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ min: 1, maxLength: 30 }),
    fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const name = nameOf(given);
      assert.ok(name.isWellFormed());
      assert.deepEqual(xattrNameBytes(name), Buffer.from(given));
    }),
  );
});

test("the name space is found in either form, and text that looks like the other form is none", () => {
  assert.deepEqual(splitXattrName("user.x.y"), ["user", "x.y"]);
  assert.deepEqual(splitXattrName(nameOf(Buffer.from("trusted.\xff", "latin1"))), ["trusted", "\xff"]);
  assert.deepEqual(splitXattrName(nameOf(Buffer.from("\u0001user.x"))), ["\u0001user", "x"]);
  assert.equal(splitXattrName("user"), undefined);
});
