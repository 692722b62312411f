// What the codec makes of messages that no kernel sends: random, truncated, lying ones. Seed: PFS_SEED.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as attributes from "../../../mount/kernel/decode-attributes.ts";
import * as connection from "../../../mount/kernel/decode-connection.ts";
import * as names from "../../../mount/kernel/decode-names.ts";
import * as openFiles from "../../../mount/kernel/decode-open-files.ts";
import { OPCODE, type OpcodeName } from "../../../mount/kernel/protocol.ts";
import { ProtocolError } from "../../../mount/kernel/protocol-error.ts";
import { Request } from "../../../mount/kernel/request.ts";
import { header, hex, request, text, u32, u64 } from "./message.ts";

type Decode = (request: Request) => unknown;

/** Every opcode with a body, and what decodes it. */
const DECODERS: { readonly [Name in OpcodeName]?: Decode } = {
  LOOKUP: names.decodeName,
  FORGET: names.decodeForget,
  GETATTR: attributes.decodeGetattr,
  SETATTR: attributes.decodeSetattr,
  SYMLINK: names.decodeSymlink,
  MKNOD: names.decodeMknod,
  MKDIR: names.decodeMkdir,
  UNLINK: names.decodeName,
  RMDIR: names.decodeName,
  RENAME: names.decodeRename,
  LINK: names.decodeLink,
  OPEN: openFiles.decodeOpen,
  READ: openFiles.decodeRead,
  WRITE: openFiles.decodeWrite,
  RELEASE: openFiles.decodeRelease,
  FSYNC: openFiles.decodeFsync,
  SETXATTR: (loaded) => attributes.decodeSetxattr(loaded, loaded.length % 2 === 0),
  GETXATTR: attributes.decodeGetxattr,
  LISTXATTR: attributes.decodeListxattr,
  REMOVEXATTR: attributes.decodeRemovexattr,
  FLUSH: openFiles.decodeFlush,
  INIT: connection.decodeInit,
  OPENDIR: openFiles.decodeOpen,
  READDIR: openFiles.decodeRead,
  RELEASEDIR: openFiles.decodeRelease,
  FSYNCDIR: openFiles.decodeFsync,
  ACCESS: attributes.decodeAccess,
  CREATE: openFiles.decodeCreate,
  INTERRUPT: connection.decodeInterrupt,
  IOCTL: openFiles.decodeIoctl,
  POLL: openFiles.decodePoll,
  BATCH_FORGET: (loaded) => names.decodeBatchForget(loaded, () => undefined),
  FALLOCATE: openFiles.decodeFallocate,
  READDIRPLUS: openFiles.decodeRead,
  RENAME2: names.decodeRename,
  LSEEK: openFiles.decodeLseek,
  COPY_FILE_RANGE: openFiles.decodeCopyFileRange,
  TMPFILE: openFiles.decodeTmpfile,
  STATX: attributes.decodeStatx,
  COPY_FILE_RANGE_64: openFiles.decodeCopyFileRange,
};

const seed = process.env.PFS_SEED === undefined ? {} : { seed: Number(process.env.PFS_SEED) };

/** Bytes as kernels send them: small numbers and text are likelier than noise, so that decoding gets far. */
const bodyBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 24 }),
      fc.nat(64).map((value) => Uint8Array.from(hex(u64(value)))),
      fc.nat(64).map((value) => Uint8Array.from(hex(u32(value)))),
      fc.string({ unit: "grapheme", maxLength: 20 }).map((value) => Uint8Array.from(hex(text(value)))),
    ),
    { maxLength: 16 },
  )
  .map((pieces) => Buffer.concat(pieces));

/** Runs a decoder; true if it decoded. Everything that it hands out must lie within the message. */
function decodes(opcode: number, decode: Decode, body: Buffer): boolean {
  const loaded = request(opcode, body);
  try {
    const decoded = decode(loaded);
    for (const value of Object.values(decoded ?? {})) {
      if (!Buffer.isBuffer(value)) continue;
      assert.equal(value.buffer, loaded.buffer.buffer, "a view of the message, not a copy");
      const end = value.byteOffset - loaded.buffer.byteOffset + value.length;
      assert.ok(end <= loaded.length, `a view that ends at ${end} of ${loaded.length}`);
    }
    return true;
  } catch (error) {
    assert.ok(error instanceof ProtocolError, `not a ProtocolError: ${error}`);
    return false;
  }
}

describe("hostile and truncated messages", () => {
  for (const [name, decode] of Object.entries(DECODERS)) {
    const opcode = OPCODE[name as OpcodeName];

    it(`${name}: a random body is decoded or a ProtocolError`, () => {
      fc.assert(
        fc.property(bodyBytes, (body) => {
          decodes(opcode, decode, body);
        }),
        { numRuns: 300, ...seed },
      );
    });

    it(`${name}: what lies behind the message does not change what is decoded`, () => {
      fc.assert(
        fc.property(bodyBytes, fc.uint8Array({ minLength: 16, maxLength: 64 }), (body, behind) => {
          const outcomes = [Buffer.alloc(64), Buffer.from(behind)].map((tail) => {
            const loaded = request(opcode, body);
            tail.copy(loaded.buffer, loaded.length);
            try {
              return JSON.stringify(decode(loaded));
            } catch (error) {
              return String(error);
            }
          });
          assert.equal(outcomes[0], outcomes[1]);
        }),
        { numRuns: 100, ...seed },
      );
    });
  }

  it("every truncation of a valid message is a ProtocolError", () => {
    const whole: [OpcodeName, string][] = [
      ["LOOKUP", text("a.md")],
      ["RENAME2", u64(9) + u64(2) + text("a.md") + text("b.md")],
      ["SYMLINK", text("a.md") + text("b.md")],
      ["SETATTR", "00".repeat(88)],
      ["CREATE", "00".repeat(16) + text("a.md")],
      ["READ", "00".repeat(40)],
      ["WRITE", `${u64(1)}${u64(0)}${u32(3)}${"00".repeat(20)}aabbcc`],
      ["BATCH_FORGET", `${u32(2)}${u32(0)}${u64(5)}${u64(1)}${u64(6)}${u64(1)}`],
      ["SETXATTR", `${u32(2)}${u32(0)}${text("user.x")}aabb`],
      ["COPY_FILE_RANGE", "00".repeat(56)],
    ];
    for (const [name, body] of whole) {
      const [bytes, decode] = [hex(body), DECODERS[name]];
      assert.ok(decode);
      if (name !== "SETXATTR") assert.ok(decodes(OPCODE[name], decode, bytes), `${name}, whole`);
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        const plain: Decode =
          name === "SETXATTR" ? (loaded) => attributes.decodeSetxattr(loaded, false) : decode;
        assert.equal(decodes(OPCODE[name], plain, cut), false, `${name}, cut to ${length}`);
      }
    }
  });

  it("a header that is short, or lies about its length, its node or its extensions", () => {
    const fresh = () => new Request(4096);
    for (const length of [0, 1, 39, 4097]) assert.throws(() => fresh().load(length), ProtocolError);
    const broken = (change: (loaded: Request) => void) => {
      const loaded = fresh();
      hex(header(OPCODE.LOOKUP, 8)).copy(loaded.buffer);
      change(loaded);
      assert.throws(() => loaded.load(48), ProtocolError);
      assert.equal(loaded.uniqueLo, 1, "it can still be answered");
      assert.throws(() => names.decodeName(loaded), ProtocolError, "and has no body");
    };
    broken((loaded) => loaded.buffer.writeUInt32LE(47, 0));
    broken((loaded) => loaded.buffer.writeUInt32LE(0xffffffff, 0));
    broken((loaded) => loaded.buffer.writeBigUInt64LE(2n ** 53n, 16));
    broken((loaded) => loaded.buffer.writeUInt16LE(2, 36));
  });

  it("counts and sizes that overflow are refused before anything is done", () => {
    let forgotten = 0;
    const batch = request(OPCODE.BATCH_FORGET, `ffffffff 00000000 ${u64(5)}${u64(1)}`);
    assert.throws(() => names.decodeBatchForget(batch, () => forgotten++), ProtocolError);
    assert.equal(forgotten, 0);
    const write = `${u64(1)}${u64(0)}ffffffff${"00".repeat(20)}aabbcc`;
    assert.throws(() => openFiles.decodeWrite(request(OPCODE.WRITE, write)), ProtocolError);
    const handle = `${u64(2n ** 53n)}${u64(0)}00000000${"00".repeat(20)}`;
    assert.throws(() => openFiles.decodeRead(request(OPCODE.READ, handle)), ProtocolError);
  });

  it("R1: names that would leave their directory never get through", () => {
    for (const name of ["", ".", "..", "a/b", "/", "../x"]) {
      assert.throws(
        () => names.decodeName(request(OPCODE.LOOKUP, text(name))),
        ProtocolError,
        JSON.stringify(name),
      );
    }
  });

  it("names that are not UTF-8 are reported, not altered", () => {
    for (const bytes of ["ff", "61c3", "c080", "eda080", "f4908080"]) {
      const body = names.decodeName(request(OPCODE.LOOKUP, `${bytes}00`));
      assert.deepEqual(body, { name: undefined, nameBytes: bytes.length / 2 });
    }
    for (const name of ["ä.md", "\ufeffx", "🙂", "a\u0301"]) {
      assert.equal(names.decodeName(request(OPCODE.LOOKUP, text(name))).name, name);
    }
  });

  it("offsets beyond 2^53 are large numbers, not errors: any user can ask for them", () => {
    const body = `${u64(1)}${u64(2n ** 63n - 1n)}00100000${"00".repeat(20)}`;
    assert.equal(openFiles.decodeRead(request(OPCODE.READ, body)).offset, 2 ** 63);
  });
});
