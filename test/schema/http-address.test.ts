// What may be written after --http and in PFS_HTTP.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHttpAddress, parseHttpAddress } from "../../schema/http-address.ts";

test("health: a port alone is reached from this machine only; other addresses must be named, as numbers", () => {
  for (const [text, address] of [
    ["9130", "127.0.0.1:9130"],
    ["localhost:9130", "127.0.0.1:9130"],
    ["127.0.0.1:0", "127.0.0.1:0"],
    ["0.0.0.0:65535", "0.0.0.0:65535"],
    ["[::1]:9130", "[::1]:9130"],
  ] as const)
    assert.equal(formatHttpAddress(parseHttpAddress(text)), address);
  for (const text of [
    "",
    ":9130",
    "*:9130",
    "example.org:80",
    "::1:9130",
    "1.2.3:80",
    "65536",
    "http://x:1",
    "80 ",
    "-1",
  ])
    assert.throws(() => parseHttpAddress(text), { code: "USAGE", hint: /9130/ }, text);
});
