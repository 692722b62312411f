// Golden bytes of the answers to the kernel, each over a buffer full of old bytes.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KernelAttributes, KernelEntry } from "../../../mount/kernel/attributes.ts";
import { DIRENT_TYPE, FOPEN, OPCODE, STRUCT_BYTES } from "../../../mount/kernel/protocol.ts";
import { REPLY_BODY_OFFSET, Reply } from "../../../mount/kernel/reply.ts";
import { hex, text, u32, u64 } from "./message.ts";

const ATTRIBUTES: KernelAttributes = {
  ino: 0x1_0000_0007,
  size: 0x2_0000_0001,
  blocks: 5,
  atimeSeconds: 1700000000,
  atimeNanoseconds: 1,
  mtimeSeconds: -1,
  mtimeNanoseconds: 999999999,
  ctimeSeconds: -4294967297,
  ctimeNanoseconds: 3,
  mode: 0o100644,
  nlink: 1,
  uid: 1000,
  gid: 0xfffffffe,
  blksize: 4096,
};

const ATTRIBUTES_HEX =
  "0700000001000000" + // ino
  "0100000002000000" + // size
  "0500000000000000" + // blocks
  "00f1536500000000" + // atime
  "ffffffffffffffff" + // mtime -1
  "fffffffffeffffff" + // ctime -2^32 - 1
  "01000000 ffc99a3b 03000000" + // nanoseconds
  "a4810000 01000000 e8030000 feffffff" + // mode, nlink, uid, gid
  "00000000 00100000 00000000"; // rdev, blksize, flags

const ENTRY: KernelEntry = {
  nodeid: 7,
  generation: 1,
  entryTtlSeconds: 3600,
  attributesTtlSeconds: 1.5,
  attributes: ATTRIBUTES,
};

const ENTRY_HEX =
  `${u64(7)}${u64(1)}${u64(3600)}${u64(1)} 00000000 0065cd1d` + // nodeid, generation, TTLs
  ATTRIBUTES_HEX;

/** A reply over a buffer full of old bytes, to request 0xb_0000000a. */
function reply(opcode: number = OPCODE.LOOKUP): Reply {
  const started = new Reply(8192);
  started.buffer.fill(0xee);
  started.start({ uniqueLo: 10, uniqueHi: 11, opcode });
  return started;
}

function header(length: number, error = 0): string {
  return `${u32(length)}${u32(error)}0a0000000b000000`;
}

function assertBytes(built: Reply, body: string, error = 0): void {
  const expected = hex(body);
  const whole = Buffer.concat([hex(header(16 + expected.length, error)), expected]);
  assert.equal(built.buffer.subarray(0, built.length).toString("hex"), whole.toString("hex"));
}

describe("answers, byte for byte after include/uapi/linux/fuse.h", () => {
  it("an error is negative and alone", () => {
    const built = reply();
    built.error(2);
    assertBytes(built, "", -2);
  });

  it("an error that the kernel would not take becomes EIO, so that no caller hangs", () => {
    for (const errno of [0, -2, 512, Number.NaN]) {
      const built = reply();
      built.error(errno);
      assertBytes(built, "", -5);
    }
  });

  it("ok", () => {
    const built = reply();
    built.ok();
    assertBytes(built, "");
  });

  it("an entry: ids, TTLs with fractions, attributes with times before 1970", () => {
    const built = reply();
    built.entry(ENTRY);
    assertBytes(built, ENTRY_HEX);
    assert.equal(built.length, 16 + STRUCT_BYTES.entry_out);
  });

  it("a negative entry: node 0 and a TTL", () => {
    const built = reply();
    built.negativeEntry(60);
    assertBytes(built, `${u64(0)}${u64(0)}${u64(60)}${"00".repeat(104)}`);
  });

  it("attributes and their TTL", () => {
    const built = reply(OPCODE.GETATTR);
    built.attributes(ATTRIBUTES, 0.25);
    assertBytes(built, `${u64(0)}80b2e60e00000000${ATTRIBUTES_HEX}`);
  });

  it("an endless or senseless TTL is a century or none", () => {
    const built = reply(OPCODE.GETATTR);
    built.attributes(ATTRIBUTES, Number.POSITIVE_INFINITY);
    assertBytes(built, `${u64(3155760000)}${u64(0)}${ATTRIBUTES_HEX}`);
    built.attributes(ATTRIBUTES, -1);
    assertBytes(built, `${u64(0)}${u64(0)}${ATTRIBUTES_HEX}`);
  });

  it("statx, with and without a birth time", () => {
    const times = (birth: string) =>
      `00f1536500000000 01000000 00000000 ${birth} fffffffffeffffff 03000000 00000000` +
      "ffffffffffffffff ffc99a3b 00000000";
    const fields = (mask: string, birth: string) =>
      `${u64(1)}${u32(0)}${u32(0)}${"00".repeat(16)}` +
      `${mask} 00100000 ${u64(0)} 01000000 e8030000 feffffff a481 0000` +
      `0700000001000000 0100000002000000 0500000000000000 ${u64(0)}${times(birth)}${"00".repeat(128)}`;
    const built = reply(OPCODE.STATX);
    built.statx({ attributes: ATTRIBUTES, attributesTtlSeconds: 1, birthSeconds: -3, birthNanoseconds: 4 });
    assertBytes(built, fields("ff0f0000", "fdffffffffffffff 04000000 00000000"));
    built.statx({ attributes: ATTRIBUTES, attributesTtlSeconds: 1 });
    assertBytes(built, fields("ff070000", "00".repeat(16)));
    assert.equal(built.length, 16 + STRUCT_BYTES.statx_out);
  });

  it("open: handle, flags, no backing id", () => {
    const built = reply(OPCODE.OPEN);
    built.open({ fh: 0x1_0000_0002, flags: FOPEN.KEEP_CACHE | FOPEN.NOFLUSH });
    assertBytes(built, "0200000001000000 22000000 00000000");
  });

  it("create: an entry, then an open", () => {
    const built = reply(OPCODE.CREATE);
    built.create(ENTRY, { fh: 2, flags: 0 });
    assertBytes(built, `${ENTRY_HEX}${u64(2)}${u64(0)}`);
  });

  it("sizes: of a write, of an xattr, of a copy in 32 and in 64 bits", () => {
    const write = reply(OPCODE.WRITE);
    write.write(4096);
    assertBytes(write, "00100000 00000000");
    write.xattrSize(64);
    assertBytes(write, "40000000 00000000");
    const copy = reply(OPCODE.COPY_FILE_RANGE);
    copy.copied(0x7ffff000);
    assertBytes(copy, "00f0ff7f 00000000");
    const wide = reply(OPCODE.COPY_FILE_RANGE_64);
    wide.copied(0x1_0000_0001);
    assertBytes(wide, "01000000 01000000");
  });

  it("lseek, poll", () => {
    const built = reply(OPCODE.LSEEK);
    built.lseek(0x1_0000_0000);
    assertBytes(built, "0000000001000000");
    built.poll(5);
    assertBytes(built, "05000000 00000000");
  });

  it("bytes, given or filled in place", () => {
    const built = reply(OPCODE.READ);
    built.bytes(Buffer.from("abc"));
    assertBytes(built, "616263");
    built.data(100).write("defg");
    built.finish(4);
    assertBytes(built, "64656667");
    built.finish(0);
    assertBytes(built, "");
    assert.throws(() => built.data(8193), RangeError);
    assert.equal(REPLY_BODY_OFFSET, 16);
  });

  it("statfs", () => {
    const built = reply(OPCODE.STATFS);
    built.statfs({
      blocks: 1,
      bfree: 2,
      bavail: 3,
      files: 4,
      ffree: 5,
      bsize: 4096,
      namelen: 255,
      frsize: 512,
    });
    const counts = [1, 2, 3, 4, 5].map(u64).join("");
    assertBytes(built, `${counts} 00100000 ff000000 00020000 ${"00".repeat(28)}`);
  });

  it("init", () => {
    const built = reply(OPCODE.INIT);
    built.init({
      major: 7,
      minor: 45,
      maxReadaheadBytes: 131072,
      flags: 0x40000001,
      flags2: 0x20,
      maxBackground: 64,
      congestionThreshold: 48,
      maxWriteBytes: 1048576,
      timeGranularity: 1,
      maxPages: 256,
    });
    assertBytes(
      built,
      `07000000 2d000000 00000200 01000040 4000 3000 00001000 01000000 0001 0000 20000000${"00".repeat(28)}`,
    );
  });
});

describe("directory listings", () => {
  const RECORD = { name: "a.md", ino: 0x1_0000_0007, type: DIRENT_TYPE.REG, nextOffset: 0x1_0000_0001 };
  const DIRENT = `0700000001000000 0100000001000000 04000000 08000000 612e6d64 00000000`;

  it("READDIR: names are padded to eight bytes", () => {
    const built = reply(OPCODE.READDIR);
    built.startDirectory(4096);
    assert.ok(built.dirent(RECORD));
    assert.ok(built.dirent({ name: "12345678", ino: 1, type: DIRENT_TYPE.DIR, nextOffset: 2 }));
    assert.ok(built.dirent({ name: "ö", ino: 2, type: DIRENT_TYPE.LNK, nextOffset: 3 }));
    built.finishDirectory();
    const second = `${u64(1)}${u64(2)} 08000000 04000000 ${text("12345678").slice(0, -2)}`;
    const third = `${u64(2)}${u64(3)} 02000000 0a000000 c3b6 000000000000`;
    assertBytes(built, DIRENT + second + third);
  });

  it("READDIRPLUS: each name follows its entry; `.` and `..` have none", () => {
    const built = reply(OPCODE.READDIRPLUS);
    built.startDirectory(4096);
    assert.ok(built.direntplus({ name: ".", ino: 1, type: DIRENT_TYPE.DIR, nextOffset: 1 }, undefined));
    assert.ok(built.direntplus(RECORD, ENTRY));
    built.finishDirectory();
    const dot = `${"00".repeat(128)}${u64(1)}${u64(1)} 01000000 04000000 2e 00000000000000`;
    assertBytes(built, dot + ENTRY_HEX + DIRENT);
    assert.equal(built.length, 16 + STRUCT_BYTES.direntplus + 8 + STRUCT_BYTES.direntplus + 8);
  });

  it("a name without room is not added, and the listing stays whole", () => {
    const built = reply(OPCODE.READDIR);
    built.startDirectory(63);
    assert.ok(built.dirent(RECORD), "32 bytes fit into 63");
    assert.equal(built.dirent(RECORD), false, "another 32 do not");
    built.finishDirectory();
    assertBytes(built, DIRENT);
    built.startDirectory(STRUCT_BYTES.direntplus + 7);
    assert.equal(built.direntplus(RECORD, ENTRY), false);
    built.finishDirectory();
    assertBytes(built, "");
  });

  it("a size beyond the buffer never writes past it", () => {
    const built = new Reply(100);
    built.start({ uniqueLo: 10, uniqueHi: 11, opcode: OPCODE.READDIR });
    built.startDirectory(0xffffffff);
    let added = 0;
    while (built.dirent(RECORD)) added++;
    built.finishDirectory();
    assert.equal(added, 3);
    assert.equal(built.length, 16 + 96);
  });
});
