/**
 * Builds kernel messages for the codec's tests, from hexadecimal text or from numbers. Never used outside tests.
 */
import { Request } from "../../../mount/kernel/request.ts";

/** Bytes from hexadecimal text; spaces and line breaks are for the reader. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s+/g, ""), "hex");
}

/** A u64 or i64 as 16 hexadecimal digits, little-endian. */
export function u64(value: bigint | number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes.toString("hex");
}

/** A u32 as 8 hexadecimal digits, little-endian. */
export function u32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes.toString("hex");
}

/** Text and its terminating NUL. */
export function text(value: string): string {
  return Buffer.from(`${value}\0`).toString("hex");
}

/** `struct fuse_in_header` of a message with this body, of node 0x1122, unique 0x8000000200000001. */
export function header(opcode: number, bodyBytes: number): string {
  return (
    u32(40 + bodyBytes) +
    u32(opcode) +
    "0100000002000080" + // unique
    "2211000000000000" + // nodeid
    "e8030000" + // uid 1000
    "e9030000" + // gid 1001
    "39300000" + // pid 12345
    "0000" + // total_extlen
    "0000" // padding
  );
}

/** A loaded request with this opcode and body; what lies behind it in the buffer is 0xEE, to be noticed if read. */
export function request(opcode: number, body: string | Buffer): Request {
  const bytes = typeof body === "string" ? hex(body) : body;
  const message = Buffer.concat([hex(header(opcode, bytes.length)), bytes]);
  const loaded = new Request(message.length + 256);
  loaded.buffer.fill(0xee);
  message.copy(loaded.buffer);
  loaded.load(message.length);
  return loaded;
}
