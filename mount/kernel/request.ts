/**
 * One message of the kernel: owns the buffer that /dev/fuse is read into and the parsed header, and hands out
 * checked fields of the body to the decode-*.ts files. Must never read past the message that was loaded, nor
 * allocate for anything but names and views of data. Little-endian hosts only (device.ts checks).
 */
import { isUtf8 } from "node:buffer";
import { allocatePageAligned } from "../../lib/libc.ts";
import { OPCODE, type OpcodeName, REQUEST_BUFFER_BYTES, STRUCT_BYTES } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";

const NAMES = new Map<number, OpcodeName>(
  Object.entries(OPCODE).map(([name, opcode]) => [opcode, name as OpcodeName]),
);
const TWO_32 = 0x1_0000_0000;
const HEADER_BYTES = STRUCT_BYTES.in_header;
/** Where the data of a WRITE begins. */
const WRITE_DATA_OFFSET = HEADER_BYTES + STRUCT_BYTES.write_in;

/** Reusable: `load` makes it the next message; whatever it handed out before is then overwritten. */
export class Request {
  readonly buffer: Buffer;
  readonly #view: DataView;
  /** Bytes of the whole message. */
  length = 0;
  opcode = 0;
  /** The two halves of `unique`, by which the answer is matched. */
  uniqueLo = 0;
  uniqueHi = 0;
  nodeid = 0;
  uid = 0;
  gid = 0;
  /** The calling thread's id (not its process's); 0 for the kernel's own writeback. */
  pid = 0;
  /** Where the body ends: `length` without the extensions that may follow it (protocol 7.38). */
  bodyEnd = 0;

  constructor(sizeBytes: number = REQUEST_BUFFER_BYTES) {
    this.buffer = allocatePageAligned(WRITE_DATA_OFFSET, sizeBytes - WRITE_DATA_OFFSET);
    this.#view = new DataView(this.buffer.buffer, this.buffer.byteOffset, sizeBytes);
  }

  /** The opcode's name, or `opcode N` for one that this protocol version does not know. For messages. */
  get name(): string {
    return NAMES.get(this.opcode) ?? `opcode ${this.opcode}`;
  }

  /**
   * Parses the header of the message of `length` bytes that lies at the buffer's start.
   * @throws ProtocolError; the message can be answered if it holds a header, that is if `length` ≥ 40.
   */
  load(length: number): void {
    this.length = 0;
    this.bodyEnd = 0;
    this.uniqueLo = 0;
    this.uniqueHi = 0;
    if (length < HEADER_BYTES || length > this.buffer.length) {
      throw new ProtocolError(`a message of ${length} bytes; a header alone has ${HEADER_BYTES}`);
    }
    const view = this.#view;
    this.length = length;
    this.opcode = view.getUint32(4, true);
    this.uniqueLo = view.getUint32(8, true);
    this.uniqueHi = view.getUint32(12, true);
    this.uid = view.getUint32(24, true);
    this.gid = view.getUint32(28, true);
    this.pid = view.getUint32(32, true);
    const claimed = view.getUint32(0, true);
    if (claimed !== length) {
      throw new ProtocolError(`${this.name}: the header says ${claimed} bytes, ${length} came`);
    }
    this.nodeid = this.id(16);
    this.bodyEnd = length - view.getUint16(36, true) * 8;
    if (this.bodyEnd < HEADER_BYTES) {
      throw new ProtocolError(`${this.name}: extensions longer than the message`);
    }
  }

  /** Requires a body of at least `size` bytes. Every decoder calls it before it reads a field. */
  need(size: number): void {
    if (this.bodyEnd - HEADER_BYTES < size) {
      throw new ProtocolError(`${this.name}: a body of ${this.bodyEnd - HEADER_BYTES} bytes, ${size} needed`);
    }
  }

  /** u32 at `at`, counted from the message's start. The caller has called `need`. */
  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /**
   * u64 at `at` as a number, rounded beyond 2^53: for offsets and sizes, which any user can make that large
   * and which then exceed every limit anyhow.
   */
  u64(at: number): number {
    return this.#view.getUint32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
  }

  /** i64 at `at` as a number, rounded beyond ±2^53: for times and seek positions. */
  i64(at: number): number {
    return this.#view.getInt32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
  }

  /** u64 at `at` that was made by this side (node ids, file handles, counts): never beyond 2^53 - 1. */
  id(at: number): number {
    const value = this.u64(at);
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new ProtocolError(`${this.name}: an id beyond 2^53 at byte ${at}`);
    }
    return value;
  }

  /** Where the NUL of the string that starts at `start` is. @throws ProtocolError if the body has none. */
  stringEnd(start: number): number {
    const { buffer, bodyEnd } = this;
    for (let at = start; at < bodyEnd; at++) {
      if (buffer[at] === 0) return at;
    }
    throw new ProtocolError(`${this.name}: a string without its end`);
  }

  /** The text in [start, end), or undefined if it is not valid UTF-8. */
  text(start: number, end: number): string | undefined {
    const buffer = this.buffer;
    for (let at = start; at < end; at++) {
      if ((buffer[at] as number) >= 0x80) {
        return isUtf8(buffer.subarray(start, end)) ? buffer.toString("utf8", start, end) : undefined;
      }
    }
    return buffer.toString("latin1", start, end);
  }

  /**
   * The name of a directory entry in [start, end), or undefined if it is not valid UTF-8.
   * @throws ProtocolError for what no kernel sends and no path may hold: an empty name, `.`, `..`, a slash.
   */
  entryName(start: number, end: number): string | undefined {
    const name = this.text(start, end);
    if (start === end || name === "." || name === ".." || name?.includes("/")) {
      throw new ProtocolError(`${this.name}: not the name of a directory entry`);
    }
    return name;
  }
}
