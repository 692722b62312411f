// The records of a ZIP file where numbers are large, read by the real unzip and by Python.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { ZipDirectory } from "../../lib/zip/zip-directory.ts";
import { descriptor, localHeader, ZipMethod } from "../../lib/zip/zip-records.ts";
import { testZip } from "./archive-samples.ts";

const PLAIN = { mode: 0o100644, mtimeSeconds: 981173107, method: ZipMethod.stored };

async function withFolder(use: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("ZIP64: an archive of 70,000 files is found clean", () =>
  withFolder((folder) => {
    const file = join(folder, "many.zip");
    const fd = openSync(file, "w");
    const directory = new ZipDirectory();
    const bytes = Buffer.from("x");
    const pieces: Buffer[] = [];
    for (let number = 0; number < 70_000; number++) {
      const sizes = { sizeBytes: 1, compressedBytes: 1, crc32: crc32(bytes) };
      pieces.push(directory.begin({ name: `${number}.md`, ...PLAIN, ...sizes }), bytes, directory.end(1));
    }
    assert.equal(directory.files, 70_000);
    writeSync(fd, Buffer.concat([...pieces, ...directory.close()]));
    closeSync(fd);
    testZip(file);
    const listed = execFileSync("unzip", ["-Z1", file], { encoding: "utf8", maxBuffer: 4 << 20 }).split("\n");
    assert.deepEqual([listed.length, listed[0], listed.at(-2)], [70_001, "0.md", "69999.md"]);
  }));

test("ZIP64: sizes and offsets beyond 4 GiB are what other programs read", () =>
  withFolder((folder) => {
    const file = join(folder, "large.zip");
    const fd = openSync(file, "w");
    const directory = new ZipDirectory();
    const sizeBytes = 5 * 2 ** 30;
    let offset = 0;
    const write = (bytes: Buffer): void => {
      offset += writeSync(fd, bytes, 0, bytes.length, offset);
    };
    // Nobody reads its bytes here, so that they need not be there.
    write(directory.begin({ name: "large.mp4", ...PLAIN, crc32: 1, sizeBytes, compressedBytes: sizeBytes }));
    offset += sizeBytes;
    write(directory.end(sizeBytes));
    const open = { name: "large.csv", ...PLAIN, method: ZipMethod.deflated, crc32: 2, sizeBytes };
    write(directory.begin({ ...open, compressedBytes: undefined }));
    offset += 77;
    write(directory.end(77));
    const small = Buffer.from("behind them");
    const known = { crc32: crc32(small), sizeBytes: small.length, compressedBytes: small.length };
    write(directory.begin({ name: "small.md", ...PLAIN, ...known }));
    write(small);
    write(directory.end(small.length));
    for (const piece of directory.close()) write(piece);
    ftruncateSync(fd, offset);
    closeSync(fd);
    const script = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print([(i.filename, i.file_size, i.compress_size, i.header_offset > 2**32) for i in z.infolist()], z.read("small.md"))`;
    assert.equal(
      execFileSync("python3", ["-c", script, file], { encoding: "utf8" }).trim(),
      `[('large.mp4', ${sizeBytes}, ${sizeBytes}, False), ('large.csv', ${sizeBytes}, 77, True), ('small.md', 11, 11, True)] b'behind them'`,
    );
    assert.equal(execFileSync("unzip", ["-p", file, "small.md"], { encoding: "utf8" }), "behind them");
  }));

test("ZIP: times are UTC, to the second where 32 bits hold them, else as near as DOS comes", () => {
  const headerOf = (mtimeSeconds: number): Buffer =>
    localHeader({ name: "a", ...PLAIN, mtimeSeconds, crc32: 0, sizeBytes: 0, compressedBytes: 0 });
  const header = headerOf(981173107);
  // 2001-02-03 04:05:07, of which DOS has 04:05:06.
  assert.equal(header.readUInt16LE(10), (4 << 11) | (5 << 5) | 3);
  assert.equal(header.readUInt16LE(12), (21 << 9) | (2 << 5) | 3);
  assert.deepEqual([header.readUInt16LE(28), header.readInt32LE(36)], [9, 981173107]);
  assert.equal(headerOf(-5).readInt32LE(36), -5);
  assert.deepEqual([headerOf(-5).readUInt16LE(12), headerOf(-5).readUInt16LE(10)], [(1 << 5) | 1, 0]);
  const far = headerOf(Date.UTC(2040, 0, 1) / 1000);
  assert.deepEqual([far.readUInt16LE(28), far.readUInt16LE(12)], [0, (60 << 9) | (1 << 5) | 1]);
  assert.equal(headerOf(Date.UTC(3000, 0, 1) / 1000).readUInt16LE(12), (127 << 9) | (12 << 5) | 31);
});

test("ZIP: a descriptor has the sizes' width that the local header announced", () => {
  const member = {
    name: "a",
    ...PLAIN,
    method: ZipMethod.deflated,
    crc32: 3,
    offset: 0,
    hasDescriptor: true,
  };
  assert.equal(descriptor({ ...member, sizeBytes: 10, compressedBytes: 5 }).length, 16);
  assert.equal(descriptor({ ...member, sizeBytes: 2 ** 32 - 1000, compressedBytes: 5 }).length, 24);
  const wide = localHeader({ ...member, sizeBytes: 2 ** 32 - 1000, compressedBytes: undefined });
  assert.deepEqual([wide.readUInt16LE(4), wide.readUInt16LE(6) & 8], [45, 8]);
});
