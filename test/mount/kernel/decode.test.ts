// Golden bytes of the kernel's requests: what each decoder makes of a message written by hand after the header.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decodeAccess,
  decodeGetattr,
  decodeGetxattr,
  decodeListxattr,
  decodeRemovexattr,
  decodeSetattr,
  decodeSetxattr,
  decodeStatx,
} from "../../../mount/kernel/decode-attributes.ts";
import { decodeInit, decodeInterrupt } from "../../../mount/kernel/decode-connection.ts";
import {
  decodeBatchForget,
  decodeForget,
  decodeLink,
  decodeMkdir,
  decodeMknod,
  decodeName,
  decodeRename,
  decodeSymlink,
} from "../../../mount/kernel/decode-names.ts";
import {
  decodeCopyFileRange,
  decodeCreate,
  decodeFallocate,
  decodeFlush,
  decodeFsync,
  decodeIoctl,
  decodeLseek,
  decodeOpen,
  decodePoll,
  decodeRead,
  decodeRelease,
  decodeTmpfile,
  decodeWrite,
} from "../../../mount/kernel/decode-open-files.ts";
import { FATTR, OPCODE } from "../../../mount/kernel/protocol.ts";
import { xattrNameBytes } from "../../../schema/xattr-name.ts";
import { request, text, u32, u64 } from "./message.ts";

const NAME = { name: "a.md", nameBytes: 4 };

describe("requests, byte for byte after include/uapi/linux/fuse.h", () => {
  it("the header: unique in halves, node, uid, gid, pid", () => {
    const loaded = request(OPCODE.STATFS, "");
    assert.deepEqual(
      [loaded.length, loaded.name, loaded.uniqueLo, loaded.uniqueHi, loaded.nodeid],
      [40, "STATFS", 1, 0x80000002, 0x1122],
    );
    assert.deepEqual([loaded.uid, loaded.gid, loaded.pid], [1000, 1001, 12345]);
  });

  it("LOOKUP, UNLINK, RMDIR: a name", () => {
    assert.deepEqual(decodeName(request(OPCODE.LOOKUP, "61 2e 6d 64 00")), NAME);
  });

  it("LOOKUP: extensions behind the body are not part of it", () => {
    const loaded = request(OPCODE.LOOKUP, `${text("a.md")}000000 ${u32(8)}${u32(32)}`);
    loaded.buffer.writeUInt16LE(1, 36);
    loaded.load(loaded.length);
    assert.deepEqual(decodeName(loaded), NAME);
    assert.equal(loaded.bodyEnd, 48);
  });

  it("MKNOD: mode, rdev, umask, padding, name", () => {
    const body = decodeMknod(request(OPCODE.MKNOD, `a4810000 05080000 12000000 00000000 ${text("a.md")}`));
    assert.deepEqual(body, { ...NAME, mode: 0o100644, rdev: 0x805, umask: 0o22 });
  });

  it("MKDIR: mode, umask, name", () => {
    const body = decodeMkdir(request(OPCODE.MKDIR, `ed410000 12000000 ${text("a.md")}`));
    assert.deepEqual(body, { ...NAME, mode: 0o40755, umask: 0o22 });
  });

  it("SYMLINK: name, target as bytes", () => {
    const body = decodeSymlink(request(OPCODE.SYMLINK, `${text("a.md")} 2e2e2f ff 00`));
    assert.deepEqual({ ...body, target: body.target.toString("hex") }, { ...NAME, target: "2e2e2fff" });
  });

  it("LINK: the old node, the new name", () => {
    assert.deepEqual(decodeLink(request(OPCODE.LINK, u64(77) + text("a.md"))), { ...NAME, nodeid: 77 });
  });

  it("RENAME: new parent, both names", () => {
    const body = decodeRename(request(OPCODE.RENAME, u64(9) + text("a.md") + text("b")));
    assert.deepEqual(body, { ...NAME, newParent: 9, newName: "b", newNameBytes: 1, flags: 0 });
  });

  it("RENAME2: new parent, flags, padding, both names", () => {
    const body = decodeRename(
      request(OPCODE.RENAME2, `${u64(9)}02000000 00000000 ${text("a.md")}${text("ö")}`),
    );
    assert.deepEqual(body, { ...NAME, newParent: 9, newName: "ö", newNameBytes: 2, flags: 2 });
  });

  it("FORGET and BATCH_FORGET: counts", () => {
    assert.deepEqual(decodeForget(request(OPCODE.FORGET, u64(3))), { count: 3 });
    const seen: number[][] = [];
    const batch = `${u32(2)}00000000 ${u64(5)}${u64(1)} ${u64(6)}${u64(0x100000002)}`;
    decodeBatchForget(request(OPCODE.BATCH_FORGET, batch), (nodeid, count) => seen.push([nodeid, count]));
    assert.deepEqual(seen, [
      [5, 1],
      [6, 0x100000002],
    ]);
  });

  it("GETATTR: the handle counts only with its flag", () => {
    assert.deepEqual(decodeGetattr(request(OPCODE.GETATTR, `01000000 00000000 ${u64(42)}`)), { fh: 42 });
    const stray = `00000000 00000000 ${u64(0xffffffffffffffffn)}`;
    assert.deepEqual(decodeGetattr(request(OPCODE.GETATTR, stray)), { fh: undefined });
  });

  it("STATX: handle, flags, mask", () => {
    const body = decodeStatx(request(OPCODE.STATX, `01000000 00000000 ${u64(42)} 00200000 ff0f0000`));
    assert.deepEqual(body, { fh: 42, flags: 0x2000, mask: 0xfff });
  });

  it("SETATTR: every field, times before 1970 too", () => {
    const valid = FATTR.FH | FATTR.SIZE | FATTR.MTIME;
    const body = decodeSetattr(
      request(
        OPCODE.SETATTR,
        `${u32(valid)}00000000 ${u64(42)}${u64(0x100000005)}${u64(1)}` +
          `${u64(1700000000)}${u64(-2)}${u64(-1)} ${u32(1)}${u32(999999999)}${u32(3)}` +
          `a4810000 00000000 ${u32(1000)}${u32(0xfffffffe)} 00000000`,
      ),
    );
    assert.deepEqual(body, {
      valid,
      fh: 42,
      size: 0x100000005,
      atimeSeconds: 1700000000,
      atimeNanoseconds: 1,
      mtimeSeconds: -2,
      mtimeNanoseconds: 999999999,
      ctimeSeconds: -1,
      ctimeNanoseconds: 3,
      mode: 0o100644,
      uid: 1000,
      gid: 0xfffffffe,
    });
  });

  it("ACCESS: mask", () => {
    assert.deepEqual(decodeAccess(request(OPCODE.ACCESS, "04000000 00000000")), { mask: 4 });
  });

  it("SETXATTR: size, flags, name, value; with SETXATTR_EXT eight bytes more", () => {
    const plain = decodeSetxattr(request(OPCODE.SETXATTR, `02000000 01000000 ${text("user.x")} 00ff`), false);
    assert.deepEqual(
      { ...plain, value: plain.value.toString("hex") },
      { name: "user.x", value: "00ff", flags: 1 },
    );
    const extended = `02000000 02000000 01000000 00000000 ${text("user.x")} 00ff`;
    const body = decodeSetxattr(request(OPCODE.SETXATTR, extended), true);
    assert.deepEqual(
      { ...body, value: body.value.toString("hex") },
      { name: "user.x", value: "00ff", flags: 2 },
    );
  });

  it("GETXATTR, LISTXATTR, REMOVEXATTR", () => {
    const get = decodeGetxattr(request(OPCODE.GETXATTR, `00010000 00000000 ${text("user.x")}`));
    assert.deepEqual(get, { name: "user.x", size: 256 });
    const bytes = decodeGetxattr(request(OPCODE.GETXATTR, "00010000 00000000 757365722eff 00"));
    assert.deepEqual(xattrNameBytes(bytes.name), Buffer.from("user.\xff", "latin1"));
    const list = decodeListxattr(request(OPCODE.LISTXATTR, "00010000 00000000"));
    assert.deepEqual(list, { name: "", size: 256 });
    assert.deepEqual(decodeRemovexattr(request(OPCODE.REMOVEXATTR, text("user.x"))), { name: "user.x" });
  });

  it("OPEN, CREATE, TMPFILE: flags", () => {
    assert.deepEqual(decodeOpen(request(OPCODE.OPEN, "02820000 01000000")), { flags: 0x8202, openFlags: 1 });
    const create = `41820000 a4810000 12000000 00000000`;
    const body = { flags: 0x8241, mode: 0o100644, umask: 0o22, openFlags: 0 };
    assert.deepEqual(decodeCreate(request(OPCODE.CREATE, create + text("a.md"))), { ...NAME, ...body });
    const tmpfile = { name: undefined, nameBytes: 0, ...body };
    assert.deepEqual(decodeTmpfile(request(OPCODE.TMPFILE, create + text("/"))), tmpfile);
  });

  it("READ, READDIR: handle, offset, size, flags", () => {
    const body = decodeRead(
      request(OPCODE.READ, `${u64(42)}${u64(0x1_0000_2000)} 00100000 02000000 ${u64(7)} 00800000 00000000`),
    );
    assert.deepEqual(body, { fh: 42, offset: 0x1_0000_2000, size: 4096, readFlags: 2, flags: 0x8000 });
  });

  it("WRITE: handle, offset, size, flags, data", () => {
    const body = decodeWrite(
      request(OPCODE.WRITE, `${u64(42)}${u64(4096)} 03000000 04000000 ${u64(7)} 01800000 00000000 aabbcc`),
    );
    assert.deepEqual(
      { ...body, data: body.data.toString("hex") },
      { fh: 42, offset: 4096, data: "aabbcc", writeFlags: 4, flags: 0x8001 },
    );
  });

  it("FLUSH, RELEASE, FSYNC", () => {
    const flush = decodeFlush(request(OPCODE.FLUSH, `${u64(42)} 00000000 00000000 0d0c0b0a 1d1c1b1a`));
    assert.deepEqual(flush, { fh: 42, lockOwnerLo: 0x0a0b0c0d, lockOwnerHi: 0x1a1b1c1d });
    const release = decodeRelease(request(OPCODE.RELEASE, `${u64(42)} 01800000 02000000 01000000 02000000`));
    assert.deepEqual(release, { fh: 42, flags: 0x8001, releaseFlags: 2, lockOwnerLo: 1, lockOwnerHi: 2 });
    const dataOnly = decodeFsync(request(OPCODE.FSYNC, `${u64(42)} 01000000 00000000`));
    assert.deepEqual(dataOnly, { fh: 42, dataOnly: true });
  });

  it("FALLOCATE, LSEEK, COPY_FILE_RANGE", () => {
    const fallocate = decodeFallocate(
      request(OPCODE.FALLOCATE, `${u64(42)}${u64(1)}${u64(2)} 03000000 00000000`),
    );
    assert.deepEqual(fallocate, { fh: 42, offset: 1, length: 2, mode: 3 });
    const lseek = decodeLseek(request(OPCODE.LSEEK, `${u64(42)}${u64(-1)} 03000000 00000000`));
    assert.deepEqual(lseek, { fh: 42, offset: -1, whence: 3 });
    const copy = [1, 2, 3, 4, 5, 6, 0].map(u64).join("");
    assert.deepEqual(decodeCopyFileRange(request(OPCODE.COPY_FILE_RANGE, copy)), {
      fh: 1,
      offset: 2,
      targetNodeid: 3,
      targetFh: 4,
      targetOffset: 5,
      length: 6,
      flags: 0,
    });
  });

  it("POLL, IOCTL, INTERRUPT", () => {
    const poll = decodePoll(request(OPCODE.POLL, `${u64(42)}${u64(9)} 01000000 05000000`));
    assert.deepEqual(poll, { fh: 42, flags: 1, events: 5 });
    const ioctl = decodeIoctl(
      request(OPCODE.IOCTL, `${u64(42)} 10000000 01660880 ${u64(1)} 02000000 08000000 aabb`),
    );
    assert.deepEqual(
      { ...ioctl, data: ioctl.data.toString("hex") },
      { fh: 42, flags: 16, command: 0x80086601, data: "aabb", outSize: 8 },
    );
    const interrupt = decodeInterrupt(request(OPCODE.INTERRUPT, "0a000000 0b000000"));
    assert.deepEqual(interrupt, { uniqueLo: 10, uniqueHi: 11 });
  });

  it("INIT: 16 bytes from old kernels, 64 with flags2 from newer ones", () => {
    const old = "07000000 1f000000 00000200 fbffff03";
    const offer = { major: 7, minor: 31, maxReadaheadBytes: 131072, flags: 0x03fffffb, flags2: 0 };
    assert.deepEqual(decodeInit(request(OPCODE.INIT, old)), offer);
    const extended = `07000000 2d000000 00000200 fbffff7f a9000000 ${"00".repeat(44)}`;
    const newer = { ...offer, minor: 45, flags: 0x7ffffffb, flags2: 0xa9 };
    assert.deepEqual(decodeInit(request(OPCODE.INIT, extended)), newer);
  });
});
