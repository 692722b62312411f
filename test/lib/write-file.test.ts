// `pfs write` in the book: the next version of a path, on the version that a script names; what is refused is kept.

import assert from "node:assert/strict";
import { createHash, randomBytes, hash as sha256 } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { discardStaged, stageStream } from "../../lib/staging.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import type { WriteWishes, WrittenFile } from "../../lib/worktree/write-file.ts";
import { type ErrorCode, PfsError } from "../../schema/errors.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import {
  ALICE,
  actorNamed,
  BOOK,
  BookFixture,
  type BookOptions,
  contentOf,
  withBook,
} from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const SCRIPT = actorNamed("script");
const LIMIT_BYTES = 1 << 30;

function hashOf(bytes: string | Uint8Array): BlobHash {
  return sha256("sha256", bytes, "hex") as BlobHash;
}

function put(worktree: Worktree, path: string, text: string, wishes: WriteWishes = {}): WrittenFile {
  const bytes = new Uint8Array(Buffer.from(text));
  const file = { path, hash: hashOf(bytes), sizeBytes: bytes.byteLength, content: { bytes } };
  return worktree.write(file, wishes, SCRIPT);
}

function refused(code: ErrorCode, body: () => void): PfsError {
  let thrown: unknown;
  try {
    body();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof PfsError && thrown.code === code, `${thrown}`);
  return thrown;
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function withBookAsync(
  use: (book: BookFixture) => Promise<void>,
  options: BookOptions = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const book = new BookFixture(directory, options);
  try {
    await use(book);
  } finally {
    book.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function draftsOf(book: BookFixture): string[] {
  return readdirSync(join(book.library.store.directory, "drafts"));
}

test("FR-005: a write says created, updated or unchanged; directories come with it; the executable bit stays or is set", () => {
  withBook((book) => {
    const { worktree } = book;
    const [one, two] = [hashOf("one"), hashOf("two")];
    assert.deepEqual(put(worktree, "d/e/a.md", "one"), {
      path: "d/e/a.md",
      outcome: "created",
      hash: one,
      prev_hash: null,
    });
    const { fileId, mtimeSeconds, mtimeNanoseconds } = book.node("d/e/a.md");
    assert.deepEqual(put(worktree, "d/e/a.md", "one").outcome, "unchanged");
    assert.deepEqual(
      [book.node("d/e/a.md").mtimeSeconds, book.node("d/e/a.md").mtimeNanoseconds],
      [mtimeSeconds, mtimeNanoseconds],
    );
    assert.deepEqual(put(worktree, "d/e/a.md", "two"), {
      path: "d/e/a.md",
      outcome: "updated",
      hash: two,
      prev_hash: one,
    });
    assert.equal(book.node("d/e/a.md").fileId, fileId);
    assert.equal(put(worktree, "d/e/a.md", "two", { executable: true }).outcome, "updated");
    assert.equal(put(worktree, "d/e/a.md", "three").outcome, "updated");
    assert.equal(book.node("d/e/a.md").mode & 0o777, 0o755, "as it is");
    assert.deepEqual(
      book.log().map(({ operation, agent_id }) => [operation, agent_id]),
      ["create", "update", "attributes", "update"].map((operation) => [operation, "script"]),
    );
    assertSound(book.library);
  });
});

test("FR-003: the expected version is replaced; another one is refused with the current hash, and the bytes are kept", () => {
  withBook((book) => {
    const { worktree } = book;
    const first = put(worktree, "a.md", "one\n").hash;
    const second = put(worktree, "a.md", "two\n", { expect: first }).hash;
    const error = refused("CONFLICT", () => put(worktree, "a.md", "mine\n", { expect: first }));
    assert.match(error.message, new RegExp(`^a\\.md .* its hash is ${second} \\(conflict 1\\)\\.$`));
    assert.deepEqual(error.hashes, { seen: first, current: second });
    assert.equal(book.text("a.md"), "two\n");
    const conflict = worktree.conflicts.get(1);
    assert.deepEqual(
      [conflict?.path, conflict?.base, conflict?.mine, conflict?.theirs, conflict?.agent],
      ["a.md", first, hashOf("mine\n"), second, "script"],
    );
    refused("CONFLICT", () => put(worktree, "a.md", "mine\n", { expect: first }));
    assert.deepEqual([...worktree.conflicts.ids(0)], [1], "tried again, it is kept once");
    const same = refused("CONFLICT", () => put(worktree, "a.md", "two\n", { expect: first }));
    assert.doesNotMatch(same.message, /conflict/, "nothing would be lost");
    const never = hashOf("never a version of it");
    refused("CONFLICT", () => put(worktree, "a.md", "again\n", { expect: never }));
    assert.equal(worktree.conflicts.get(2)?.base, null);
    worktree.resolveConflict(1, "mine", ALICE);
    assert.equal(book.text("a.md"), "mine\n");
    assertSound(book.library);
  });
});

test("expecting a version of what is not there is NOT_FOUND, expecting nothing where there is a file CONFLICT", () => {
  withBook((book) => {
    const { worktree } = book;
    const first = put(worktree, "a.md", "one", { expect: null });
    assert.equal(first.outcome, "created");
    refused("CONFLICT", () => put(worktree, "a.md", "two", { expect: null }));
    const error = refused("NOT_FOUND", () => put(worktree, "b.md", "two", { expect: first.hash }));
    assert.deepEqual(error.hashes, { seen: first.hash, current: null });
    assert.equal(book.find("b.md"), undefined);
    // Also what was removed just now.
    book.unlink("a.md");
    refused("NOT_FOUND", () => put(worktree, "a.md", "two", { expect: first.hash }));
    assert.deepEqual(put(worktree, "a.md", "two", { expect: null }).prev_hash, null);
    assert.deepEqual(
      book.log().map(({ operation, status }) => `${operation} ${status}`),
      ["create ok", "create refused", "update refused", "delete ok", "update refused", "create ok"],
    );
    assertSound(book.library);
  });
});

test("R1: paths that the schema refuses, and places of directories and links, are not written", () => {
  withBook((book) => {
    const { worktree } = book;
    book.makeDirectories("d");
    book.symlink("d", "link");
    refused("EXISTS", () => put(worktree, "d", "x"));
    refused("EXISTS", () => put(worktree, "link", "x"));
    refused("INVALID_PATH", () => put(worktree, "../a.md", "x"));
    refused("SCHEMA_VIOLATION", () => put(worktree, ".pfs/a.md", "x"));
    refused("SCHEMA_VIOLATION", () => put(worktree, ".a.md.swp", "x"));
    refused("EXISTS", () => put(worktree, "link/a.md", "x"));
    assert.deepEqual(
      book.log().filter(({ status, operation }) => status === "ok" && operation !== "create"),
      [],
    );
  });
});

test("R5: a write in a user's overlay replaces what the user sees, and the base stays", () => {
  withBook((book) => {
    const overlay = book.library.worktree(BOOK, parseUserId("bob"));
    const base = put(book.worktree, "d/a.md", "base").hash;
    refused("CONFLICT", () => put(overlay, "d/a.md", "mine", { expect: null }));
    const written = put(overlay, "d/a.md", "mine", { expect: base });
    assert.deepEqual([written.outcome, written.prev_hash], ["updated", base]);
    assert.equal(book.text("d/a.md"), "base");
    refused("CONFLICT", () => put(overlay, "d/a.md", "more", { expect: base }));
    refused("EXISTS", () => put(overlay, "d", "a directory of the base"));
    assert.equal(put(overlay, "d/b.md", "new").outcome, "created");
    assert.equal(book.find("d/b.md"), undefined);
    assertSound(book.library);
  });
});

test("who has the file open and has written nothing sees the new version; a draft conflicts at its save (W1)", () => {
  withBook((book) => {
    put(book.worktree, "a.md", "one");
    const [reader, writer] = [book.open("a.md"), book.open("a.md")];
    put(book.worktree, "a.md", "two");
    assert.equal(contentOf(reader).toString(), "two");
    writer.write(0, Buffer.from("draft"), ALICE);
    put(book.worktree, "a.md", "three");
    refused("CONFLICT", () => writer.commit(ALICE, { durable: false }));
    reader.release(ALICE);
    writer.release(ALICE);
    assert.equal(book.text("a.md"), "three");
  });
});

test("B1: a stream is hashed as it comes: small ones stay in memory, large ones become the blob; nothing is left in drafts/", async () => {
  await withBookAsync(async (book) => {
    const { worktree } = book;
    const storeDirectory = book.library.store.directory;
    for (const size of [0, 1, 128 * 1024, 128 * 1024 + 1, 3_000_000]) {
      const bytes = randomBytes(size);
      const staged = await stageStream(pieces(bytes, 50_000), { storeDirectory, limitBytes: LIMIT_BYTES });
      assert.equal(staged.hash, createHash("sha256").update(bytes).digest("hex"));
      assert.equal("stagedPath" in staged.content, size > 128 * 1024);
      worktree.write({ path: `${size}.bin`, ...staged }, {}, SCRIPT);
      assert.ok(book.bytes(`${size}.bin`).equals(bytes));
      const again = await stageStream(pieces(bytes, 999), { storeDirectory, limitBytes: LIMIT_BYTES });
      assert.equal(worktree.write({ path: `${size}.bin`, ...again }, {}, SCRIPT).outcome, "unchanged");
      const refusedBytes = await stageStream(pieces(Buffer.concat([bytes, bytes, Buffer.of(1)]), 70_000), {
        storeDirectory,
        limitBytes: LIMIT_BYTES,
      });
      const file = { path: `${size}.bin`, ...refusedBytes };
      const error = refused("CONFLICT", () => worktree.write(file, { expect: null }, SCRIPT));
      assert.match(error.message, /\(conflict \d\)/);
    }
    assert.deepEqual(draftsOf(book), []);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a stream that breaks off, or is over the limit, leaves no version and nothing staged", async () => {
  const fileSizeLimitBytes = 300_000;
  await withBookAsync(
    async (book) => {
      const storeDirectory = book.library.store.directory;
      async function* broken(): AsyncGenerator<Uint8Array, void> {
        yield randomBytes(200_000);
        throw new Error("the client went away");
      }
      const options = { storeDirectory, limitBytes: fileSizeLimitBytes };
      await assert.rejects(stageStream(broken(), options), /went away/);
      assert.deepEqual(draftsOf(book), []);
      const staged = await stageStream(pieces(randomBytes(900_000), 70_000), options);
      assert.equal(staged.sizeBytes, fileSizeLimitBytes + 1, "no more than that is read");
      refused("TOO_LARGE", () => book.worktree.write({ path: "a.bin", ...staged }, {}, SCRIPT));
      assert.equal(book.find("a.bin"), undefined);
      assert.deepEqual(draftsOf(book), []);
      assert.deepEqual(
        book.log().map(({ path, status }) => `${path} ${status}`),
        ["a.bin refused"],
      );
      await discardStaged(await stageStream(pieces(randomBytes(200_000), 70_000), options));
      assert.deepEqual(draftsOf(book), []);
    },
    { fileSizeLimitBytes },
  );
});
