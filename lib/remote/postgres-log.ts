/**
 * Owns the shared log in PostgreSQL: the statements of each operation, a few round trips however many rows there are. Must
 * never decide what fits: plan-append.ts does.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BookId, UserId } from "../../schema/ids.ts";
import { GENESIS_HASH } from "../../schema/log-row.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { RowToShare, SharedRow } from "../../schema/shared-row.ts";
import { lazily } from "../../schema/zod.ts";
import { passStep } from "../step.ts";
import { parseAnswers, parseBook, parseFile, parseHead, parseHidden } from "./log-answers.ts";
import { type AppendPlan, checkRows, planAppend, type Questions, questionsOf } from "./plan-append.ts";
import { advanceClaim, claim, readClaim, retractClaim } from "./postgres-claims.ts";
import { type OpenTransaction, PostgresDatabase } from "./postgres-database.ts";
import { inspectSchema, prepareSchema } from "./postgres-schema.ts";
import { PostgresWatch, type WatchTimes } from "./postgres-watch.ts";
import type { Advance, ClaimName, ClaimState } from "./remote-claims.ts";
import type { Appended, RemoteLog, SharedBook, SharedHead, Snapshot, Watch } from "./remote-log.ts";
import { clockAhead, type LogProbe } from "./remote-probe.ts";
import { parsePage } from "./shared-chain.ts";

const PAGE_FILES = 2000;
const FILE_COLUMNS =
  "user_id, path, sha256, size, mode, mtime::text AS mtime, file_id, seq, agent_id, base_hash";

const ASK = `SELECT
  (SELECT coalesce(json_agg(l), '[]') FROM json_to_recordset($2::json) AS q(origin text, origin_seq bigint)
    JOIN pfs.audit_log l USING (origin, origin_seq)) AS rows,
  (SELECT coalesce(json_agg(json_build_object('user_id', user_id, 'path', path, 'sha256', sha256)), '[]')
    FROM json_to_recordset($3::json) AS q(user_id text, path text)
    JOIN pfs.file_journal USING (user_id, path) WHERE book_id = $1) AS files,
  (SELECT coalesce(json_agg(json_build_object('user_id', q.user_id, 'path', q.path, 'count',
      (SELECT count(*) FROM pfs.file_journal j WHERE j.book_id = $1 AND j.user_id = q.user_id
        AND j.path >= q.path || '/' AND j.path < q.path || '0'))), '[]')
    FROM json_to_recordset($4::json) AS q(user_id text, path text)) AS below,
  (SELECT coalesce(json_agg(h), '[]') FROM pfs.hidden_file h WHERE book_id = $1 AND (
      file_id IN (SELECT file_id FROM json_to_recordset($5::json) AS q(file_id bigint))
      OR (user_id, path) IN (SELECT user_id, path FROM json_to_recordset($5::json) AS q(user_id text, path text)))) AS hidden,
  (SELECT coalesce(json_agg(json_build_object('user_id', user_id, 'path', path, 'file_id', file_id, 'origin', origin,
      'origin_seq', origin_seq)), '[]')
    FROM pfs.audit_log WHERE book_id = $1 AND seq > $7 AND status = 'ok' AND (
      (user_id, path) IN (SELECT user_id, path FROM json_to_recordset($6::json) AS q(user_id text, path text))
      OR (user_id, file_id) IN (SELECT user_id, file_id FROM json_to_recordset($6::json) AS q(user_id text, file_id bigint))
    )) AS touched`;

const WRITE = `WITH
  logged AS (INSERT INTO pfs.audit_log SELECT * FROM json_populate_recordset(NULL::pfs.audit_log, $4::json)),
  removed AS (DELETE FROM pfs.file_journal j USING json_to_recordset($5::json) AS q(user_id text, path text)
    WHERE j.book_id = $1 AND j.user_id = q.user_id AND j.path = q.path),
  stored AS (INSERT INTO pfs.file_journal
      SELECT $1, q.* FROM json_to_recordset($6::json) AS q(user_id text, path text, sha256 text, size bigint, mode integer,
        mtime bigint, file_id bigint, seq bigint, agent_id text, base_hash text)
    ON CONFLICT (book_id, user_id, path) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size,
      mode = excluded.mode, mtime = excluded.mtime, file_id = excluded.file_id, seq = excluded.seq,
      agent_id = excluded.agent_id, base_hash = excluded.base_hash),
  shown AS (DELETE FROM pfs.hidden_file h USING json_to_recordset($7::json) AS q(user_id text, file_id bigint)
    WHERE h.book_id = $1 AND h.user_id = q.user_id AND h.file_id = q.file_id),
  hidden AS (INSERT INTO pfs.hidden_file
      SELECT $1, q.* FROM json_to_recordset($8::json) AS q(user_id text, file_id bigint, path text)
    ON CONFLICT (book_id, user_id, file_id) DO UPDATE SET path = excluded.path),
  head AS (UPDATE pfs.book SET seq = $2, entry_hash = $3 WHERE book_id = $1)
  SELECT pg_notify('pfs', $1 || ' ' || $2::bigint)`;

/** A list of privileges in one text would ask for any of them. */
const PROBE = `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms,
  current_setting('transaction_read_only') = 'on' AS is_read_only,
  has_table_privilege('pfs.audit_log', 'INSERT') AND has_table_privilege('pfs.book', 'UPDATE')
    AND has_table_privilege('pfs.file_journal', 'INSERT') AND has_table_privilege('pfs.file_journal', 'UPDATE')
    AND has_table_privilege('pfs.file_journal', 'DELETE') AS may_write`;
const probeShape = lazily((z) =>
  z.object({ now_ms: z.number(), is_read_only: z.boolean(), may_write: z.boolean() }),
);

interface PostgresLogOptions {
  /** Makes the tables where there are none. */
  readonly isNew?: boolean;
  readonly watchTimes?: Partial<WatchTimes>;
}

export class PostgresLog implements RemoteLog {
  readonly #database: PostgresDatabase;
  readonly #watchTimes: Partial<WatchTimes>;
  readonly #watches = new Set<Watch>();
  #isNew: boolean;
  #ready: Promise<string> | undefined;

  /** Nothing is asked of the server yet. @param url as {@link PostgresDatabase} takes it */
  constructor(url: string, { isNew = false, watchTimes = {} }: PostgresLogOptions = {}) {
    this.#database = new PostgresDatabase(url);
    this.#isNew = isNew;
    this.#watchTimes = watchTimes;
  }

  async identity(): Promise<string> {
    // Asked anew each time: behind the same URL there may be another database by now.
    if (this.#ready !== undefined) this.#ready = undefined;
    return await this.#prepare();
  }

  async probe(): Promise<LogProbe> {
    const schema = await inspectSchema(this.#database);
    const beforeMs = Date.now();
    const [row] = await this.#database.query(PROBE);
    const { now_ms, is_read_only, may_write } = probeShape().parse(row);
    const refuses = is_read_only
      ? "the database takes no changes"
      : may_write
        ? undefined
        : "the user may not change its tables";
    return { ...schema, refuses, clockAheadMs: clockAhead(now_ms, beforeMs, Date.now()) };
  }

  async listBooks(): Promise<readonly BookId[]> {
    await this.#prepare();
    const rows = await this.#database.query("SELECT * FROM pfs.book ORDER BY book_id");
    return rows.map((row) => parseBook(row).book.bookId);
  }

  async findBook(
    bookId: BookId,
  ): Promise<{ readonly book: SharedBook; readonly head: SharedHead } | undefined> {
    await this.#prepare();
    const rows = await this.#database.query("SELECT * FROM pfs.book WHERE book_id = $1", [bookId]);
    return rows[0] === undefined ? undefined : parseBook(rows[0]);
  }

  async createBook(book: SharedBook): Promise<SharedBook> {
    await this.#prepare();
    const { bookId, rootId, profile, fileSizeLimitBytes } = book;
    await this.#database.query(
      `INSERT INTO pfs.book (book_id, root_id, profile, file_size_limit, entry_hash) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (book_id) DO NOTHING`,
      [bookId, rootId, JSON.stringify(profile), fileSizeLimitBytes, GENESIS_HASH],
    );
    const found = await this.findBook(bookId);
    if (found === undefined) throw this.#noBook(bookId);
    return found.book;
  }

  async append(bookId: BookId, rows: readonly RowToShare[], pulledSeq: number): Promise<Appended> {
    const checked = checkRows(bookId, rows);
    await this.#prepare();
    return await this.#database.transaction(
      `${selectHead(bookId)} FOR UPDATE`,
      async (transaction, [row]) => {
        if (row === undefined) throw this.#noBook(bookId);
        passStep("append.locked");
        const head = parseHead(row);
        const questions = questionsOf(checked);
        const [answer] = await transaction.query(ASK, [bookId, ...askedJson(questions), pulledSeq]);
        const plan = planAppend(bookId, checked, { head, ...parseAnswers(answer) });
        if (plan.type === "moved") return plan;
        if (plan.rows.length > 0) await transaction.query(WRITE, writtenValues(bookId, plan));
        passStep("append.written");
        return { type: "appended", seqs: plan.seqs, head: plan.head };
      },
    );
  }

  async rowsAfter(
    bookId: BookId,
    after: number,
    limit: number,
    knownHash?: string | null,
  ): Promise<readonly SharedRow[]> {
    await this.#prepare();
    // The row at `after` comes along, as the next one's hash is over its.
    const rows = await this.#database.query(
      `SELECT l.* FROM pfs.book b LEFT JOIN LATERAL
         (SELECT * FROM pfs.audit_log l WHERE l.book_id = b.book_id AND l.seq >= $2 ORDER BY l.seq LIMIT $3) l ON true
       WHERE b.book_id = $1 ORDER BY l.seq`,
      [bookId, after, after === 0 ? limit : limit + 1],
    );
    if (rows.length === 0) throw this.#noBook(bookId);
    return parsePage(
      bookId,
      { after, limit, knownHash },
      rows.filter((row) => row.seq !== null),
    );
  }

  async filesAt(bookId: BookId, userId: UserId, paths: readonly string[]): Promise<readonly SharedFile[]> {
    await this.#prepare();
    const rows = await this.#database.query(
      `SELECT ${FILE_COLUMNS} FROM pfs.file_journal WHERE book_id = $1 AND user_id = $2 AND path = ANY ($3::text[])
       ORDER BY path`,
      [bookId, userId, paths],
    );
    return rows.map(parseFile);
  }

  async snapshot(bookId: BookId): Promise<Snapshot> {
    await this.#prepare();
    const transaction = await this.#database.openReading(selectHead(bookId));
    try {
      const [row] = transaction.rows;
      if (row === undefined) throw this.#noBook(bookId);
      const hidden = await transaction.query(
        "SELECT user_id, file_id, path FROM pfs.hidden_file WHERE book_id = $1 ORDER BY user_id, path, file_id",
        [bookId],
      );
      return { head: parseHead(row), hidden: hidden.map(parseHidden), pages: pagesOf(bookId, transaction) };
    } catch (error) {
      await transaction.end();
      throw error;
    }
  }

  async readClaim(name: ClaimName): Promise<ClaimState> {
    await this.#prepare();
    return await readClaim(this.#database, name);
  }

  async claim(name: ClaimName, holder: string): Promise<number | undefined> {
    await this.#prepare();
    return await claim(this.#database, name, holder);
  }

  async advanceClaim(name: ClaimName, advance: Advance): Promise<boolean> {
    await this.#prepare();
    return await advanceClaim(this.#database, name, advance);
  }

  async retractClaim(name: ClaimName, to: number): Promise<void> {
    await this.#prepare();
    await retractClaim(this.#database, name, to);
  }

  watch(onRows: (bookId: BookId, seq: number) => void): Watch {
    const watch = new PostgresWatch(this.#database, () => this.#prepare(), onRows, this.#watchTimes);
    this.#watches.add(watch);
    return {
      close: async () => {
        this.#watches.delete(watch);
        await watch.close();
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#watches].map((watch) => watch.close()));
    await this.#database.close();
  }

  /** Once for all; again after it has failed. */
  #prepare(): Promise<string> {
    this.#ready ??= this.#prepareOnce();
    return this.#ready;
  }

  async #prepareOnce(): Promise<string> {
    try {
      const identity = await prepareSchema(this.#database, this.#isNew);
      this.#isNew = false;
      return identity;
    } catch (error) {
      this.#ready = undefined;
      throw error;
    }
  }

  #noBook(bookId: BookId): PfsError {
    return new PfsError("NOT_FOUND", `${this.#database.name} has no book ${bookId}.`, {
      hint: "Share it there with `pfs push`, or name another remote.",
    });
  }
}

/** Book ids need no quoting: they have letters, digits and hyphens only. */
function selectHead(bookId: BookId): string {
  return `SELECT seq, entry_hash FROM pfs.book WHERE book_id = '${bookId}'`;
}

function askedJson({ rows, files, below, hidden, touched }: Questions): string[] {
  return [rows, files, below, hidden, touched].map((each) => JSON.stringify(each));
}

function writtenValues(bookId: BookId, plan: AppendPlan): unknown[] {
  const { seq, entryHash } = plan.head;
  const lists = [plan.rows, plan.removed, plan.stored, plan.shown, plan.hidden];
  return [bookId, seq, entryHash, ...lists.map((list) => JSON.stringify(list))];
}

async function* pagesOf(
  bookId: BookId,
  transaction: OpenTransaction,
): AsyncGenerator<readonly SharedFile[], void> {
  try {
    let last = { user_id: "", path: "" };
    for (;;) {
      const rows = await transaction.query(
        `SELECT ${FILE_COLUMNS} FROM pfs.file_journal
         WHERE book_id = $1 AND (user_id, path) > ($2::text COLLATE "C", $3::text COLLATE "C")
         ORDER BY user_id, path LIMIT ${PAGE_FILES}`,
        [bookId, last.user_id, last.path],
      );
      const files = rows.map(parseFile);
      const end = files.at(-1);
      if (end === undefined) return;
      yield files;
      if (files.length < PAGE_FILES) return;
      last = { user_id: end.userId, path: end.path };
    }
  } finally {
    await transaction.end();
  }
}
