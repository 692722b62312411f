/**
 * Owns the process that makes the system calls of the differential tests, and what of its answers must be equal.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { BEGINNING, type Call } from "./calls.ts";

interface Answers {
  readonly answers: readonly (readonly [mount: unknown, plain: unknown] | null)[];
  readonly trees: readonly [mount: unknown, plain: unknown];
  readonly closed: readonly [mount: unknown, plain: unknown];
}

export class Executor {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #dir: string;
  readonly #plain: string;
  #count = 0;

  constructor(dir: string, plain: string) {
    this.#dir = dir;
    this.#plain = plain;
    this.#child = spawn("python3", [join(import.meta.dirname, "executor.py")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { stdout } = this.#child;
    assert.ok(stdout);
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** Makes the calls in two fresh directories and compares everything. */
  async compare(calls: readonly Call[], umask: number): Promise<void> {
    const name = `run-${++this.#count}`;
    // One directory deeper, so that `..` is alike on both sides as well.
    const [mount, plain] = [join(this.#dir, name, "top"), join(this.#plain, name, "top")];
    for (const dir of [mount, plain]) {
      mkdirSync(dir, { recursive: true });
      chmodSync(dir, 0o777);
    }
    const all = [...BEGINNING, ...calls];
    this.#child.stdin?.write(`${JSON.stringify({ mount, plain, umask, calls: all })}\n`);
    const line = await this.#lines.next();
    assert.notEqual(line.done, true, "the executor is gone");
    const { answers, trees, closed } = JSON.parse(line.value as string) as Answers;
    for (const [at, pair] of answers.entries()) {
      if (pair !== null) assert.deepEqual(pair[0], pair[1], `call ${at}: ${JSON.stringify(all[at])}`);
    }
    assert.deepEqual(trees[0], trees[1], "the tree");
    assert.deepEqual(closed[0], closed[1], "the tree after all is closed");
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await ended;
  }
}
