// What every implementation of RemoteBlobs must do. Must never know which one it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type PutOutcome, type RemoteBlobs, SEGMENT_MAX_BYTES } from "../../lib/remote/remote-blobs.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { PfsError } from "../../schema/errors.ts";
import { bytesOf, collect, hashOf, sourceOf } from "./sources.ts";

/** A remote that is new for each test. */
export interface SuiteRemote {
  /** Opens it, once for each process that there might be. */
  open(): Promise<RemoteBlobs>;
  remove(): Promise<void>;
}

/** Names as files may have them, which are read otherwise in one place or another. */
const ODD_NAMES = [
  "a.md",
  "a/b.md",
  "a b  c.md",
  "a+b%20c.md",
  "a%2Fb.md",
  "ends with a blank ",
  "dots...",
  "q?x=1&y=<2>#frag.md",
  "quotes'\"`.md",
  "back\\slash.md",
  "Größe-日本語-🎈.md",
  "u\u0308ber-nfd.md",
  "!*()[]{}$@=:;,~^|.md",
].map((name) => `my-book/content/${name}`);

function isRemoteError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RemoteError && error.code === code && /\.$/.test(error.message);
}

function sortBytewise(names: readonly string[]): string[] {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

interface SuiteOptions {
  /** What was stored may be found present when it is tried again. */
  readonly losesAnswers?: boolean;
}

export function testBlobs(
  title: string,
  makeRemote: () => Promise<SuiteRemote>,
  { losesAnswers = false }: SuiteOptions = {},
): void {
  const assertStored = (outcome: PutOutcome) =>
    assert.ok(outcome === "stored" || (losesAnswers && outcome === "present"), outcome);

  const it = (name: string, work: (blobs: RemoteBlobs, remote: SuiteRemote) => Promise<void>) =>
    test(`${title}: ${name}`, async () => {
      const remote = await makeRemote();
      try {
        const blobs = await remote.open();
        try {
          await work(blobs, remote);
        } finally {
          await blobs.close();
        }
      } finally {
        await remote.remove();
      }
    });

  const publishText = async (blobs: RemoteBlobs, name: string, text: string): Promise<void> => {
    const source = sourceOf(text);
    await blobs.put(source);
    await blobs.publish({ name, hash: source.hash, sizeBytes: source.sizeBytes });
  };

  const namesIn = async (blobs: RemoteBlobs, prefix: string, after?: string): Promise<string[]> =>
    (await Array.fromAsync(blobs.listPublished(prefix, after))).flat().map(({ name }) => name);

  it("R2: bytes come back as they were put, whatever their number", async (blobs) => {
    for (const sizeBytes of [0, 1, 15_000, 1024 * 1024, 1024 * 1024 + 1]) {
      const bytes = bytesOf(sizeBytes);
      const source = sourceOf(bytes);
      assert.equal(await blobs.has(source.hash), false);
      assertStored(await blobs.put(source));
      assert.equal(await blobs.has(source.hash), true);
      assert.ok((await collect(blobs.get(source.hash))).equals(bytes), `${sizeBytes}`);
    }
  });

  it("a blob is read from any byte on", async (blobs) => {
    const bytes = bytesOf(200_000);
    const { hash } = sourceOf(bytes);
    await blobs.put(sourceOf(bytes));
    for (const start of [1, 65_536, 199_999, 200_000])
      assert.ok((await collect(blobs.get(hash, start))).equals(bytes.subarray(start)), `from ${start}`);
  });

  it("O1: what is there is not stored again", async (blobs) => {
    for (const content of ["small", bytesOf(1_100_000)]) {
      assertStored(await blobs.put(sourceOf(content)));
      assert.equal(await blobs.put(sourceOf(content)), "present");
    }
  });

  it("many who store the same blob at once do no harm", async (blobs, remote) => {
    const others = await Promise.all([remote.open(), remote.open()]);
    try {
      for (const content of ["the same lesson", bytesOf(1_100_000)]) {
        const source = sourceOf(content);
        const puts = [blobs, ...others].flatMap((each) => [each, each, each]).map((each) => each.put(source));
        const outcomes = await Promise.all(puts);
        if (!losesAnswers) assert.ok(outcomes.includes("stored"));
        assert.ok((await collect(blobs.get(source.hash))).equals(Buffer.from(content)));
      }
      assert.equal((await Array.fromAsync(blobs.list())).flat().length, 2);
    } finally {
      await Promise.all(others.map((each) => each.close()));
    }
  });

  it("R2: bytes that are not those of their hash are refused, and nothing is stored", async (blobs) => {
    for (const bytes of [Buffer.from("right"), bytesOf(1_100_000)]) {
      const wrong = { ...sourceOf(bytes), hash: hashOf(Buffer.from("other")) };
      await assert.rejects(blobs.put(wrong), isRemoteError("CORRUPT"));
      const longer = { ...sourceOf(bytes), sizeBytes: bytes.byteLength + 1 };
      await assert.rejects(blobs.put(longer), isRemoteError("CORRUPT"));
    }
    assert.deepEqual(await Array.fromAsync(blobs.list()), []);
  });

  it("a source that fails ends the put as it failed, and leaves nothing", async (blobs) => {
    const failure = new PfsError("CORRUPT", "The file cannot be read.");
    for (const sizeBytes of [1000, 1_100_000]) {
      const { hash } = sourceOf(bytesOf(sizeBytes));
      const read = async function* () {
        yield bytesOf(10);
        throw failure;
      };
      await assert.rejects(blobs.put({ hash, sizeBytes, read }), failure);
      assert.equal(await blobs.has(hash), false);
    }
    assertStored(await blobs.put(sourceOf("something else")));
  });

  it("NOT_FOUND: a blob that was never stored", async (blobs) => {
    const hash = hashOf(Buffer.from("nobody's"));
    await assert.rejects(collect(blobs.get(hash)), isRemoteError("NOT_FOUND"));
    const publishing = blobs.publish({ name: "my-book/content/a.md", hash, sizeBytes: 8 });
    await assert.rejects(publishing, isRemoteError("NOT_FOUND"));
    assert.equal(await blobs.findPublished("my-book/content/a.md"), undefined);
  });

  it("blobs are listed with their sizes, sorted, behind any of them", async (blobs) => {
    const sources = Array.from({ length: 12 }, (_, at) => sourceOf(`lesson ${at}`.repeat(at)));
    for (const source of sources) await blobs.put(source);
    sources.sort((a, b) => (a.hash < b.hash ? -1 : 1));
    const listed = (await Array.fromAsync(blobs.list())).flat();
    assert.deepEqual(
      listed.map(({ hash, sizeBytes }) => ({ hash, sizeBytes })),
      sources.map(({ hash, sizeBytes }) => ({ hash, sizeBytes })),
    );
    for (const { storedAt } of listed) assert.match(storedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    for (const [at, { hash }] of sources.entries()) {
      const rest = (await Array.fromAsync(blobs.list(hash))).flat();
      assert.deepEqual(rest, listed.slice(at + 1));
    }
  });

  it("R3: a blob is removed, once or twice", async (blobs) => {
    const source = sourceOf("to go");
    await blobs.put(source);
    await blobs.delete(source.hash);
    await blobs.delete(source.hash);
    assert.equal(await blobs.has(source.hash), false);
    assertStored(await blobs.put(source));
  });

  it("odd names are published, found, listed in bytewise order and taken away", async (blobs) => {
    for (const name of ODD_NAMES) await publishText(blobs, name, `text of ${name}`);
    for (const name of ODD_NAMES) {
      const bytes = Buffer.from(`text of ${name}`);
      assert.deepEqual(await blobs.findPublished(name), {
        name,
        sizeBytes: bytes.byteLength,
        hash: hashOf(bytes),
      });
    }
    const sorted = sortBytewise(ODD_NAMES);
    assert.deepEqual(await namesIn(blobs, "my-book/"), sorted);
    for (const [at, name] of sorted.entries())
      assert.deepEqual(await namesIn(blobs, "my-book/", name), sorted.slice(at + 1), name);
    await blobs.unpublish(ODD_NAMES);
    assert.deepEqual(await namesIn(blobs, ""), []);
  });

  it("what is published is replaced; R3: what is taken away twice is gone", async (blobs) => {
    const name = "my-book/content/a.md";
    await publishText(blobs, name, "one");
    await publishText(blobs, name, "two");
    assert.equal((await blobs.findPublished(name))?.hash, sourceOf("two").hash);
    await blobs.unpublish([name, "my-book/content/never.md", "my-book/content/a.md/below"]);
    await blobs.unpublish([name]);
    assert.equal(await blobs.findPublished(name), undefined);
    await blobs.unpublish([]);
  });

  it("more names are taken away at once than one request can hold", async (blobs) => {
    await publishText(blobs, "my-book/static/1.txt", "first");
    await publishText(blobs, "my-book/static/1500.txt", "last");
    await blobs.unpublish(Array.from({ length: 1501 }, (_, at) => `my-book/static/${at}.txt`));
    assert.deepEqual(await namesIn(blobs, ""), []);
  });

  it("a prefix is one of names, not of directories", async (blobs) => {
    const names = ["my-book/a", "my-book/b/c", "my-book-2/a", "my-book/b.md", "my"];
    for (const name of names) await publishText(blobs, name, name);
    assert.deepEqual(await namesIn(blobs, "my-book/"), ["my-book/a", "my-book/b.md", "my-book/b/c"]);
    assert.deepEqual(await namesIn(blobs, "my-book"), [
      "my-book-2/a",
      "my-book/a",
      "my-book/b.md",
      "my-book/b/c",
    ]);
    assert.deepEqual(await namesIn(blobs, "my-book/b"), ["my-book/b.md", "my-book/b/c"]);
    assert.deepEqual(await namesIn(blobs, "my-book/a"), ["my-book/a"]);
    assert.deepEqual(await namesIn(blobs, "other/"), []);
  });

  it("a name may become a directory of names, and the other way round", async (blobs) => {
    await publishText(blobs, "my-book/a", "file");
    await publishText(blobs, "my-book/a/b", "below");
    await blobs.unpublish(["my-book/a"]);
    assert.deepEqual(await namesIn(blobs, ""), ["my-book/a/b"]);
    await publishText(blobs, "my-book/a", "file again");
    await blobs.unpublish(["my-book/a/b"]);
    assert.deepEqual(await namesIn(blobs, ""), ["my-book/a"]);
    assert.equal((await blobs.findPublished("my-book/a"))?.hash, sourceOf("file again").hash);
  });

  it("R6: a segment of a log is there as it was put, and again over other bytes; it is no blob and not published", async (blobs) => {
    const name = `my-book/${"5".repeat(32)}/00000001-${"a".repeat(64)}`;
    await assert.rejects(blobs.getSegment(name), isRemoteError("NOT_FOUND"));
    const bytes = bytesOf(100_000);
    await blobs.putSegment(name, bytes);
    assert.ok(Buffer.from(await blobs.getSegment(name)).equals(bytes));
    await blobs.putSegment(name, bytes.subarray(0, 10));
    assert.ok(Buffer.from(await blobs.getSegment(name)).equals(bytes.subarray(0, 10)));
    await blobs.putSegment(name, new Uint8Array(SEGMENT_MAX_BYTES + 1));
    await assert.rejects(blobs.getSegment(name), isRemoteError("CORRUPT"));
    assert.deepEqual(await Array.fromAsync(blobs.list()), []);
    assert.deepEqual(await namesIn(blobs, ""), []);
  });

  it("R1: a name that leads elsewhere is refused", async (blobs) => {
    const source = sourceOf("text");
    await blobs.put(source);
    const isInvalid = (error: unknown) => error instanceof PfsError && error.code === "INVALID_PATH";
    const place = `blobs/${source.hash.slice(0, 2)}/${source.hash}`;
    await blobs.unpublish([`../${place}`, `my-book/../../${place}`, "/etc/x", ""]).catch(() => undefined);
    assert.equal(await blobs.has(source.hash), true);
    for (const name of ["../blobs/x", "/etc/x", "my-book/../../x", "my-book//x", ""]) {
      await assert.rejects(blobs.publish({ name, hash: source.hash, sizeBytes: 4 }), isInvalid, name);
      await assert.rejects(blobs.findPublished(name), isInvalid, name);
      await assert.rejects(blobs.putSegment(name, new Uint8Array(1)), isInvalid, name);
      await assert.rejects(blobs.getSegment(name), isInvalid, name);
    }
  });

  it("an aborted signal ends with its reason; what it ended can be done again", async (blobs) => {
    const reason = new Error("the daemon ends");
    const bytes = bytesOf(1_500_000);
    const source = sourceOf(bytes);
    await assert.rejects(blobs.put(source, AbortSignal.abort(reason)), reason);
    const abort = new AbortController();
    const read = async function* (start?: number, end?: number) {
      for await (const piece of source.read(start, end)) {
        yield piece;
        abort.abort(reason);
      }
    };
    await assert.rejects(blobs.put({ ...source, read }, abort.signal), reason);
    assertStored(await blobs.put(source));
    const reading = new AbortController();
    const getting = async () => {
      for await (const _ of blobs.get(source.hash, 0, reading.signal)) reading.abort(reason);
    };
    await assert.rejects(getting(), reason);
    assert.ok((await collect(blobs.get(source.hash))).equals(bytes));
  });

  it("whoever stops reading leaves nothing open: a blob is looked into twenty times", async (blobs) => {
    const source = sourceOf(bytesOf(1_100_000));
    await blobs.put(source);
    for (let count = 0; count < 20; count++) {
      for await (const piece of blobs.get(source.hash)) {
        assert.ok(piece.byteLength > 0);
        break;
      }
    }
    assert.equal((await collect(blobs.get(source.hash))).byteLength, 1_100_000);
  });
}
