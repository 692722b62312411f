/**
 * The client that measures how soon a save on one mount is on another: one process for both, so that there is one clock. Prints
 * milliseconds from the end of close(2) to the end of the read(2) that gives the new bytes, as JSON. Until the file has changed there it
 * asks for its attributes only, which the kernel knows. Usage: save-and-see.ts DIRECTORY OTHER-DIRECTORY PATH
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const SAVES = 40;
const WARMING = 5;
/** Longer than anything that comes of one save goes on. */
const PAUSE_MS = 300;
const PATIENCE_MS = 60_000;

const [directory = "", other = "", path = ""] = process.argv.slice(2);
const [mine, theirs] = [join(directory, path), join(other, path)];
const samples: number[] = [];
for (let save = 0; save < WARMING + SAVES; save++) {
  await sleep(PAUSE_MS * (0.5 + Math.random()));
  const text = `# Saved\n\n${`Another line, as of save ${save}.\n`.repeat(600)}`;
  const before = statSync(theirs, { bigint: true }).mtimeNs;
  writeFileSync(mine, text);
  const start = performance.now();
  while (statSync(theirs, { bigint: true }).mtimeNs === before || readFileSync(theirs, "utf8") !== text) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`${theirs} did not change`);
    await sleep(1);
  }
  if (save >= WARMING) samples.push(performance.now() - start);
}
console.log(JSON.stringify(samples));
