// What every implementation of RemoteLog must not believe, nor let happen. Must never know which one it is.

import assert from "node:assert/strict";
import { isError, push, readAll, readFiles, type SuiteLog, testOn } from "./log-fixture.ts";
import { BOOK, hashOf, NEWEST, RowMaker } from "./shared-rows.ts";

export function testDistrust(title: string, makeRemote: () => Promise<SuiteLog>): void {
  const it = testOn(title, makeRemote);

  it("R7: a row without an agent is taken by neither the program nor the tables", async (log, remote) => {
    for (const agent_id of ["", " ", "system", "System"]) {
      const row = new RowMaker("a").row({ path: "a.md", agent_id });
      await assert.rejects(log.append(BOOK, [row], NEWEST), isError("STORE_DAMAGED", /agent_id/));
      await assert.rejects(
        remote.run(
          `INSERT INTO {}audit_log (book_id, seq, origin, origin_seq, timestamp, agent_id, operation, path, user_id, status,
           execution_time_ms, entry_hash) VALUES ('my-book', 1, 'x', 1, 'x', '${agent_id}', 'create', 'x', 'x', 'ok', 0, 'x')`,
        ),
        /agent|CHECK/,
      );
    }
  });

  it("a row that nobody could keep is not sent", async (log) => {
    const a = new RowMaker("a");
    for (const [parts, field] of [
      [{ path: "../a.md" }, "path"],
      [{ path: "a.md", book_id: "other-book" }, "book_id"],
      [{ path: "a.md", new_hash: hashOf("1"), size: null }, "what a file needs"],
      [{ path: "a.md", command: "a\0b" }, "command"],
    ] as const)
      await assert.rejects(
        log.append(BOOK, [a.row(parts)], NEWEST),
        isError("STORE_DAMAGED", new RegExp(field)),
      );
  });

  it("R6: the tables refuse to have a row of the log changed or removed", async (log, remote) => {
    const a = new RowMaker("a");
    await push(log, [a.change("a.md", null, "1"), a.change("b.md", null, "1")]);
    for (const sql of [
      "UPDATE {}audit_log SET agent_id = 'mallory' WHERE seq = 1",
      "DELETE FROM {}audit_log WHERE seq = 2",
    ])
      await assert.rejects(remote.run(sql), /append-only/);
    assert.equal((await readAll(log)).length, 2);
  });

  it("R6: rows that were changed, removed or made up are not believed, and it is said which", async (log, remote) => {
    const a = new RowMaker("a");
    await push(
      log,
      [..."abcdef"].map((name) => a.change(`${name}.md`, null, "1")),
    );
    const damage = async (sql: string, after: number, text: RegExp): Promise<void> => {
      await remote.tamper(sql);
      await assert.rejects(log.rowsAfter(BOOK, after, 100), isError("STORE_DAMAGED", text));
    };
    const [second] = await log.rowsAfter(BOOK, 1, 1);
    for (const after of [2, 6]) {
      const wasSeen = (hash: string | undefined) => log.rowsAfter(BOOK, after, 100, hash);
      await assert.rejects(wasSeen(hashOf("x")), isError("STORE_DAMAGED", /was rewritten/));
      if (after === 2) assert.equal((await wasSeen(second?.entry_hash)).length, 4);
    }
    await damage("UPDATE {}audit_log SET agent_id = 'mallory' WHERE seq = 5", 2, /row 5 was changed/);
    assert.equal((await log.rowsAfter(BOOK, 2, 2)).length, 2);
    await damage("DELETE FROM {}audit_log WHERE seq = 3", 2, /row 3 is missing/);
    await damage("UPDATE {}audit_log SET path = '../../etc' WHERE seq = 2", 1, /row 2 is none: path/);
    await damage("DELETE FROM {}audit_log WHERE seq > 1", 2, /has no row 2/);
    await remote.tamper("UPDATE {}book SET entry_hash = 'x'");
    await assert.rejects(log.findBook(BOOK), isError("STORE_DAMAGED", /no book: entry_hash is wrong/));
  });

  it("hostile answers about books and files are not believed", async (log, remote) => {
    await push(log, [new RowMaker("a").change("a.md", null, "1")]);
    for (const sql of [
      "UPDATE {}file_journal SET path = 'a/../b.md'",
      "UPDATE {}file_journal SET path = 'a.md', user_id = '__other'",
      "UPDATE {}file_journal SET user_id = '__base__', file_id = 1",
    ]) {
      await remote.tamper(sql);
      await assert.rejects(
        readFiles(log),
        isError("STORE_DAMAGED", /The remote log answered with no file of a book/),
      );
    }
    await remote.tamper("UPDATE {}book SET root_id = 5");
    await assert.rejects(log.findBook(BOOK), isError("STORE_DAMAGED", /no book/));
  });
}
