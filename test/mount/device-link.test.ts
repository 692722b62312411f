// The way back to a kernel.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceLink } from "../../mount/device-link.ts";
import { Device } from "../../mount/kernel/device.ts";

test("a late answer that cannot be sent is a fault told, and stops nobody else's", () => {
  const told: string[] = [];
  const link = new DeviceLink(new Device(-1), {
    notify: () => assert.fail("no notification"),
    onFault: (error, operation) => told.push(`${operation}: ${(error as { code?: string }).code}`),
  });
  link.answer({ buffer: Buffer.alloc(16), length: 16 });
  assert.deepEqual(told, ["answering late: EBADF"]);
});
