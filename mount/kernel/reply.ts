/**
 * One answer to the kernel: owns a buffer that the answers are built in, one after another. Must never allocate
 * on the paths of stat, lookup, open, read and write, nor know what the answered request meant.
 *
 * Use: `start(request)`, then exactly one of the other methods (READ and the directory answers: several calls
 * and a `finish…`), then `Device.send(reply)`. Layouts: include/uapi/linux/fuse.h.
 */
import { allocatePageAligned } from "../../lib/libc.ts";
import { Errno } from "../../schema/errors.ts";
import {
  type KernelAttributes,
  type KernelEntry,
  type StatxFields,
  writeAttributes,
  writeEntry,
  writeInt64,
  writeNegativeEntry,
  writeStatx,
  writeTtl,
} from "./attributes.ts";
import { MAX_WRITE_BYTES, OPCODE, STRUCT_BYTES } from "./protocol.ts";

/** Where an answer's body begins. */
export const REPLY_BODY_OFFSET = STRUCT_BYTES.out_header;
const BODY = REPLY_BODY_OFFSET;

/** `struct fuse_open_out`. */
export interface KernelOpen {
  fh: number;
  /** `FOPEN`. */
  flags: number;
}

/** `struct fuse_kstatfs`. */
export interface KernelStatfs {
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  bsize: number;
  namelen: number;
  frsize: number;
}

/** `struct fuse_init_out`. */
export interface InitAnswer {
  major: number;
  minor: number;
  maxReadaheadBytes: number;
  flags: number;
  flags2: number;
  maxBackground: number;
  congestionThreshold: number;
  maxWriteBytes: number;
  /** Granularity of times in ns. */
  timeGranularity: number;
  maxPages: number;
}

/** One name of a READDIR answer. `nextOffset` is where a later READDIR goes on: never 0. */
export interface DirectoryRecord {
  name: string;
  ino: number;
  /** `DIRENT_TYPE`. */
  type: number;
  nextOffset: number;
}

/** Reusable; `buffer` from 0 to `length` is the answer. */
export class Reply {
  readonly buffer: Buffer;
  readonly #view: DataView;
  /** Bytes of the answer that was built last. */
  length = 0;
  #opcode = 0;
  #directoryEnd = 0;

  constructor(maxBodyBytes: number = MAX_WRITE_BYTES) {
    this.buffer = allocatePageAligned(BODY, maxBodyBytes);
    this.#view = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length);
  }

  /** Begins the answer to a request; a parked one is answered later with what was kept of it. */
  start(request: { uniqueLo: number; uniqueHi: number; opcode: number }): void {
    this.#view.setUint32(8, request.uniqueLo, true);
    this.#view.setUint32(12, request.uniqueHi, true);
    this.#opcode = request.opcode;
    this.length = 0;
  }

  /** A refusal; `errno` is positive. The kernel takes 1 to 511 only, and would let the caller hang for others. */
  error(errno: number): void {
    this.#header(BODY, errno >= 1 && errno <= 511 ? -errno : -Errno.EIO);
  }

  /** Success with nothing to tell. */
  ok(): void {
    this.#header(BODY, 0);
  }

  /** LOOKUP, MKNOD, MKDIR, SYMLINK, LINK. Each such answer counts as one lookup, until FORGET. */
  entry(entry: KernelEntry): void {
    writeEntry(this.#view, BODY, entry);
    this.#header(BODY + STRUCT_BYTES.entry_out, 0);
  }

  /** LOOKUP: there is no such name, and the kernel need not ask again for `ttlSeconds`. Counts no lookup. */
  negativeEntry(ttlSeconds: number): void {
    writeNegativeEntry(this.#view, BODY, ttlSeconds);
    this.#header(BODY + STRUCT_BYTES.entry_out, 0);
  }

  /** GETATTR, SETATTR. */
  attributes(attributes: KernelAttributes, ttlSeconds: number): void {
    writeTtl(this.#view, BODY, BODY + 8, ttlSeconds);
    this.#view.setUint32(BODY + 12, 0, true);
    writeAttributes(this.#view, BODY + 16, attributes);
    this.#header(BODY + STRUCT_BYTES.attr_out, 0);
  }

  /** STATX. */
  statx(fields: StatxFields): void {
    for (let at = BODY; at < BODY + 32; at += 4) this.#view.setUint32(at, 0, true);
    writeTtl(this.#view, BODY, BODY + 8, fields.attributesTtlSeconds);
    writeStatx(this.#view, BODY + 32, fields);
    this.#header(BODY + STRUCT_BYTES.statx_out, 0);
  }

  /** OPEN, OPENDIR. */
  open(open: KernelOpen): void {
    this.#writeOpen(BODY, open);
    this.#header(BODY + STRUCT_BYTES.open_out, 0);
  }

  /** CREATE, TMPFILE. Counts as one lookup. */
  create(entry: KernelEntry, open: KernelOpen): void {
    writeEntry(this.#view, BODY, entry);
    this.#writeOpen(BODY + STRUCT_BYTES.entry_out, open);
    this.#header(BODY + STRUCT_BYTES.entry_out + STRUCT_BYTES.open_out, 0);
  }

  /** WRITE: how many bytes were taken. */
  write(sizeBytes: number): void {
    this.#words(sizeBytes, 0);
  }

  /** COPY_FILE_RANGE, COPY_FILE_RANGE_64: how many bytes were copied (the former can tell 32 bits only). */
  copied(sizeBytes: number): void {
    const wide = this.#opcode === OPCODE.COPY_FILE_RANGE_64;
    this.#words(sizeBytes >>> 0, wide ? Math.floor(sizeBytes / 0x1_0000_0000) : 0);
  }

  /** LSEEK: the position found. */
  lseek(offset: number): void {
    writeInt64(this.#view, BODY, offset);
    this.#header(BODY + STRUCT_BYTES.lseek_out, 0);
  }

  /** GETXATTR, LISTXATTR that asked with size 0: how large the value is. */
  xattrSize(sizeBytes: number): void {
    this.#words(sizeBytes, 0);
  }

  /** POLL: the events that are there. */
  poll(revents: number): void {
    this.#words(revents, 0);
  }

  /** READLINK, GETXATTR, LISTXATTR: these bytes. */
  bytes(bytes: Uint8Array): void {
    this.buffer.set(bytes, BODY);
    this.#header(BODY + bytes.length, 0);
  }

  /**
   * READ and others: the place for at most `sizeBytes` of body, to be filled before `finish`. (To spare the
   * view, write to `buffer` from REPLY_BODY_OFFSET on.)
   * @throws RangeError beyond what was negotiated: a READ never asks for more than MAX_WRITE_BYTES
   */
  data(sizeBytes: number): Buffer {
    if (BODY + sizeBytes > this.buffer.length) throw new RangeError(`an answer of ${sizeBytes} bytes`);
    return this.buffer.subarray(BODY, BODY + sizeBytes);
  }

  /** Ends an answer that was filled in place with `sizeBytes` of body. */
  finish(sizeBytes: number): void {
    this.#header(BODY + sizeBytes, 0);
  }

  statfs(statfs: KernelStatfs): void {
    const view = this.#view;
    writeInt64(view, BODY, statfs.blocks);
    writeInt64(view, BODY + 8, statfs.bfree);
    writeInt64(view, BODY + 16, statfs.bavail);
    writeInt64(view, BODY + 24, statfs.files);
    writeInt64(view, BODY + 32, statfs.ffree);
    view.setUint32(BODY + 40, statfs.bsize, true);
    view.setUint32(BODY + 44, statfs.namelen, true);
    view.setUint32(BODY + 48, statfs.frsize, true);
    this.buffer.fill(0, BODY + 52, BODY + STRUCT_BYTES.kstatfs);
    this.#header(BODY + STRUCT_BYTES.kstatfs, 0);
  }

  init(answer: InitAnswer): void {
    const view = this.#view;
    this.buffer.fill(0, BODY, BODY + STRUCT_BYTES.init_out);
    view.setUint32(BODY, answer.major, true);
    view.setUint32(BODY + 4, answer.minor, true);
    view.setUint32(BODY + 8, answer.maxReadaheadBytes, true);
    view.setUint32(BODY + 12, answer.flags, true);
    view.setUint16(BODY + 16, answer.maxBackground, true);
    view.setUint16(BODY + 18, answer.congestionThreshold, true);
    view.setUint32(BODY + 20, answer.maxWriteBytes, true);
    view.setUint32(BODY + 24, answer.timeGranularity, true);
    view.setUint16(BODY + 28, answer.maxPages, true);
    view.setUint32(BODY + 32, answer.flags2, true);
    this.#header(BODY + STRUCT_BYTES.init_out, 0);
  }

  /** READDIR, READDIRPLUS: begins a listing of at most `sizeBytes`, the request's size. */
  startDirectory(sizeBytes: number): void {
    this.length = BODY;
    this.#directoryEnd = Math.min(BODY + sizeBytes, this.buffer.length);
  }

  /** READDIR: adds a name. False, and nothing added, if there is no room for it: finish the listing then. */
  dirent(record: DirectoryRecord): boolean {
    return this.#addRecord(record, 0);
  }

  /**
   * READDIRPLUS: adds a name with its entry, which counts as one lookup if it was added. `.` and `..` have no
   * entry (undefined) and count nothing. False, and nothing added, if there is no room.
   */
  direntplus(record: DirectoryRecord, entry: KernelEntry | undefined): boolean {
    const at = this.length;
    if (!this.#addRecord(record, STRUCT_BYTES.entry_out)) return false;
    if (entry) writeEntry(this.#view, at, entry);
    else writeNegativeEntry(this.#view, at, 0);
    return true;
  }

  /** Ends the listing; an empty one means that there are no more names. */
  finishDirectory(): void {
    this.#header(this.length, 0);
  }

  #addRecord(record: DirectoryRecord, prefixBytes: number): boolean {
    const { buffer, length } = this;
    const nameAt = length + prefixBytes + STRUCT_BYTES.dirent;
    const nameBytes = Buffer.byteLength(record.name);
    const end = (nameAt + nameBytes + 7) & ~7;
    if (end > this.#directoryEnd) return false;
    const view = this.#view;
    const at = length + prefixBytes;
    writeInt64(view, at, record.ino);
    writeInt64(view, at + 8, record.nextOffset);
    view.setUint32(at + 16, nameBytes, true);
    view.setUint32(at + 20, record.type, true);
    buffer.write(record.name, nameAt, "utf8");
    for (let pad = nameAt + nameBytes; pad < end; pad++) buffer[pad] = 0;
    this.length = end;
    return true;
  }

  #writeOpen(at: number, open: KernelOpen): void {
    writeInt64(this.#view, at, open.fh);
    this.#view.setUint32(at + 8, open.flags, true);
    // backing_id, for FOPEN.PASSTHROUGH.
    this.#view.setInt32(at + 12, 0, true);
  }

  #words(first: number, second: number): void {
    this.#view.setUint32(BODY, first, true);
    this.#view.setUint32(BODY + 4, second, true);
    this.#header(BODY + 8, 0);
  }

  #header(length: number, error: number): void {
    this.#view.setUint32(0, length, true);
    this.#view.setInt32(4, error, true);
    this.length = length;
  }
}
