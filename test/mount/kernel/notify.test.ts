// Golden bytes of the notifications to the kernel.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeDelete, encodeInvalidateEntry, encodeInvalidateInode } from "../../../mount/kernel/notify.ts";
import { INVALIDATE_ENTRY_FLAG } from "../../../mount/kernel/protocol.ts";
import { hex, text, u32, u64 } from "./message.ts";

function assertBytes(built: Buffer, code: number, body: string): void {
  const expected = hex(body);
  const whole = Buffer.concat([hex(`${u32(16 + expected.length)}${u32(code)}${u64(0)}`), expected]);
  assert.equal(built.toString("hex"), whole.toString("hex"));
}

describe("notifications, byte for byte after include/uapi/linux/fuse.h", () => {
  it("INVAL_INODE: node, offset, length, both signed", () => {
    assertBytes(
      encodeInvalidateInode({ nodeid: 0x1_0000_0007, offset: -1, length: 0 }),
      2,
      `0700000001000000 ffffffffffffffff ${u64(0)}`,
    );
  });

  it("INVAL_ENTRY: parent, length of the name without its NUL, flags, name", () => {
    assertBytes(
      encodeInvalidateEntry({ parent: 1, name: "ö.md", flags: INVALIDATE_ENTRY_FLAG.EXPIRE_ONLY }),
      3,
      `${u64(1)}${u32(5)}${u32(1)}${text("ö.md")}`,
    );
  });

  it("DELETE: parent, child, length of the name without its NUL, name", () => {
    assertBytes(
      encodeDelete({ parent: 1, child: 0x1_0000_0007, name: "ö.md" }),
      6,
      `${u64(1)}0700000001000000${u32(5)}${u32(0)}${text("ö.md")}`,
    );
  });
});
