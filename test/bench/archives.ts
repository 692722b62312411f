/**
 * Measures archiving a book of 500 files, 200 MB, against Info-ZIP's `zip` on the same tree: its media, which both only store,
 * and its text, which both deflate. The commands' start is in every figure.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ViewFigure } from "./views.ts";

const PFS = new URL("../../bin/pfs.js", import.meta.url).pathname;
const ROUNDS = 5;
const LIMIT = 1.5;
const FILES = 250;
const FILE_BYTES = 400_000;

export function measureArchives(work: string): ViewFigure[] {
  const [book, store] = [join(work, "book"), join(work, "store")];
  makeFiles(book);
  const pfs = (...args: string[]): void => {
    execFileSync(process.execPath, [PFS, "--store", store, ...args], { stdio: "ignore" });
  };
  pfs("init", "bench", "--schema", "any");
  pfs("import", "bench", book);
  const out = join(work, "out.zip");
  const seconds = (make: () => void): number => {
    rmSync(out, { force: true });
    const startMs = performance.now();
    make();
    return (performance.now() - startMs) / 1000;
  };
  const against = (title: string, scope: string, level: string, directory: string): ViewFigure => {
    const ratios: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const own = seconds(() => pfs("archive", "bench", "--scope", scope, "-o", out));
      const zip = seconds(() => execFileSync("zip", ["-q", level, "-r", out, directory], { cwd: book }));
      ratios.push(own / zip);
      process.stderr.write(`archive ${scope} ${round + 1}/${ROUNDS}\n`);
    }
    return { title: `archive: ${title} against \`zip ${level}\``, ratios, limit: LIMIT };
  };
  return [
    against(`${FILES} media files, 100 MB,`, "assets", "-0", "static"),
    against(`${FILES} files of text, 100 MB,`, "content", "-6", "content"),
  ];
}

/** Bytes are the same in every run; the text is as compressible as prose, the media not at all. */
function makeFiles(book: string): void {
  const [text, media] = [join(book, "content"), join(book, "static")];
  for (const directory of [text, media]) mkdirSync(directory, { recursive: true });
  for (let number = 0; number < FILES; number++) {
    const noise = noiseOf(`file ${number}`);
    writeFileSync(join(media, `${number}.jpg`), noise);
    writeFileSync(join(text, `${number}.md`), wordsOf(noise));
  }
}

function noiseOf(seed: string): Buffer {
  return createHash("shake256", { outputLength: FILE_BYTES }).update(seed).digest();
}

function wordsOf(noise: Buffer): Buffer {
  const words: string[] = [];
  let length = 0;
  for (let at = 0; length < FILE_BYTES; at = (at + 2) % (noise.length - 1)) {
    // Some words are much more frequent than others.
    const rank = Math.floor(3000 ** ((noise.readUInt16LE(at) + 1) / 65_536));
    const word = `${(rank * 7919).toString(36)}${rank % 11 === 0 ? ".\n" : " "}`;
    words.push(word);
    length += word.length;
  }
  return Buffer.from(words.join("").slice(0, FILE_BYTES));
}
