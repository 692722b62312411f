/**
 * Owns how the statements of a store's database are compiled: when they are first used, and once for all who say the same. A
 * layer has some hundred, of which a command needs a few, and a daemon has as many layers as users. Must never know what any
 * says.
 */
import Sqlite, { type Statement } from "better-sqlite3";

/**
 * As better-sqlite3's `new Database`, but that what its `prepare` throws, of a schema that is damaged, is thrown where the
 * statement is used. SQL must not be made of what users say: each text stays in memory while the connection lasts.
 */
export function connect(file: string, options?: Sqlite.Options): Sqlite.Database {
  const database = new Sqlite(file, options);
  const compile = database.prepare.bind(database);
  const compiled = new Map<string, Statement>();
  database.prepare = ((sql: string) =>
    new LazyStatement(sql, compile, compiled)) as unknown as typeof compile;
  return database;
}

/** Looks at the whole schema, as compiling anything does. @throws SqliteError where it is damaged */
export function readSchemaOnce(database: Sqlite.Database): void {
  database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get();
}

/** What the store uses of better-sqlite3's `Statement`, which says what each does. */
class LazyStatement {
  readonly #sql: string;
  readonly #compile: (sql: string) => Statement;
  readonly #compiled: Map<string, Statement>;
  #shared: Statement | undefined;
  /** Has rows to give while others may ask the same, so nobody shares it. */
  #own: Statement | undefined;
  #isPlucked = false;
  #isRaw = false;

  constructor(sql: string, compile: (sql: string) => Statement, compiled: Map<string, Statement>) {
    this.#sql = sql;
    this.#compile = compile;
    this.#compiled = compiled;
  }

  pluck(): this {
    this.#isPlucked = true;
    return this;
  }

  raw(): this {
    this.#isRaw = true;
    return this;
  }

  get(...values: unknown[]): unknown {
    return (this.#shared ?? this.#share()).get(...values);
  }

  all(...values: unknown[]): unknown[] {
    return (this.#shared ?? this.#share()).all(...values);
  }

  run(...values: unknown[]): unknown {
    return (this.#shared ?? this.#share()).run(...values);
  }

  iterate(...values: unknown[]): IterableIterator<unknown> {
    this.#own ??= this.#make();
    return this.#own.iterate(...values);
  }

  #share(): Statement {
    const key = `${this.#isPlucked ? "p" : ""}${this.#isRaw ? "r" : ""} ${this.#sql}`;
    let statement = this.#compiled.get(key);
    if (statement === undefined) {
      statement = this.#make();
      this.#compiled.set(key, statement);
    }
    this.#shared = statement;
    return statement;
  }

  #make(): Statement {
    const statement = this.#compile(this.#sql);
    if (this.#isPlucked) statement.pluck();
    if (this.#isRaw) statement.raw();
    return statement;
  }
}
