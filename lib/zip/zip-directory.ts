/**
 * Owns where each file of a ZIP file lies while that is written: counts its bytes, and keeps the directory for its end,
 * some 100 bytes a file. Must never see the bytes themselves.
 */
import { centralRecord, descriptor, endRecords, localHeader, type ZipFile } from "./zip-records.ts";

const BLOCK_BYTES = 64 * 1024;
const NONE = Buffer.alloc(0);

export class ZipDirectory {
  readonly #blocks: Buffer[] = [];
  /** Bytes of the last block that are used. */
  #used = BLOCK_BYTES;
  #files = 0;
  #offset = 0;
  #open: { readonly file: ZipFile; readonly offset: number } | undefined;

  /** How many files there are. */
  get files(): number {
    return this.#files;
  }

  /** Where the next byte comes. */
  get offset(): number {
    return this.#offset;
  }

  /** Begins a file: what comes before its bytes. */
  begin(file: ZipFile): Buffer {
    const header = localHeader(file);
    this.#open = { file, offset: this.#offset };
    this.#offset += header.length;
    return header;
  }

  /** Ends the file, of which so many bytes were written: what comes behind them. */
  end(writtenBytes: number): Buffer {
    if (this.#open === undefined) throw new Error("no file was begun");
    const { file, offset } = this.#open;
    const hasDescriptor = file.compressedBytes === undefined;
    const member = { ...file, compressedBytes: writtenBytes, hasDescriptor, offset };
    const trailer = hasDescriptor ? descriptor(member) : NONE;
    this.#offset += writtenBytes + trailer.length;
    this.#append(centralRecord(member));
    this.#files++;
    this.#open = undefined;
    return trailer;
  }

  /** What comes behind the last file. */
  *close(): Generator<Buffer, void> {
    const centralOffset = this.#offset;
    let centralBytes = 0;
    for (const [index, block] of this.#blocks.entries()) {
      const bytes = index === this.#blocks.length - 1 ? block.subarray(0, this.#used) : block;
      centralBytes += bytes.length;
      yield bytes;
    }
    yield endRecords(this.#files, centralOffset, centralBytes);
  }

  #append(record: Buffer): void {
    for (let done = 0; done < record.length; ) {
      if (this.#used === BLOCK_BYTES) {
        this.#blocks.push(Buffer.allocUnsafeSlow(BLOCK_BYTES));
        this.#used = 0;
      }
      const copied = record.copy(this.#blocks.at(-1) as Buffer, this.#used, done);
      this.#used += copied;
      done += copied;
    }
  }
}
