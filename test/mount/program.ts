/** Owns processes that use a test's mount: real ones by their number, whose requests the test sends. */
import { type ChildProcess, spawn } from "node:child_process";
import { type Ask, O_TRUNC, O_WRONLY, ROOT } from "./kernel-client.ts";
import type { TestBook, TestMount } from "./test-book.ts";

/** Runs `use` with the ids of processes that run until it is done. */
export function withProcesses(count: number, use: (pids: number[]) => void): void {
  const children: ChildProcess[] = [];
  try {
    for (let i = 0; i < count; i++) children.push(spawn("sleep", ["1000"], { stdio: "ignore" }));
    use(children.map(({ pid }) => pid as number));
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

/** One process's view of a mount. */
export class Program {
  readonly kernel: TestMount;
  readonly pid: number;
  readonly #book: TestBook;

  constructor(book: TestBook, kernel: TestMount, pid: number) {
    this.#book = book;
    this.kernel = kernel;
    this.pid = pid;
  }

  get root(): Ask {
    return { ...ROOT, pid: this.pid };
  }

  find(name: string): Ask {
    const { nodeid } = this.kernel.lookup(this.root, name);
    return { nodeid, pid: this.pid };
  }

  read(name: string): string {
    this.#book.deliverAll();
    const file = this.find(name);
    const { fh } = this.kernel.open(file);
    const { body } = this.kernel.read(file, fh);
    this.kernel.release(file, fh);
    return body.toString();
  }

  /** Opens, writes all of it and closes: the first errno that is not 0. */
  save(name: string, text: string, flags = O_WRONLY | O_TRUNC): number {
    const found = this.kernel.lookup(this.root, name);
    const made =
      found.nodeid === 0
        ? this.kernel.create(this.root, name, { flags })
        : this.kernel.open(this.find(name), flags);
    if (made.errno !== 0) return made.errno;
    const file: Ask = { nodeid: found.nodeid === 0 ? made.nodeid : found.nodeid, pid: this.pid };
    const written = this.kernel.write(file, made.fh, text, { flags });
    const flushed = this.kernel.flush(file, made.fh)?.errno ?? 0;
    this.kernel.release(file, made.fh);
    return written.errno || flushed;
  }
}
