// Processes that are killed with SIGKILL: what they had acknowledged is there when the store is opened again.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BookFixture } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { LARGE, SMALL } from "./scenarios.ts";

const CHILD = fileURLToPath(new URL("./killed-child.ts", import.meta.url));

function withDirectory<Result>(use: (directory: string) => Result): Result {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const remove = () => rmSync(directory, { recursive: true });
  let result: Result;
  try {
    result = use(directory);
  } catch (error) {
    remove();
    throw error;
  }
  if (result instanceof Promise) return result.finally(remove) as Result;
  remove();
  return result;
}

/** Opens what a killed process left. */
function withBookOf(directory: string, use: (book: BookFixture) => void): void {
  assert.match(
    readFileSync(join(directory, "lock"), "utf8"),
    /^\d+\n$/,
    "the lock still names the killed one",
  );
  const book = new BookFixture(directory, {});
  try {
    assertSound(book.library);
    assertAtRest(book.library);
    use(book);
  } finally {
    book.close();
  }
}

/** Runs the scenario in a child that dies at its nth step; answers at which, undefined when it has none so late. */
function dieAt(directory: string, scenario: string, index: number): string | undefined {
  const child = spawnSync(process.execPath, [CHILD, directory, scenario, `${index}`], { encoding: "utf8" });
  if (child.stdout.endsWith("acknowledged\n")) return undefined;
  assert.equal(child.signal, "SIGKILL", child.stderr);
  return /^prepared\nat (.*)\n$/.exec(child.stdout)?.[1];
}

const PATHS = {
  "an update, large": { x: [Buffer.alloc(150_000, 1), LARGE], gone: [] },
  "a rename-over from scratch, large": { x: [Buffer.from("old bytes\n"), LARGE], gone: ["x.tmp"] },
  "an exchange with scratch": { x: [SMALL, LARGE], gone: [] },
};

for (const [scenario, { x, gone }] of Object.entries(PATHS)) {
  test(`SC-002: ${scenario}, killed with SIGKILL at each step, is wholly there or not at all`, () => {
    let index = 0;
    for (let isDone = false; ; index++) {
      const step = withDirectory((directory) => {
        const at = dieAt(directory, scenario, index);
        if (at === undefined) return undefined;
        isDone ||= at === "transaction.committed";
        withBookOf(directory, (book) => {
          assert.deepEqual(book.bytes("x"), x[isDone ? 1 : 0], at);
          for (const path of gone) assert.equal(book.find(path) === undefined, isDone, `${path} at ${at}`);
        });
        return at;
      });
      if (step === undefined) break;
    }
    assert.ok(index > 6, `${index} steps were tried`);
  });
}

async function killAfter(child: ChildProcess, delayMs: number): Promise<string> {
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  // The clock starts at the first save, so that a slow machine does not kill a process that has not begun.
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const timer = setTimeout(() => child.kill("SIGKILL"), delayMs);
  await once(child, "close");
  clearTimeout(timer);
  return said;
}

test("every acknowledged save is there after a SIGKILL at any time", async () => {
  for (const delayMs of [0, 13, 47, 120]) {
    await withDirectory(async (directory) => {
      const child = spawn(process.execPath, [CHILD, directory], { stdio: ["ignore", "pipe", "inherit"] });
      const said = await killAfter(child, delayMs);
      const acknowledged = new Map<string, number>();
      // The last line may be cut short.
      for (const line of said.split("\n").slice(0, -1)) {
        const [path = "", number] = line.split(" ");
        acknowledged.set(path, Number(number));
      }
      assert.ok(acknowledged.size > 0);
      withBookOf(directory, (book) => {
        for (const [path, number] of acknowledged) {
          const found = Number(book.text(path).split(" ")[0]);
          assert.ok(
            found === number || found === number + 7,
            `${path} holds ${found}, acknowledged was ${number}`,
          );
        }
      });
      assert.ok(existsSync(join(directory, "pfs.db")));
    });
  }
});
