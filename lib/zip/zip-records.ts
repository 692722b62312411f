/**
 * Owns the records of a ZIP file as bytes, with those of ZIP64 where a number needs them. Must never hold a file's bytes.
 * Source of all numbers: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5, and Info-ZIP's proginfo/extrafld.txt.
 */

export const ZipMethod = { stored: 0, deflated: 8 } as const;

/** One file, as far as it is known before its bytes come. */
export interface ZipFile {
  readonly name: string;
  /** st_mode, file type and all. */
  readonly mode: number;
  /** Since 1970, whole seconds, UTC. */
  readonly mtimeSeconds: number;
  readonly method: (typeof ZipMethod)[keyof typeof ZipMethod];
  readonly crc32: number;
  readonly sizeBytes: number;
  /** Undefined: known at its end only, and told in a descriptor behind the bytes. */
  readonly compressedBytes: number | undefined;
}

/** One file that is in the archive. */
export interface ZipMember extends ZipFile {
  readonly compressedBytes: number;
  readonly hasDescriptor: boolean;
  /** Of its local header. */
  readonly offset: number;
}

const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;
const VERSION = 20;
const VERSION_ZIP64 = 45;
const MADE_BY_UNIX = 3 << 8;
const FLAG_DESCRIPTOR = 1 << 3;
const FLAG_UTF8 = 1 << 11;
/** What deflating can add to bytes that it cannot make smaller is far below it. */
const DEFLATE_MARGIN_BYTES = 16 * 1024 * 1024;

/** What comes before a file's bytes. */
export function localHeader(file: ZipFile): Buffer {
  const name = Buffer.from(file.name);
  const wide = isWide(file);
  const isOpen = file.compressedBytes === undefined;
  const sizes = [isOpen ? 0 : file.sizeBytes, file.compressedBytes ?? 0];
  const extra = Buffer.concat([timestamp(file.mtimeSeconds), wide ? wideNumbers(sizes) : NONE]);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(wide ? VERSION_ZIP64 : VERSION, 4);
  writeCommon(header, 6, file, isOpen);
  header.writeUInt32LE(isOpen ? 0 : file.crc32, 14);
  header.writeUInt32LE(wide ? MAX_32 : (sizes[1] as number), 18);
  header.writeUInt32LE(wide ? MAX_32 : (sizes[0] as number), 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

/** What comes behind the bytes of a file whose compressed size was not known before them. */
export function descriptor(file: ZipMember): Buffer {
  const wide = isWide(file);
  const record = Buffer.alloc(wide ? 24 : 16);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(file.crc32, 4);
  if (wide) {
    record.writeBigUInt64LE(BigInt(file.compressedBytes), 8);
    record.writeBigUInt64LE(BigInt(file.sizeBytes), 16);
  } else {
    record.writeUInt32LE(file.compressedBytes, 8);
    record.writeUInt32LE(file.sizeBytes, 12);
  }
  return record;
}

/** A file's record in the directory at the end. */
export function centralRecord(file: ZipMember): Buffer {
  const name = Buffer.from(file.name);
  const { sizeBytes, compressedBytes, offset } = file;
  const large = [sizeBytes, compressedBytes, offset].filter((value) => value >= MAX_32);
  const extra = Buffer.concat([timestamp(file.mtimeSeconds), large.length > 0 ? wideNumbers(large) : NONE]);
  const needed = large.length > 0 || isWide(file) ? VERSION_ZIP64 : VERSION;
  const record = Buffer.alloc(46);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(MADE_BY_UNIX | VERSION_ZIP64, 4);
  record.writeUInt16LE(needed, 6);
  writeCommon(record, 8, file, file.hasDescriptor);
  record.writeUInt32LE(file.crc32, 16);
  record.writeUInt32LE(Math.min(compressedBytes, MAX_32), 20);
  record.writeUInt32LE(Math.min(sizeBytes, MAX_32), 24);
  record.writeUInt16LE(name.length, 28);
  record.writeUInt16LE(extra.length, 30);
  record.writeUInt32LE((file.mode << 16) >>> 0, 38);
  record.writeUInt32LE(Math.min(offset, MAX_32), 42);
  return Buffer.concat([record, name, extra]);
}

/** What ends the archive. */
export function endRecords(files: number, centralOffset: number, centralBytes: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(files, MAX_16), 8);
  end.writeUInt16LE(Math.min(files, MAX_16), 10);
  end.writeUInt32LE(Math.min(centralBytes, MAX_32), 12);
  end.writeUInt32LE(Math.min(centralOffset, MAX_32), 16);
  if (files < MAX_16 && centralOffset < MAX_32 && centralBytes < MAX_32) return end;
  const wide = Buffer.alloc(56);
  wide.writeUInt32LE(0x06064b50, 0);
  wide.writeBigUInt64LE(44n, 4);
  wide.writeUInt16LE(MADE_BY_UNIX | VERSION_ZIP64, 12);
  wide.writeUInt16LE(VERSION_ZIP64, 14);
  wide.writeBigUInt64LE(BigInt(files), 24);
  wide.writeBigUInt64LE(BigInt(files), 32);
  wide.writeBigUInt64LE(BigInt(centralBytes), 40);
  wide.writeBigUInt64LE(BigInt(centralOffset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(centralOffset + centralBytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([wide, locator, end]);
}

const NONE = Buffer.alloc(0);

/** Whether the sizes in the local header take 64 bits; decided by what is known before the bytes. */
function isWide({ sizeBytes, method }: ZipFile): boolean {
  return sizeBytes >= MAX_32 - (method === ZipMethod.deflated ? DEFLATE_MARGIN_BYTES : 0);
}

/** Flags, method, time and date: the same five fields in both headers. */
function writeCommon(into: Buffer, at: number, file: ZipFile, hasDescriptor: boolean): void {
  const { time, date } = dosTime(file.mtimeSeconds);
  into.writeUInt16LE(FLAG_UTF8 | (hasDescriptor ? FLAG_DESCRIPTOR : 0), at);
  into.writeUInt16LE(file.method, at + 2);
  into.writeUInt16LE(time, at + 4);
  into.writeUInt16LE(date, at + 6);
}

function wideNumbers(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(0x0001, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  for (const [index, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * index);
  return extra;
}

/** Info-ZIP's universal time: seconds since 1970, UTC, in 32 bits. What does not fit has the DOS time only. */
function timestamp(seconds: number): Buffer {
  if (seconds < -(2 ** 31) || seconds >= 2 ** 31) return NONE;
  const extra = Buffer.alloc(9);
  extra.writeUInt16LE(0x5455, 0);
  extra.writeUInt16LE(5, 2);
  extra.writeUInt8(1, 4);
  extra.writeInt32LE(seconds, 5);
  return extra;
}

/** DOS times begin in 1980, end in 2107 and count every other second; here they are UTC wherever the archive is made. */
function dosTime(seconds: number): { time: number; date: number } {
  const clamped = Math.min(Math.max(seconds, Date.UTC(1980) / 1000), Date.UTC(2108) / 1000 - 1);
  const at = new Date(clamped * 1000);
  return {
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
    date: ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
  };
}
