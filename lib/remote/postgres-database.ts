/**
 * Owns the connections to one PostgreSQL database: a bounded pool, time-outs, transactions, and failures that say what is
 * wrong. Must never know what the tables mean.
 */
import { Socket } from "node:net";
import { Client, type ClientConfig, Pool, type PoolClient, type QueryResult, types } from "pg";
import { PostgresClient } from "./postgres-client.ts";
import { explainPostgresError } from "./postgres-errors.ts";
import { NonsenseError } from "./postgres-messages.ts";

/** Enough for a push, a pull and a clone at once; a server has a hundred for all. */
const MAX_CONNECTIONS = 4;
const CONNECT_MS = 10_000;
/** Longer than the server is given for the same. */
const ANSWER_MS = 45_000;
/** How long a statement may take in a transaction, its waiting for others included. */
const STATEMENT_MS = 30_000;
/** After so long the server undoes a transaction of whom nobody hears any more, so that others need not wait for it. */
const SILENCE_MS = 60_000;

/** How long what is under way may go on when all is to be closed. */
const CLOSE_MS = 2000;

const INT8_OID = 20;

type Row = Record<string, unknown>;

/** A transaction under way. */
export interface Transaction {
  query(sql: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** A transaction that goes on until it is ended. */
export interface OpenTransaction extends Transaction {
  end(): Promise<void>;
}

/** A connection that is not made yet. */
export interface Listener {
  readonly client: Client;
  /** Ends it at once, in whatever state it is; what waits for it fails. */
  hangUp(): void;
}

export class PostgresDatabase {
  /** For messages: server and database, nothing secret. */
  readonly name: string;
  readonly #config: ClientConfig;
  readonly #pool: Pool;
  readonly #sockets = new Set<Socket>();
  readonly #open = new Set<OpenTransaction>();

  /** @param url as pg-connection-string takes it; what it does not say is said by PGHOST and the like */
  constructor(url: string) {
    this.#config = {
      connectionString: url,
      application_name: "pfs",
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
      stream: () => this.#makeSocket(),
      types: { getTypeParser: typeParser },
    };
    const { host, port, database } = new Client({ connectionString: url });
    const server = host.startsWith("/") ? host : `${host}:${port}`;
    this.name = `The database ${database} of PostgreSQL at ${server}`;
    this.#pool = new Pool({ ...this.#config, max: MAX_CONNECTIONS, Client: PostgresClient });
    // A connection that is lost while nobody uses it is nobody's failure: the next one makes another.
    this.#pool.on("error", () => {});
  }

  /** One statement by itself. @throws RemoteError */
  async query(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      return rowsOf(await this.#pool.query(sql, [...values]));
    } catch (error) {
      throw this.explain(error);
    }
  }

  /**
   * Runs `body` in a transaction that sees what others have committed before each of its statements. What it throws
   * undoes all. When this throws, it may have been committed all the same.
   * @param first a statement without parameters, which is sent together with the beginning
   * @throws RemoteError
   */
  async transaction<Result>(
    first: string,
    body: (transaction: Transaction, rows: Row[]) => Promise<Result>,
  ): Promise<Result> {
    const client = await this.#connect();
    try {
      const rows = await begin(client, "READ COMMITTED", first);
      const result = await body(runOn(client), rows);
      await commit(client);
      client.release();
      return result;
    } catch (error) {
      // The server undoes what is not committed when the connection is closed.
      client.release(true);
      throw this.explain(error);
    }
  }

  /**
   * Begins a transaction that sees one state and writes nothing. It has to be ended; the server ends one that is not used
   * for a minute.
   * @param first as of {@link transaction}
   * @throws RemoteError
   */
  async openReading(first: string): Promise<OpenTransaction & { readonly rows: Row[] }> {
    const client = await this.#connect();
    let isEnded = false;
    const end = (isSound: boolean): void => {
      if (isEnded) return;
      isEnded = true;
      this.#open.delete(transaction);
      client.off("error", onLost);
      client.release(!isSound);
    };
    const attempt = async <Result>(work: () => Promise<Result>): Promise<Result> => {
      try {
        return await work();
      } catch (error) {
        end(false);
        throw this.explain(error);
      }
    };
    const transaction: OpenTransaction = {
      query: (sql, values) => attempt(() => runOn(client).query(sql, values)),
      end: async () => {
        if (isEnded) return;
        await attempt(() => commit(client));
        end(true);
      },
    };
    const onLost = (): void => end(false);
    client.on("error", onLost);
    const rows = await attempt(() => begin(client, "REPEATABLE READ READ ONLY", first));
    if (!isEnded) this.#open.add(transaction);
    return { ...transaction, rows };
  }

  /** A connection beside the pool's, for whoever waits for notices. @param answerMs how long an answer may take */
  listener(answerMs: number): Listener {
    const socket = this.#makeSocket();
    const client = new PostgresClient({
      ...this.#config,
      stream: () => socket,
      query_timeout: answerMs,
      connectionTimeoutMillis: Math.min(CONNECT_MS, answerMs),
    });
    const hangUp = (): void => {
      // Says goodbye where there is somebody, and waits for nobody.
      client.end().catch(() => undefined);
      if (socket.connecting) socket.destroy();
      else socket.destroySoon();
    };
    return { client, hangUp };
  }

  /** What an error of a connection is to be thrown as. */
  explain(error: unknown): unknown {
    return explainPostgresError(error, this.name);
  }

  /** Ends all connections, also those of a server that does not answer. */
  async close(): Promise<void> {
    if (this.#pool.ending) return;
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_MS);
    await Promise.allSettled([...this.#open].map((transaction) => transaction.end()));
    await this.#pool.end();
    clearTimeout(timer);
  }

  #makeSocket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw this.explain(error);
    }
  }
}

function runOn(client: PoolClient): Transaction {
  return {
    query: async (sql, values = []) => rowsOf(await client.query(sql, [...values])),
  };
}

/** An answer is ended with what was done. */
function rowsOf({ command, rows }: QueryResult): Row[] {
  if (command === null) throw new NonsenseError("an answer without an end");
  return rows;
}

/** A server that has undone it says so without an error. */
async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query("COMMIT");
  if (command !== "COMMIT") throw new NonsenseError(`${command} in answer to COMMIT`);
}

async function begin(client: PoolClient, mode: string, first: string): Promise<Row[]> {
  const results = (await client.query(
    `BEGIN ISOLATION LEVEL ${mode}; SET LOCAL statement_timeout = ${STATEMENT_MS};
     SET LOCAL idle_in_transaction_session_timeout = ${SILENCE_MS}; ${first}`,
  )) as unknown as QueryResult | QueryResult[];
  // Those of an earlier question would be others.
  if (!Array.isArray(results) || results.length !== 4 || results[0]?.command !== "BEGIN")
    throw new NonsenseError("other answers than were asked for");
  return rowsOf(results[3] as QueryResult);
}

/** 64-bit integers are numbers where these have room for them; else text, which no shape takes for a number. */
function typeParser(oid: number): (value: string) => unknown {
  if (oid === INT8_OID) return (digits) => (Number.isSafeInteger(Number(digits)) ? Number(digits) : digits);
  const parse = types.getTypeParser(oid, "text");
  return (value) => {
    try {
      return parse(value);
    } catch (cause) {
      throw new NonsenseError("a value that is none of its type", { cause });
    }
  };
}
