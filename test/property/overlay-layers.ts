// Random operations of the base and of two users in nested directories, one of whom hides what the base has: what the tests of
// overlays share. Must never judge but by what each layer shows.

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Actor, isDirectory, type Node } from "../../lib/node.ts";
import type { OpenFile } from "../../lib/worktree/open-file.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { BASE, type FileId, parseUserId, type Seq, type UserId } from "../../schema/ids.ts";
import { actorNamed, BOOK, type BookFixture, EXCHANGE, PLAIN_RENAME } from "../lib/book-fixture.ts";

export const REVERTING = parseUserId("reverting");
export const HIDING = parseUserId("hiding");
export const LAYERS = [BASE, REVERTING, HIDING];
const NAMES = ["a", "b"];

export interface Step {
  readonly do:
    | "write"
    | "remove"
    | "makeDirectory"
    | "removeDirectory"
    | "rename"
    | "exchange"
    | "replace"
    | "settle"
    | "open"
    | "close"
    | "revert"
    | "publish"
    | "restore"
    | "mode";
  readonly layer: UserId;
  readonly path: string;
  readonly to: string;
}

const name = fc.constantFrom(...NAMES);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
export const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom(
    "write" as const,
    "write" as const,
    "remove" as const,
    "makeDirectory" as const,
    "makeDirectory" as const,
    "makeDirectory" as const,
    "removeDirectory" as const,
    "rename" as const,
    "rename" as const,
    "exchange" as const,
    "replace" as const,
    "settle" as const,
    "open" as const,
    "open" as const,
    "close" as const,
    "revert" as const,
    "publish" as const,
    "restore" as const,
    "mode" as const,
  ),
  layer: fc.constantFrom(...LAYERS, BASE),
  path,
  to: path,
});

export class Layers {
  readonly #books = new Map<UserId, BookFixture>();
  constructor(book: BookFixture) {
    for (const layer of LAYERS) {
      const fixture = Object.create(book) as BookFixture;
      fixture.worktree = book.library.worktree(BOOK, layer);
      this.#books.set(layer, fixture);
    }
  }
  readonly #open: { file: OpenFile; actor: Actor }[] = [];
  close(): void {
    const one = this.#open.shift();
    if (one === undefined) return;
    try {
      one.file.commit(one.actor, { durable: false });
    } catch (error) {
      if (!(error instanceof PosixError || error instanceof PfsError)) throw error;
    } finally {
      one.file.release(one.actor);
    }
  }
  get hasOpen(): boolean {
    return this.#open.length > 0;
  }
  closeAll(): void {
    while (this.#open.length > 0) this.close();
  }
  of(layer: UserId): BookFixture {
    return this.#books.get(layer) as BookFixture;
  }
  run({ do: what, layer, path, to }: Step, index: number): void {
    const book = this.of(layer);
    const actor: Actor = {
      ...actorNamed(layer === BASE ? "writer" : layer, { mount: layer }),
      hidesBase: layer === HIDING,
    };
    try {
      switch (what) {
        case "write":
          if (book.find(path)?.tracked !== false) book.write(path, `${layer} ${index}`, actor);
          break;
        case "remove":
          book.unlink(path, actor);
          break;
        case "makeDirectory":
          book.makeDirectory(path, actor);
          break;
        case "removeDirectory":
          book.removeDirectory(path, actor);
          break;
        case "rename":
          book.rename(path, to, PLAIN_RENAME, actor);
          break;
        case "exchange":
          book.rename(path, to, EXCHANGE, actor);
          break;
        case "replace":
          book.write(`${path}.tmp`, `${layer} ${index}`, actor);
          book.rename(`${path}.tmp`, path, PLAIN_RENAME, actor);
          break;
        case "open": {
          const file = book.find(path) === undefined ? book.create(path, actor) : book.open(path);
          this.#open.push({ file, actor });
          if (to.startsWith("a")) file.write(0, Buffer.from(`${layer} ${index} open`), actor);
          break;
        }
        case "close":
          this.close();
          break;
        case "settle":
          this.settle();
          break;
        case "revert":
          if (layer !== BASE) book.worktree.revert([path], actor);
          break;
        case "publish":
          if (layer !== BASE) this.publish(layer, to.startsWith("a") ? "" : path, actor);
          break;
        case "mode": {
          const { fileId } = book.node(path);
          book.worktree.setAttributes(fileId, { mode: to.startsWith("a") ? 0o755 : 0o644 }, actor);
          break;
        }
        case "restore": {
          // The longer `to`, the longer ago.
          const seq = Math.floor(book.library.log.seq / to.length) as Seq;
          if (layer === BASE && seq > 0) book.worktree.restore(seq, [path], actor);
          break;
        }
      }
    } catch (error) {
      if (error instanceof PosixError || error instanceof PfsError) return;
      if (error instanceof Error && /^the test has no directory| is not there$/.test(error.message)) return;
      throw error;
    }
  }
  publish(layer: UserId, path: string, actor: Actor): void {
    this.settle();
    const before = [layer, BASE].map((each) => this.files(each));
    const published = this.of(layer).worktree.publish([path], actor);
    const after = [layer, BASE].map((each) => this.files(each));
    const isRefused = published.some(({ outcome }) => outcome === "refused");
    if (isRefused) assert.deepEqual(after, before, "refused: nothing has changed");
    // Scratch keeps a directory of the user's own, beneath which the base does not show.
    const hasScratch = [...this.view(layer).keys()].some((name) => name.endsWith(".tmp"));
    if (isRefused || path !== "" || this.#open.length > 0 || hasScratch) return;
    assert.deepEqual(after[0], after[1], "published wholly, the user sees the base");
    // Directories of the user's own may have covered what the base has.
    for (const [file, bytes] of after[0] ?? [])
      assert.ok(
        before.some((files) => files.get(file) === bytes),
        `${file} was there`,
      );
    for (const [file, bytes] of before[0] ?? [])
      assert.equal(after[1]?.get(file), bytes, `${file} is the base's`);
  }
  /** Those of the book, with their bytes. */
  files(layer: UserId): Map<string, string> {
    return new Map(
      [...this.view(layer)].filter(([path, bytes]) => bytes !== "directory" && !path.endsWith(".tmp")).sort(),
    );
  }
  settle(): void {
    for (const book of this.#books.values()) book.settle();
  }
  /** Whether something is shown otherwise than the log has it: what was removed a moment ago, or is not saved. */
  get isWaiting(): boolean {
    return (
      this.hasOpen || [...this.#books.values()].some(({ worktree }) => worktree.tree.vacancies.count > 0)
    );
  }
  removeScratch(layer: UserId): void {
    for (const path of this.view(layer).keys()) if (path.endsWith(".tmp")) this.of(layer).unlink(path);
  }
  /** Each path with its node, as listed, as looked up, and as found by its id. */
  view(layer: UserId): Map<string, string> {
    const book = this.of(layer);
    const { worktree } = book;
    const seen = new Map<string, string>();
    const visit = (directory: FileId, prefix: string): void => {
      const listed = new Map<string, Node>();
      worktree.list(directory, 0, (name, node) => {
        assert.ok(!listed.has(name), `${layer}: ${prefix}${name} is listed once`);
        listed.set(name, node);
        return true;
      });
      for (const name of [...NAMES, ...listed.keys()]) {
        const found = worktree.lookup(directory, name);
        assert.deepEqual(found, listed.get(name), `${layer}: ${prefix}${name} is looked up as it is listed`);
        if (found !== undefined)
          assert.deepEqual(worktree.get(found.fileId), found, `${layer}: ${prefix}${name} by its id`);
      }
      const directories = [...listed.values()].filter(({ mode }) => isDirectory(mode)).length;
      const links = worktree.tree.paths.get(directory).own ? 2 + directories : 1;
      assert.equal(worktree.get(directory)?.nlink, links, `${layer}: links of /${prefix}`);
      for (const [name, node] of listed) {
        if (isDirectory(node.mode)) {
          seen.set(prefix + name, "directory");
          visit(node.fileId, `${prefix}${name}/`);
        } else seen.set(prefix + name, book.text(prefix + name));
      }
    };
    visit(worktree.rootId, "");
    return seen;
  }
}
