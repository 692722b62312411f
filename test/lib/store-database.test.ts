// Statements of a store's database are compiled when they are first used, once for all who say the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../lib/store-database.ts";

function withRows() {
  const database = connect(":memory:");
  database.exec("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'one'), (2, 'two')");
  return database;
}

test("a statement is compiled when it is first used: only then is it said that there is no such table", () => {
  const statement = withRows().prepare("SELECT * FROM missing");
  for (const use of ["get", "all", "run"] as const)
    assert.throws(() => statement[use](), { code: "SQLITE_ERROR", message: "no such table: missing" });
  assert.throws(() => [...statement.iterate()], { message: "no such table: missing" });
});

test("the same text asked for whole rows, values and arrays gives each its own", () => {
  const database = withRows();
  const whole = database.prepare("SELECT * FROM t");
  const values = database.prepare("SELECT * FROM t").pluck();
  const arrays = database.prepare("SELECT * FROM t").raw();
  assert.deepEqual(whole.get(), { a: 1, b: "one" });
  assert.deepEqual(values.all(), [1, 2]);
  assert.deepEqual(arrays.get(), [1, "one"]);
  assert.deepEqual([...values.iterate()], [1, 2]);
  assert.deepEqual(whole.all(), [
    { a: 1, b: "one" },
    { a: 2, b: "two" },
  ]);
});

test("others may ask the same, and go through the same rows, while one goes through them", () => {
  const database = withRows();
  const [one, other] = [database.prepare("SELECT a FROM t"), database.prepare("SELECT a FROM t")];
  const seen = [];
  for (const row of one.iterate())
    seen.push(row, one.get(), other.get(), other.all().length, [...other.iterate()].length);
  assert.deepEqual(seen, [{ a: 1 }, { a: 1 }, { a: 1 }, 2, 2, { a: 2 }, { a: 1 }, { a: 1 }, 2, 2]);
});

test("what changes the tables is seen by statements that were used before", () => {
  const database = withRows();
  const statement = database.prepare("SELECT * FROM t WHERE a = ?");
  assert.deepEqual(statement.get(1), { a: 1, b: "one" });
  database.exec("ALTER TABLE t ADD COLUMN c DEFAULT 3");
  assert.deepEqual(statement.get(2), { a: 2, b: "two", c: 3 });
});
