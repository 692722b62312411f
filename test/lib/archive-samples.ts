// Archives of a test's store, and what the real unzip makes of them. Must never expect anything itself.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ArchiveView, type ViewQuery } from "../../lib/archive/archive-view.ts";
import { type ArchiveOptions, type ArchiveOutcome, BookArchive } from "../../lib/archive/book-archive.ts";
import { BOOK, type TestStore } from "./test-store.ts";

export interface MadeArchive {
  readonly bytes: Buffer;
  readonly outcome: ArchiveOutcome;
}

/** An archive of the test's book; by default all of its base. */
export function archiveOf(
  { reader }: Pick<TestStore, "reader">,
  query: Partial<ViewQuery> = {},
  options: ArchiveOptions = {},
): Promise<MadeArchive> {
  const view = ArchiveView.open(reader, { bookId: BOOK, scope: "all", ...query });
  return collect(new BookArchive(reader, view, options));
}

export async function collect(archive: BookArchive): Promise<MadeArchive> {
  const pieces: Buffer[] = [];
  for await (const piece of archive.bytes()) pieces.push(Buffer.from(piece));
  return { bytes: Buffer.concat(pieces), outcome: archive.outcome };
}

/** Unzips it into a new directory, after `unzip -t` has found it clean. */
export function unzip(folder: string, { bytes }: Pick<MadeArchive, "bytes">): string {
  const place = mkdtempSync(join(folder, "unzip-"));
  const file = join(place, "archive.zip");
  writeFileSync(file, bytes);
  testZip(file);
  execFileSync("unzip", ["-q", file, "-d", join(place, "files")], { env: utf8() });
  return join(place, "files");
}

/** `unzip -t`. */
export function testZip(file: string): void {
  const { status, stdout } = spawnSync("unzip", ["-tqq", file], { encoding: "utf8", env: utf8() });
  assert.equal(status, 0, stdout);
}

/** Paths that are in an archive, in its order. */
export function listZip(folder: string, { bytes }: Pick<MadeArchive, "bytes">): string[] {
  const file = join(mkdtempSync(join(folder, "list-")), "archive.zip");
  writeFileSync(file, bytes);
  const text = execFileSync("unzip", ["-Z1", file], { encoding: "utf8", env: utf8() });
  return text.split("\n").slice(0, -1);
}

/** What a directory holds: of each file its bytes or link target, executable bit, and mtime in seconds. */
export function contentsOf(directory: string): Map<string, string> {
  const contents = new Map<string, string>();
  for (const entry of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const path = join(directory, entry);
    const status = lstatSync(path, { bigint: true });
    if (status.isDirectory()) continue;
    const isLink = status.isSymbolicLink();
    const bytes = isLink ? readlinkSync(path) : readFileSync(path).toString("base64");
    const mode = isLink ? "link" : (status.mode & 0o100n) === 0n ? "file" : "executable";
    // Rounded down, as in archives, also before 1970.
    const seconds =
      (status.mtimeNs - (((status.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) /
      1_000_000_000n;
    contents.set(entry, `${mode} ${isLink ? "" : seconds} ${bytes}`);
  }
  return new Map([...contents].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function utf8(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: "C.UTF-8", TZ: "Asia/Kathmandu" };
}
