// Archives: the same files as an export, the same bytes for the same state, of one state, nobody else's, and never silently less.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { findArchive } from "../../lib/archive/archive-request.ts";
import { ArchiveView } from "../../lib/archive/archive-view.ts";
import { BookArchive } from "../../lib/archive/book-archive.ts";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import { exportBook } from "../../lib/export.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { parseUserId, type Seq } from "../../schema/ids.ts";
import { formatResumeToken, parseResumeToken } from "../../schema/resume-token.ts";
import { archiveOf, collect, contentsOf, listZip, unzip } from "./archive-samples.ts";
import { alice, BOOK, move, placeOf, remove, save, type TestStore, tamper, withStore } from "./test-store.ts";
import "../property-seed.ts";

const ULLA = parseUserId("ulla");
const BERT = parseUserId("bert");
const PROMISED = ["README.md", "content/01-Part/README.md", "content/01-Part/01-a.md", "static/img/a.png"];

function fill({ worktree }: Pick<TestStore, "worktree">): void {
  for (const path of PROMISED) save(worktree, path, `the bytes of ${path}\r\n`.repeat(20));
}

function json(folder: string, archive: { bytes: Buffer }, name: string): Record<string, unknown> {
  return JSON.parse(
    Buffer.from(contentsOf(unzip(folder, archive)).get(name)?.split(" ")[2] ?? "", "base64").toString(),
  );
}

/** Some bytes of which each kind takes another way: empty, small, larger than a row of the database, than a piece. */
const bytes = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 50 }).map((small) => Buffer.from(small)) },
  fc
    .constantFrom(0, 1, INLINE_MAX_BYTES, INLINE_MAX_BYTES + 1, 1 << 20, (1 << 20) + 1, 3 << 20)
    .chain((length) =>
      fc
        .boolean()
        .map((isRandom) => (isRandom ? randomBytes(length) : Buffer.alloc(length, "a line of text\n"))),
    ),
);
const file = fc.record({
  path: fc.constantFrom(
    "a.md",
    "b.bin",
    "é/ü.md",
    "é/x.png",
    "content/1/2/3.md",
    "static/img/a.jpg",
    "static.md",
    "z",
  ),
  bytes,
  isExecutable: fc.boolean(),
  isLink: fc.boolean(),
  mtime: fc.record({
    // Of others unzip knows only what DOS would.
    seconds: fc.integer({ min: Date.UTC(1980, 0, 2) / 1000, max: 2 ** 31 - 1 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  }),
});

test("FR-011: what unzip makes of an archive is what an export makes of the book: bytes, executable bits, links, times", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(file, { minLength: 1, selector: ({ path }) => path }), async (files) => {
      await withStore("any", async (store) => {
        const { worktree, folder, reader } = store;
        for (const { path, bytes: content, isExecutable, isLink, mtime } of files) {
          const { parent, name } = placeOf(worktree, path);
          const { fileId } = isLink
            ? worktree.makeSymlink(parent, name, Buffer.from("../target"), alice)
            : save(worktree, path, content);
          worktree.setAttributes(
            fileId,
            isLink ? { mtime } : { mode: isExecutable ? 0o755 : 0o644, mtime },
            alice,
          );
        }
        await exportBook(reader, BOOK, join(folder, "exported"));
        const archive = await archiveOf(store);
        assert.deepEqual(contentsOf(unzip(folder, archive)), contentsOf(join(folder, "exported")));
        assert.deepEqual(archive.outcome.errors, []);
        assert.equal(archive.outcome.files, files.length);
        // The same state, the same bytes.
        assert.ok((await archiveOf(store)).bytes.equals(archive.bytes));
      });
    }),
    { numRuns: 25 },
  );
});

test("FR-011: READMEs and files at the root are in an archive, which is never empty where the book is not", async () => {
  await withStore("any", async (store) => {
    assert.throws(() => findArchive(store.reader, { bookId: BOOK }), {
      code: "NOT_FOUND",
      message: /nothing to archive/,
    });
    fill(store);
    assert.deepEqual(listZip(store.folder, await archiveOf(store)), [...PROMISED].sort());
  });
});

test("FR-012: scopes: assets are what is below static/, content is all else, and the two together are the book", async () => {
  await withStore("any", async (store) => {
    fill(store);
    const assets = listZip(store.folder, await archiveOf(store, { scope: "assets" }));
    const content = listZip(store.folder, await archiveOf(store, { scope: "content" }));
    assert.deepEqual(assets, ["static/img/a.png"]);
    assert.deepEqual([...content, ...assets].sort(), [...PROMISED].sort());
    const nameOf = (scope: "all" | "assets"): string =>
      findArchive(store.reader, { bookId: BOOK, scope }).fileName;
    assert.match(nameOf("all"), /^my-book-[0-9a-f]{12}\.zip$/);
    assert.equal(nameOf("assets"), nameOf("all").replace(".zip", "-assets.zip"));
    save(store.worktree, "README.md", "other");
    remove(store.worktree, "static/img/a.png");
    assert.throws(() => findArchive(store.reader, { bookId: BOOK, scope: "assets" }), { code: "NOT_FOUND" });
  });
});

test("FR-011: what is saved, moved and removed while an archive is made does not show in it", async () => {
  await withStore("any", async (store) => {
    for (let number = 0; number < 40; number++) save(store.worktree, `${number}.bin`, randomBytes(90_000));
    const before = await archiveOf(store);
    const view = ArchiveView.open(store.reader, { bookId: BOOK, scope: "all" });
    const pieces: Buffer[] = [];
    let changes = 0;
    for await (const piece of new BookArchive(store.reader, view).bytes()) {
      pieces.push(Buffer.from(piece));
      if (changes === 20) continue;
      save(store.worktree, `${changes}.bin`, "later");
      save(store.worktree, `${changes}-new.bin`, "later");
      move(store.worktree, `${20 + changes}.bin`, `${20 + changes}-moved.bin`);
      remove(store.worktree, `${39 - (changes % 19)}.bin`.replace("39", "0"));
      changes++;
      if (changes === 5) changes = 20;
    }
    assert.ok(changes === 20 && Buffer.concat(pieces).equals(before.bytes));
    assert.ok((await archiveOf(store, { seq: view.seq })).bytes.equals(before.bytes));
    assert.ok(!(await archiveOf(store)).bytes.equals(before.bytes));
  });
});

test("FR-015, R5: an archive of what a user sees has that user's files and the base's, never another's", async () => {
  await withStore("any", async (store) => {
    fill(store);
    const ulla = store.library.worktree(BOOK, ULLA);
    const hides = { ...alice, hidesBase: true };
    save(ulla, "README.md", "ulla's");
    save(ulla, "content/ulla.md", "ulla's own");
    save(store.library.worktree(BOOK, BERT), "README.md", "bert's secret");
    save(store.library.worktree(BOOK, BERT), "bert.md", "bert's secret");
    const { parent, name } = placeOf(ulla, "content/01-Part/01-a.md");
    ulla.unlink(parent, name, hides);
    ulla.settle(0);
    const archive = await archiveOf(store, { userId: ULLA });
    const files = contentsOf(unzip(store.folder, archive));
    const text = (path: string) => Buffer.from(files.get(path)?.split(" ")[2] ?? "", "base64").toString();
    assert.deepEqual(
      [...files.keys()],
      ["README.md", "content/01-Part/README.md", "content/ulla.md", "static/img/a.png"],
    );
    assert.deepEqual([text("README.md"), text("content/ulla.md")], ["ulla's", "ulla's own"]);
    const base = await archiveOf(store);
    for (const { bytes: all } of [archive, base]) assert.ok(!all.includes("secret") && !all.includes("bert"));
    assert.deepEqual(listZip(store.folder, base), [...PROMISED].sort());
    const seq = store.reader.head().seq as Seq;
    save(ulla, "README.md", "ulla's next");
    assert.ok((await archiveOf(store, { userId: ULLA, seq })).bytes.equals(archive.bytes), "as it was");
  });
});

const NAMES = ["a.md", "d/a.md", "d/b.md", "d/e/c.md", "f/a.md"];
const step = fc.record({
  who: fc.constantFrom("base", "ulla"),
  what: fc.constantFrom("write", "write", "remove", "move", "removeDirectory", "moveDirectory"),
  path: fc.constantFrom(...NAMES),
  to: fc.constantFrom(...NAMES),
});

/** What one layer shows. */
function walk(worktree: Worktree, directory = worktree.rootId, prefix = ""): string[] {
  const found: string[] = [];
  worktree.list(directory, 0, (name, node) => {
    if (node.tracked) found.push(`${prefix}${name} ${node.hash}`);
    else if ((node.mode & 0o170000) === 0o040000)
      found.push(...walk(worktree, node.fileId, `${prefix}${name}/`));
    return true;
  });
  return prefix === "" ? found.sort() : found;
}

test("R5: whatever base and user do, the user's archive holds what the user's mount shows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await withStore("any", ({ library, reader, worktree }) => {
        const layers = { base: worktree, ulla: library.worktree(BOOK, ULLA) };
        for (const path of NAMES) save(worktree, path, path);
        for (const { who, what, path, to } of steps) {
          const layer = layers[who as "base" | "ulla"];
          const actor = { ...alice, hidesBase: true };
          const flags = { noReplace: false, exchange: false };
          const parentOf = (each: string): string => each.slice(0, Math.max(each.lastIndexOf("/"), 1));
          try {
            const file = placeOf(layer, path);
            const folder = placeOf(layer, parentOf(path));
            if (what === "write") save(layer, path, `${who} ${to}`, actor);
            else if (what === "remove") layer.unlink(file.parent, file.name, actor);
            else if (what === "move") layer.rename(file, placeOf(layer, to), flags, actor);
            else if (what === "removeDirectory") layer.removeDirectory(folder.parent, folder.name, actor);
            else layer.rename(folder, placeOf(layer, `${parentOf(to)}-moved`), flags, actor);
          } catch (error) {
            // What a mount would refuse.
            if (typeof (error as { errno?: unknown }).errno !== "number") throw error;
          }
          for (const each of Object.values(layers)) each.settle(0);
        }
        for (const [userId, layer] of [
          [undefined, layers.base],
          [ULLA, layers.ulla],
        ] as const) {
          const view = ArchiveView.open(reader, { bookId: BOOK, userId, scope: "all" });
          const files = [...view.files()].map(({ path, sha256 }) => `${path} ${sha256}`);
          assert.deepEqual(files.toSorted(), walk(layer));
          const paths = [...view.files()].map(({ path }) => Buffer.from(path));
          assert.deepEqual(paths, paths.toSorted(Buffer.compare));
        }
      });
    }),
    { numRuns: 60 },
  );
});

test("FR-014: files whose bytes are damaged or missing do not stop an archive: ERRORS.json names them", async () => {
  await withStore("any", async (store) => {
    fill(store);
    save(store.worktree, "ERRORS.json", "the book's own");
    const large = Buffer.alloc(3 << 20, "large text\n");
    const hashes = ["lost.md", "wrong.md", "wrong.png", "row.md"].map((path, at) => {
      const content =
        path === "row.md" ? Buffer.from("a small one") : Buffer.concat([large, Buffer.from([at])]);
      return [path, String(save(store.worktree, path, content).hash)] as const;
    });
    const objectOf = (path: string): string => {
      const hash = new Map(hashes).get(path) as string;
      return join(store.directory, "objects", hash.slice(0, 2), hash);
    };
    rmSync(objectOf("lost.md"));
    for (const path of ["wrong.md", "wrong.png"])
      writeFileSync(objectOf(path), Buffer.alloc(large.length + 1, "x"));
    tamper(store, `UPDATE blob SET data = x'00' WHERE sha256 = '${new Map(hashes).get("row.md")}'`);
    const archive = await archiveOf(store);
    const paths = ["lost.md", "row.md", "wrong.md", "wrong.png"];
    assert.deepEqual(
      archive.outcome.errors.map(({ path, code }) => [path, code]),
      paths.map((path) => [path, "CORRUPT"]),
    );
    assert.deepEqual(
      listZip(store.folder, archive).sort(),
      ["ERRORS.json", ...PROMISED, "pfs-ERRORS.json"].sort(),
    );
    const { errors } = json(store.folder, archive, "pfs-ERRORS.json") as {
      errors: { path: string; sha256: string }[];
    };
    assert.deepEqual(
      errors.map(({ path, sha256 }) => [path, sha256]),
      hashes.toSorted(),
    );
    assert.ok(!archive.bytes.includes("xxxxxxxx"));
  });
});

test("FR-013: an archive that is broken off says so in itself; its token yields the rest, of the same state, everything once", async () => {
  await withStore("any", async (store) => {
    fill(store);
    for (let number = 0; number < 12; number++) save(store.worktree, `content/${number}.md`, `${number}`);
    const whole = await archiveOf(store);
    const found: string[] = [];
    let token: string | undefined;
    for (let part = 1; part === 1 || token !== undefined; part++) {
      const asked = findArchive(store.reader, { bookId: BOOK, resume: token });
      assert.equal(asked.part, part);
      assert.equal(asked.survey.files, 16 - found.length);
      // Time is up at once: one file a part, but for the last, which has them all.
      const deadlineMs = part < 4 ? 0 : Number.POSITIVE_INFINITY;
      const archive = await collect(
        new BookArchive(store.reader, asked.view, { after: asked.after, part, deadlineMs }),
      );
      const files = listZip(store.folder, archive);
      token = archive.outcome.resume;
      if (token !== undefined) {
        const note = part === 1 ? "PARTIAL.json" : `PARTIAL-${part}.json`;
        assert.equal(files.pop(), note);
        const said = json(store.folder, archive, note);
        assert.deepEqual([said.resume, said.part, said.until, said.files], [token, part, files.at(-1), 1]);
        assert.match(asked.fileName, part === 1 ? /^my-book-[0-9a-f]{12}\.zip$/ : /-part[23]\.zip$/);
      }
      found.push(...files);
      save(store.worktree, `content/${part}.md`, "changed meanwhile");
      save(store.worktree, `a-${part}.md`, "new meanwhile");
    }
    assert.deepEqual(found, listZip(store.folder, whole));
  });
});

test("FR-013: a token is of its book and its view only", async () => {
  await withStore("any", async (store) => {
    fill(store);
    save(store.library.worktree(BOOK, ULLA), "README.md", "ulla's");
    const first = await archiveOf(store, { userId: ULLA }, { deadlineMs: 0 });
    const resume = String(first.outcome.resume);
    const point = parseResumeToken(resume);
    const findIt = (token: string) => () => findArchive(store.reader, { bookId: BOOK, resume: token });
    // A change of the base, of which the user's view has the old state.
    save(store.worktree, "static/img/a.png", "changed meanwhile");
    const { view, after, part } = findIt(resume)();
    const rest = await collect(new BookArchive(store.reader, view, { after, part }));
    assert.deepEqual(listZip(store.folder, rest), [...PROMISED].sort().slice(1));
    assert.ok(
      !contentsOf(unzip(store.folder, rest))
        .get("static/img/a.png")
        ?.includes(Buffer.from("changed").toString("base64").slice(0, 8)),
    );
    save(store.library.worktree(BOOK, ULLA), "README.md", "ulla's again");
    assert.throws(findIt(resume), { code: "CONFLICT" });
    assert.throws(findIt("nonsense"), { code: "USAGE" });
    assert.throws(findIt(resume.slice(0, -10)), { code: "USAGE" });
    assert.throws(findIt(formatResumeToken({ ...point, after: "../x" })), { code: "USAGE" });
    assert.throws(findIt(formatResumeToken({ ...point, seq: 10_000 as Seq })), { code: "NOT_FOUND" });
    assert.throws(() => findArchive(store.reader, { bookId: BOOK, resume, scope: "all" }), { code: "USAGE" });
  });
});

test("FR-011: who stops reading an archive in its middle leaves nothing running", async () => {
  await withStore("any", async (store) => {
    for (const name of ["a.md", "b.png", "c.md"]) save(store.worktree, name, randomBytes(6 << 20));
    const view = ArchiveView.open(store.reader, { bookId: BOOK, scope: "all" });
    for (const stopAt of [1, 5, 30]) {
      let pieces = 0;
      for await (const _ of new BookArchive(store.reader, view).bytes()) if (++pieces === stopAt) break;
      assert.equal(pieces, stopAt);
    }
    const aborting = new AbortController();
    const archive = new BookArchive(store.reader, view, { signal: aborting.signal });
    await assert.rejects(
      async () => {
        for await (const _ of archive.bytes()) aborting.abort();
      },
      { name: "AbortError" },
    );
  });
});
