// A process that works on a store and kills itself, or is killed: `killed-child.ts DIRECTORY SCENARIO STEP_NUMBER`, or
// `killed-child.ts DIRECTORY` to save without end. Tells on its standard output what it may rely on.

import { writeSync } from "node:fs";
import { ALICE, BookFixture, closing } from "../lib/book-fixture.ts";
import { scenarios } from "./scenarios.ts";
import { withSteps } from "./step-hook.ts";

const [directory = "", scenario, killAt] = process.argv.slice(2);
const book = new BookFixture(directory, {});
if (scenario === undefined) saveForEver();
else dieAt(scenario, Number(killAt));

function say(words: string): void {
  writeSync(1, `${words}\n`);
}

function dieAt(name: string, index: number): void {
  const prepared = scenarios[name]?.(book);
  say("prepared");
  withSteps(
    (step, at) => {
      if (at !== index) return;
      say(`at ${step}`);
      process.kill(process.pid, "SIGKILL");
    },
    () => prepared?.act(),
  );
  say("acknowledged");
}

/** Numbers in files: each is the number of its save; in every way in which bytes come into the book. */
function saveForEver(): void {
  for (let number = 1; ; number++) {
    const path = `file-${number % 7}`;
    const bytes = Buffer.alloc(number % 5 === 0 ? 150_000 : 100, `${number} `);
    if (number % 3 === 0) {
      book.write(`${path}.tmp`, bytes);
      book.rename(`${path}.tmp`, path);
    } else if (number % 3 === 1 && book.find(path) !== undefined) {
      book.rename(path, `${path}~`);
      book.write(path, bytes);
      book.unlink(`${path}~`);
    } else {
      const file = book.find(path) === undefined ? book.create(path) : book.open(path);
      closing(file, ALICE, () => {
        file.truncate(0, ALICE);
        file.write(0, bytes, ALICE);
        file.commit(ALICE, { durable: number % 2 === 0 });
      });
    }
    say(`${path} ${number}`);
  }
}
