// What every implementation of RemoteLog must do. Must never know which one it is.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { EMPTY_HEAD, verifyPage } from "../../lib/remote/shared-chain.ts";
import { BASE, parseBookId } from "../../schema/ids.ts";
import type { RowToShare } from "../../schema/shared-row.ts";
import { testClaims } from "./claims-suite.ts";
import { testDistrust } from "./log-distrust-suite.ts";
import {
  BOB,
  SHARED_BOOK as book,
  isError,
  push,
  readAll,
  readFiles,
  type SuiteLog,
  testOn,
} from "./log-fixture.ts";
import { appends, checkAgainstModel } from "./log-model.ts";
import { BOOK, hashOf, idOf, NEWEST, RowMaker } from "./shared-rows.ts";

/** Layer and path of each file. */
async function listFiles(log: RemoteLog): Promise<string[]> {
  return (await readFiles(log)).map(({ userId, path }) => (userId === BASE ? path : `${userId}:${path}`));
}

export function testLogs(title: string, makeRemote: () => Promise<SuiteLog>): void {
  const it = testOn(title, makeRemote);

  it("a remote calls itself the same to everyone, and its books are who made them first", async (log, _, open) => {
    const other = open();
    assert.match(await log.identity(), /^[0-9a-f]{32}$/);
    assert.equal(await other.identity(), await log.identity());
    const profile = { name: "mine", files: ["content/{any}"] };
    const second = { ...book, bookId: parseBookId("a-book"), profile };
    assert.deepEqual(await log.createBook(second), second);
    assert.deepEqual(await other.createBook({ ...second, profile: "strict", rootId: idOf("x") }), second);
    assert.deepEqual(await other.listBooks(), ["a-book", "my-book"]);
    assert.deepEqual(await other.findBook(second.bookId), { book: second, head: EMPTY_HEAD });
  });

  it("a book that is not there is said to be missing, never empty", async (log) => {
    const bookId = parseBookId("no-book");
    assert.equal(await log.findBook(bookId), undefined);
    const row = { ...new RowMaker("a").change("a.md", null, "1"), book_id: bookId };
    for (const ask of [
      () => log.rowsAfter(bookId, 0, 10),
      () => log.snapshot(bookId),
      () => log.append(bookId, [row], NEWEST),
    ])
      await assert.rejects(ask, isError("NOT_FOUND", /has no book no-book/));
  });

  it("O1: rows get the seqs 1, 2, 3 …, once, however often they are sent", async (log, _, open) => {
    const [a, b] = [new RowMaker("a"), new RowMaker("b")];
    const first = [a.change("a.md", null, "1"), a.change("a.md", "1", "2"), a.change("b.md", null, "1")];
    assert.deepEqual(await push(log, first), [1, 2, 3]);
    assert.deepEqual(await push(open(), [b.change("a.md", "2", "3")]), [4]);
    const head = (await log.findBook(BOOK))?.head;
    assert.deepEqual(await push(log, first), [1, 2, 3]);
    assert.deepEqual((await log.findBook(BOOK))?.head, head);
    const more = a.change("c.md", null, "1");
    assert.deepEqual(await push(log, [...first, more, more]), [1, 2, 3, 5, 5]);
    const rows = await readAll(log);
    assert.deepEqual(
      rows.map(({ seq, origin, origin_seq }) => [seq, origin === a.origin, origin_seq]),
      [
        [1, true, 1],
        [2, true, 2],
        [3, true, 3],
        [4, false, 1],
        [5, true, 4],
      ],
    );
    // What was sent is what is read.
    assert.deepEqual({ ...first[1], seq: 2, entry_hash: rows[1]?.entry_hash }, rows[1]);
  });

  it("O1: another row under an identity that is there is damage", async (log) => {
    const row = new RowMaker("a").change("a.md", null, "1");
    await push(log, [row]);
    await assert.rejects(
      log.append(BOOK, [{ ...row, agent_id: "mallory" }], NEWEST),
      isError("STORE_DAMAGED", /row 1 has the identity of row 1 of this store/),
    );
    assert.equal((await readAll(log)).length, 1);
  });

  it("W1: a row that began with another version is not appended, nor is any beside it", async (log) => {
    const [a, b] = [new RowMaker("a"), new RowMaker("b")];
    await push(log, [a.change("a.md", null, "1")]);
    const rows = [b.change("b.md", null, "1"), b.change("a.md", "0", "2"), b.change("c.md", null, "1")];
    assert.deepEqual(await log.append(BOOK, rows, NEWEST), { type: "moved", index: 1, current: hashOf("1") });
    const gone = [b.change("z.md", "1", "2")];
    assert.deepEqual(await log.append(BOOK, gone, NEWEST), { type: "moved", index: 0, current: null });
    const there = [b.change("a.md", null, "2")];
    assert.deepEqual(await log.append(BOOK, there, NEWEST), {
      type: "moved",
      index: 0,
      current: hashOf("1"),
    });
    assert.equal((await readAll(log)).length, 1);
    assert.deepEqual(await listFiles(log), ["a.md"]);
  });

  it("W1: a row is not appended where others were since its sender has pulled, though they left the same bytes there", async (log) => {
    const [a, b] = [new RowMaker("a"), new RowMaker("b")];
    await push(log, [a.change("a.md", null, "1"), a.change("b.md", null, "1")]);
    await push(log, [b.change("a.md", "1", "2"), b.change("a.md", "2", "1"), b.change("c.md", null, "1")]);
    await push(log, [b.change("c.md", "1", null), ...b.rename("b.md", "e.md", "1")]);
    const moved = async (current: string | null, ...rows: RowToShare[]): Promise<void> => {
      const expected = { type: "moved", index: rows.length - 1, current: current && hashOf(current) };
      assert.deepEqual(await log.append(BOOK, rows, 2), expected);
    };
    await moved("1", a.change("x.md", null, "1"), a.change("a.md", "1", "3"));
    await moved(null, a.change("c.md", null, "3"));
    await moved(null, a.change("f.md", null, "3", { file_id: idOf("b.md") }));
    // Another layer, another file; and what was sent before by whom it is sent again.
    const own = a.change("d.md", null, "1");
    await log.append(BOOK, [own], 8);
    const rows = [own, a.change("d.md", "1", "2"), a.change("a.md", null, "3", { user_id: BOB })];
    assert.equal((await log.append(BOOK, rows, 2)).type, "appended");
    await log.append(BOOK, [b.change("d.md", "2", "3"), b.change("d.md", "3", "2")], 11);
    await moved("2", own, a.change("d.md", "2", "4"));
  });

  it("W1: of sixteen that race for a version exactly one wins, each time", async (_log, _remote, open) => {
    const rivals = Array.from({ length: 16 }, (_, index) => ({
      log: open(),
      maker: new RowMaker(`${index}`),
    }));
    let text: string | null = null;
    for (let round = 0; round < 8; round++) {
      const outcomes = await Promise.all(
        rivals.map(async ({ log, maker }, index) => {
          const row = maker.change("a.md", text, `${round} ${index}`);
          return { index, appended: await log.append(BOOK, [row], NEWEST) };
        }),
      );
      const winners = outcomes.filter(({ appended }) => appended.type === "appended");
      assert.equal(winners.length, 1);
      const won = `${round} ${winners[0]?.index}`;
      for (const { appended } of outcomes)
        if (appended.type === "moved") assert.equal(appended.current, hashOf(won));
      text = won;
    }
    const rows = await readAll(open());
    assert.deepEqual(
      rows.map(({ seq }) => seq),
      Array.from({ length: 8 }, (_, index) => index + 1),
    );
  });

  it("R6: while sixteen append, whoever reads after N misses none, and each page fits the one before", async (log, _, open) => {
    const total = 16 * 4;
    const appending = Array.from({ length: 16 }, async (_, index) => {
      const [rival, maker] = [open(), new RowMaker(`${index}`)];
      for (let round = 0; round < 4; round++)
        await push(rival, [maker.change(`${index}/${round}.md`, null, "1")]);
    });
    let head = EMPTY_HEAD;
    const seen = new Set<string>();
    while (head.seq < total) {
      const rows = await log.rowsAfter(BOOK, head.seq, 10);
      head = verifyPage(head, rows);
      for (const row of rows) seen.add(`${row.origin} ${row.origin_seq}`);
      // Nothing is gained by asking all the time.
      await sleep(5);
    }
    await Promise.all(appending);
    assert.equal(seen.size, total);
    assert.deepEqual((await log.findBook(BOOK))?.head, head);
  });

  it("a name is a file or a directory, never both, in each layer by itself", async (log) => {
    const a = new RowMaker("a");
    await push(log, [a.change("a/b/c.md", null, "1"), a.change("x", null, "1"), a.change("a-b", null, "1")]);
    const moved = async (...rows: RowToShare[]): Promise<void> => {
      const expected = { type: "moved", index: rows.length - 1, current: null };
      assert.deepEqual(await log.append(BOOK, rows, NEWEST), expected);
    };
    await moved(a.change("a", null, "1"));
    await moved(a.change("a/b", null, "1"));
    await moved(a.change("x/y/z.md", null, "1"));
    await moved(a.change("n/o", null, "1"), a.change("n", null, "1"));
    await moved(a.change("n", null, "1"), a.change("n/o", null, "1"));
    await push(log, [a.change("a", null, "1", { user_id: BOB }), a.change("a/b/cd.md", null, "1")]);
    // What is removed before makes room.
    await moved(a.change("a/b/c.md", "1", null), a.change("a/b", null, "1"));
    await push(log, [
      a.change("a/b/c.md", "1", null),
      a.change("a/b/cd.md", "1", null),
      a.change("a/b", null, "1"),
      a.change("x", "1", null),
      a.change("x/y", null, "1"),
    ]);
    assert.deepEqual(await listFiles(log), ["a-b", "a/b", "x/y", "bob:a"]);
  });

  it("I1: a rename is two rows of one file; two files change places", async (log) => {
    const a = new RowMaker("a");
    await push(log, [a.change("a.md", null, "1"), a.change("b.md", null, "2"), a.change("c.md", null, "3")]);
    await push(log, [
      ...a.rename("a.md", "d/a.md", "1"),
      a.change("b.md", "2", null, { operation: "rename", file_id: idOf("b.md") }),
      a.change("c.md", "3", null, { operation: "rename", file_id: idOf("c.md") }),
      a.change("c.md", null, "2", { operation: "rename", file_id: idOf("b.md"), prev_path: "b.md" }),
      a.change("b.md", null, "3", { operation: "rename", file_id: idOf("c.md"), prev_path: "c.md" }),
    ]);
    // Over another file: its row goes with it.
    const over = a.rename("d/a.md", "b.md", "1", { file_id: idOf("a.md"), agent_id: "bob" });
    await push(log, [over[0]!, { ...over[1]!, prev_hash: hashOf("3") }]);
    const files = (await readFiles(log)).map(({ path, fileId, hash, agent }) => [path, fileId, hash, agent]);
    assert.deepEqual(files, [
      ["b.md", idOf("a.md"), hashOf("1"), "bob"],
      ["c.md", idOf("b.md"), hashOf("2"), "alice"],
    ]);
  });

  it("the shared journal has of a file what its last row says", async (log) => {
    const a = new RowMaker("a");
    const parts = { size: 7, mode: 0o100755, mtime: "-1500000000", agent_id: "bob", base_hash: hashOf("0") };
    await push(log, [
      a.change("a.md", null, "1"),
      a.change("a.md", "1", "1", { operation: "attributes", ...parts }),
      a.change("größe/日本 🎈.md", null, "2", {
        file_id: Number.MAX_SAFE_INTEGER,
        mtime: "9223372036854775807",
      }),
    ]);
    const file = { path: "a.md", userId: BASE, hash: hashOf("1"), sizeBytes: 7, mode: 0o100755 };
    const found = {
      ...file,
      mtime: "-1500000000",
      fileId: idOf("a.md"),
      seq: 2,
      agent: "bob",
      baseHash: hashOf("0"),
    };
    assert.deepEqual(await log.filesAt(BOOK, BASE, ["none.md", "a.md"]), [found]);
    assert.deepEqual(await log.filesAt(BOOK, BOB, ["a.md"]), []);
    const [, other] = await readFiles(log);
    assert.deepEqual(
      [other?.path, other?.fileId, other?.mtime],
      ["größe/日本 🎈.md", Number.MAX_SAFE_INTEGER, "9223372036854775807"],
    );
  });

  it("R6: a refused row has the current version on both sides, whatever it said", async (log) => {
    const a = new RowMaker("a");
    const refused = { status: "refused", error_message: "CONFLICT: no" } as const;
    const rows = [
      a.change("a.md", null, "1"),
      a.change("a.md", "0", "0", refused),
      a.change("none.md", "5", "5", refused),
      a.change("a.md", "1", "2"),
    ];
    assert.deepEqual(await push(log, rows), [1, 2, 3, 4]);
    assert.deepEqual(await push(log, rows), [1, 2, 3, 4]);
    assert.deepEqual(
      (await readAll(log)).map(({ prev_hash, new_hash }) => [prev_hash, new_hash]),
      [
        [null, "1"],
        ["1", "1"],
        [null, null],
        ["1", "2"],
      ].map((pair) => pair.map((text) => text && hashOf(text))),
    );
    assert.deepEqual(await listFiles(log), ["a.md"]);
  });

  it("R5: what an overlay hides follows the base's file, until it is reverted, or the base has it no more or makes it anew", async (log) => {
    const a = new RowMaker("a");
    const hide = (path: string, name = path, text: string | null = null): RowToShare =>
      a.change(path, text, null, { operation: "hide", user_id: BOB, file_id: idOf(name) });
    const hidden = async (): Promise<string[]> =>
      (await log.snapshot(BOOK)).hidden.map(({ userId, path, fileId }) => {
        assert.equal(userId, BOB);
        return `${path} ${[..."abcd"].find((name) => idOf(`${name}.md`) === fileId)}`;
      });
    await push(
      log,
      [..."abcd"].map((name) => a.change(`${name}.md`, null, "1")),
    );
    const covering = [a.change("b.md", null, "2", { user_id: BOB }), hide("b.md", "b.md", "2")];
    await push(log, [hide("a.md"), ...covering, hide("c.md"), hide("d.md")]);
    assert.deepEqual(await hidden(), ["a.md a", "b.md b", "c.md c", "d.md d"]);
    assert.deepEqual(await listFiles(log), ["a.md", "b.md", "c.md", "d.md"]);
    // A file of the overlay's own at a hidden name, and away again: the base's stays hidden.
    const own = { user_id: BOB, file_id: idOf("own") };
    await push(log, [a.change("a.md", null, "3", own), a.change("a.md", "3", null, own)]);
    await push(log, [...a.rename("b.md", "e/b.md", "1"), a.change("c.md", "1", null)]);
    assert.deepEqual(await hidden(), ["a.md a", "d.md d", "e/b.md b"]);
    const revert = { operation: "revert", user_id: BOB } as const;
    await push(log, [
      a.change("e/b.md", null, null, { ...revert, file_id: idOf("b.md") }),
      a.change("d.md", null, "4", { user_id: BOB, file_id: idOf("another") }),
      a.change("d.md", "4", null, { ...revert, file_id: idOf("another") }),
    ]);
    assert.deepEqual(await hidden(), ["a.md a"]);
    assert.deepEqual(await listFiles(log), ["a.md", "d.md", "e/b.md"]);
    // Whoever hides what the base has no more hides nothing once the base makes it anew.
    await push(log, [hide("c.md"), a.change("c.md", null, "1")]);
    assert.deepEqual(await hidden(), ["a.md a"]);
  });

  it("a snapshot is one position, bytewise sorted, whatever comes meanwhile", async (log, _, open) => {
    const [a, other] = [new RowMaker("a"), open()];
    const names = Array.from({ length: 2500 }, (_, index) => `${index % 7}/${index}.md`);
    for (let at = 0; at < names.length; at += 500)
      await push(
        log,
        names.slice(at, at + 500).map((name) => a.change(name, null, "1")),
      );
    await push(log, [
      a.change("Z.md", null, "1"),
      a.change("Z.md", null, "1", { user_id: BOB }),
      a.change("é.md", null, "1"),
    ]);
    const snapshot = await log.snapshot(BOOK);
    assert.equal(snapshot.head.seq, 2503);
    const paths: string[] = [];
    for await (const page of snapshot.pages) {
      if (paths.length === 0) {
        await push(other, [
          a.change("new.md", null, "1"),
          a.change(names[9]!, "1", null),
          a.change("Z.md", "1", "2"),
        ]);
      }
      for (const { userId, path, hash } of page) {
        assert.equal(hash, hashOf("1"));
        paths.push(`${userId}/${path}`);
      }
    }
    const expected = [...names, "Z.md", "é.md"].map((name) => `${BASE}/${name}`).concat(`${BOB}/Z.md`);
    assert.deepEqual(
      paths,
      expected.sort((one, two) => Buffer.compare(Buffer.from(one), Buffer.from(two))),
    );
    // One that is not read keeps nothing from being closed.
    await log.snapshot(BOOK);
    assert.equal((await readFiles(log)).length, 2503);
  });

  it("a watch tells of every book at first, and then of what anybody appends", async (log, _, open) => {
    const [a, watching] = [new RowMaker("a"), open()];
    await push(log, [a.change("a.md", null, "1")]);
    const heads: number[] = [];
    let tell = (): void => {};
    const watch = watching.watch((bookId, seq) => {
      assert.equal(bookId, BOOK);
      heads.push(seq);
      tell();
    });
    const seen = (seq: number): Promise<void> =>
      new Promise((resolve) => {
        tell = () => (heads.at(-1) ?? 0) >= seq && resolve();
        tell();
      });
    try {
      await seen(1);
      await push(log, [a.change("b.md", null, "1"), a.change("c.md", null, "1")]);
      await seen(3);
      await push(watching, [a.change("d.md", null, "1")]);
      await seen(4);
      assert.equal(heads[0], 1);
    } finally {
      await watch.close();
    }
    await push(log, [a.change("e.md", null, "1")]);
    assert.deepEqual(
      heads.filter((seq) => seq > 4),
      [],
    );
  });

  it("R6, W1: whatever is appended, log and shared journal are what a simple model says", async (log) => {
    let books = 0;
    await fc.assert(
      fc.asyncProperty(appends, async (batches) => {
        const bookId = parseBookId(`book-${++books}`);
        await log.createBook({ ...book, bookId });
        await checkAgainstModel(log, bookId, batches);
      }),
      { numRuns: 12 },
    );
  });

  testClaims(title, makeRemote);
  testDistrust(title, makeRemote);
}
