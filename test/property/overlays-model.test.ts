// Random operations of three users and of the base against a model as simple as can be: a map per layer.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Library } from "../../lib/library.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { BASE, parseUserId, type UserId } from "../../schema/ids.ts";
import { actorNamed, BOOK, BookFixture, PLAIN_RENAME } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";

const USERS = ["alice", "bob", "carol"].map(parseUserId);
const DIRECTORIES = ["d", "e", "f"];
const PATHS = [
  "a.md",
  "b.md",
  ...DIRECTORIES.flatMap((directory) => [`${directory}/a.md`, `${directory}/b.md`]),
];

type Step =
  | { readonly do: "write" | "remove"; readonly layer: UserId; readonly path: string; readonly text: string }
  | { readonly do: "rename"; readonly layer: UserId; readonly path: string; readonly to: string }
  | { readonly do: "makeDirectory" | "removeDirectory"; readonly layer: UserId; readonly path: string }
  | { readonly do: "renameDirectory"; readonly path: string; readonly to: string };

interface File {
  readonly id: number;
  readonly text: string;
}

interface Layer {
  readonly files: Map<string, File>;
  /** In an overlay: those that it does not share with the base. */
  readonly directories: Set<string>;
}

function directoryOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

class Model {
  readonly #base: Layer = { files: new Map(), directories: new Set([""]) };
  readonly #overlays = new Map<UserId, Layer>();
  #lastId = 0;

  constructor() {
    for (const user of USERS) this.#overlays.set(user, { files: new Map(), directories: new Set() });
  }

  view(layer: UserId): Map<string, string> {
    const seen = new Map<string, string>();
    for (const [path, { text }] of this.#visible(layer)) seen.set(path, text);
    return seen;
  }

  run(step: Step): string {
    if (step.do === "renameDirectory") return this.#renameDirectory(step.path, step.to);
    const own = this.#layer(step.layer);
    const present = this.#visible(step.layer).get(step.path);
    const sharedDirectory = (path: string): boolean =>
      step.layer !== BASE && !own.directories.has(path) && this.#base.directories.has(path);
    switch (step.do) {
      case "write": {
        if (!this.#hasDirectory(step.layer, directoryOf(step.path))) return "ENOENT";
        own.files.set(step.path, { id: present?.id ?? ++this.#lastId, text: step.text });
        return "ok";
      }
      case "remove": {
        if (present === undefined) return "ENOENT";
        if (step.layer !== BASE && !own.files.has(step.path)) return "EPERM";
        own.files.delete(step.path);
        return "ok";
      }
      case "makeDirectory":
        if (this.#hasDirectory(step.layer, step.path)) return "EEXIST";
        own.directories.add(step.path);
        return "ok";
      case "removeDirectory": {
        if (!this.#hasDirectory(step.layer, step.path)) return "ENOENT";
        if ([...this.#visible(step.layer).keys()].some((path) => directoryOf(path) === step.path))
          return "ENOTEMPTY";
        if (sharedDirectory(step.path)) return "EPERM";
        if (step.layer === BASE) this.#keepInOverlays(step.path);
        own.directories.delete(step.path);
        return "ok";
      }
      case "rename":
        return this.#rename(step.layer, step.path, step.to);
    }
  }

  #rename(layer: UserId, from: string, to: string): string {
    const own = this.#layer(layer);
    const file = this.#visible(layer).get(from);
    if (file === undefined || !this.#hasDirectory(layer, directoryOf(to))) return "ENOENT";
    if (from === to) return "ok";
    if (layer !== BASE) {
      if (this.#beneath(own, from) !== undefined) return "EPERM";
      own.files.delete(from);
      own.files.set(to, file);
      return "ok";
    }
    for (const overlay of this.#overlays.values()) {
      const mine = overlay.files.get(from);
      if (mine?.id !== file.id || overlay.files.has(to) || overlay.directories.has(directoryOf(to))) continue;
      overlay.files.delete(from);
      overlay.files.set(to, mine);
    }
    own.files.delete(from);
    own.files.set(to, file);
    return "ok";
  }

  #renameDirectory(from: string, to: string): string {
    const { files, directories } = this.#base;
    if (!directories.has(from)) return "ENOENT";
    if (from === to) return "ok";
    if (directories.has(to)) {
      if ([...files.keys()].some((path) => directoryOf(path) === to)) return "ENOTEMPTY";
      this.#keepInOverlays(to);
    }
    for (const overlay of this.#overlays.values()) {
      if (overlay.directories.has(from)) continue;
      const moved = [...overlay.files].filter(([path]) => directoryOf(path) === from);
      if (moved.length > 0 && overlay.directories.has(to)) overlay.directories.add(from);
      else this.#moveAll(overlay.files, from, to);
    }
    this.#moveAll(files, from, to);
    directories.delete(from);
    directories.add(to);
    return "ok";
  }

  #moveAll(files: Map<string, File>, from: string, to: string): void {
    for (const [path, file] of [...files]) {
      if (directoryOf(path) !== from) continue;
      files.delete(path);
      files.set(to + path.slice(from.length), file);
    }
  }

  /** The base's directory goes: whoever has added something keeps it. */
  #keepInOverlays(directory: string): void {
    for (const overlay of this.#overlays.values()) {
      if ([...overlay.files.keys()].some((path) => directoryOf(path) === directory))
        overlay.directories.add(directory);
    }
  }

  #layer(layer: UserId): Layer {
    return layer === BASE ? this.#base : (this.#overlays.get(layer) as Layer);
  }

  #hasDirectory(layer: UserId, directory: string): boolean {
    return this.#base.directories.has(directory) || this.#layer(layer).directories.has(directory);
  }

  #beneath(overlay: Layer, path: string): File | undefined {
    if (overlay.directories.has(directoryOf(path))) return undefined;
    const file = this.#base.files.get(path);
    const elsewhere = [...overlay.files].some(([at, { id }]) => id === file?.id && at !== path);
    return elsewhere ? undefined : file;
  }

  #visible(layer: UserId): Map<string, File> {
    const own = this.#layer(layer);
    if (layer === BASE) return new Map(own.files);
    const seen = new Map(own.files);
    for (const path of this.#base.files.keys()) {
      const file = seen.has(path) ? undefined : this.#beneath(own, path);
      if (file !== undefined) seen.set(path, file);
    }
    return seen;
  }
}

/** A layer of the real thing, by paths. */
class Real {
  readonly #worktrees = new Map<UserId, BookFixture>();
  readonly library: Library;

  constructor(book: BookFixture) {
    this.library = book.library;
    for (const layer of [BASE, ...USERS]) {
      const fixture = Object.create(book) as BookFixture;
      fixture.worktree = book.library.worktree(BOOK, layer);
      this.#worktrees.set(layer, fixture);
    }
  }

  of(layer: UserId): BookFixture {
    return this.#worktrees.get(layer) as BookFixture;
  }

  run(step: Step): string {
    const layer = step.do === "renameDirectory" ? BASE : step.layer;
    const book = this.of(layer);
    const actor = actorNamed(layer === BASE ? "writer" : layer, { mount: layer });
    try {
      switch (step.do) {
        case "write":
          book.write(step.path, step.text, actor);
          break;
        case "remove":
          book.unlink(step.path, actor);
          break;
        case "makeDirectory":
          book.makeDirectory(step.path, actor);
          break;
        case "removeDirectory":
          book.removeDirectory(step.path, actor);
          break;
        default:
          book.rename(step.path, step.to, PLAIN_RENAME, actor);
      }
      return "ok";
    } catch (error) {
      if (error instanceof PosixError) return error.code;
      if (error instanceof PfsError) return error.code === "NOT_PERMITTED" ? "EPERM" : error.code;
      if (error instanceof Error && error.message.startsWith("the test has no directory")) return "ENOENT";
      throw error;
    }
  }

  view(layer: UserId): Map<string, string> {
    const book = this.of(layer);
    const { worktree } = book;
    const seen = new Map<string, string>();
    const visit = (directory: Parameters<Worktree["list"]>[0], prefix: string): void =>
      worktree.list(directory, 0, (name, node) => {
        assert.deepEqual(
          worktree.lookup(directory, name),
          node,
          `${layer}: ${prefix}${name} is looked up as it is listed`,
        );
        if (node.hash === undefined) visit(node.fileId, `${prefix}${name}/`);
        else seen.set(prefix + name, book.text(prefix + name));
        return true;
      });
    visit(worktree.rootId, "");
    return seen;
  }

  settle(): void {
    for (const book of this.#worktrees.values()) book.settle();
  }
}

const layer = fc.constantFrom(BASE, BASE, ...USERS);
const path = fc.constantFrom(...PATHS);
const directory = fc.constantFrom(...DIRECTORIES);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      layer,
      path,
      text: fc.stringMatching(/^[a-z]{1,6}$/),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("remove" as const), layer, path, text: fc.constant("") }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("rename" as const), layer, path, to: path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("makeDirectory" as const), layer, path: directory }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("removeDirectory" as const), layer, path: directory }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("renameDirectory" as const), path: directory, to: directory }),
  },
);

function check(steps: readonly Step[]): void {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const book = new BookFixture(folder, {});
    try {
      const real = new Real(book);
      const model = new Model();
      for (const [index, one] of steps.entries()) {
        const outcome = real.run(one);
        assert.equal(outcome, model.run(one), `step ${index}: ${JSON.stringify(one)}`);
        real.settle();
      }
      for (const user of [BASE, ...USERS])
        assert.deepEqual([...real.view(user)].sort(), [...model.view(user)].sort(), `R5: what ${user} sees`);
      assertSound(book.library);
      assertAtRest(book.library);
    } finally {
      book.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("R5, R6: what three users see and what the base holds is as in a model of one map per layer", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40, size: "max" }), (steps) => check(steps)),
    { numRuns: 150 },
  );
});
