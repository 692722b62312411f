/**
 * Owns the comparison that every test here makes: the same program runs in a directory of a mounted book and in one of an
 * ordinary file system, both must look the same afterwards, and the log must have exactly the rows that it should.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { builtInProfile } from "../../schema/profiles.ts";
import { isScratchName } from "../../schema/scratch.ts";
import { type Book, withBook } from "../kernel/harness.ts";
import { Terminal } from "./terminal.ts";

export type ProfileName = "any" | "docusaurus" | "strict";

/** The lesson that most cases begin with. */
export const LESSON = "01-lesson.md";
/** A line longer than a terminal is wide, CRLF and LF, letters beyond ASCII, no final newline. */
export const TEXT = `# Lesson\r\n\n${"word ".repeat(60)}\nGrüße, 世界\n\tlast line`;
/** When the files of a case were last changed, before it began. */
const LONG_AGO = new Date("2024-02-03T04:05:06.789Z");
const LOG_WAIT_MS = 3000;
const LEAVING_WAIT_MS = 20_000;
/** Cases at a time in one book: they mostly wait for a program or for the second in which a path may come back. */
const CONCURRENCY = 3;

type Operations = Readonly<Record<string, readonly string[]>>;

/** One thing that a program does to a directory. */
export interface Case {
  /** What is shown; the rules are in the title of the test around it. */
  readonly title: string;
  /** What is there before, by path below the case's directory. `LESSON` with `TEXT` if not given. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** A bash script, run in the case's directory, or a program of steps. */
  readonly run: string | ((place: CasePlace) => Promise<void>);
  /**
   * Operations that the log has afterwards, by path, in order; refused ones as `refused create`. `any` where they depend
   * on how quickly a program does one thing after the other: only that the journal has the files as they are is checked.
   */
  readonly log: Operations | "any";
  /** Files whose content differs from run to run; only their names, types and modes are compared. */
  readonly volatile?: RegExp;
  /** Where files went that keep their identity: new path by old path; null for one that has gone though its path has not. */
  readonly moved?: Readonly<Record<string, string | null>>;
  /** What a program can do in a book and nowhere else: the outcome is not compared with an ordinary file system. */
  readonly onlyHere?: boolean;
  /** What else must hold in the book's directory. */
  readonly after?: (place: CasePlace) => Promise<void>;
}

/** Where a case runs: in the book and once more beside it. */
export interface CasePlace {
  readonly dir: string;
  /** Of this case and place alone. */
  readonly home: string;
  /** The book, or undefined on the ordinary file system. */
  readonly book: Book | undefined;
  sh(script: string): Promise<string>;
  terminal(command: string): Promise<Terminal>;
}

interface Row {
  readonly operation: string;
  readonly path: string;
  readonly status: string;
  readonly newHash: string | null;
  readonly fileId: number;
}

/** Runs cases in a book with a mount of its own; each is a subtest. */
export async function assertSaves(
  t: TestContext,
  profile: ProfileName,
  cases: readonly Case[],
): Promise<void> {
  await withBook({ profile }, async (book) => {
    const database = new Database(join(dirname(book.plain), "store", "pfs.db"), { readonly: true });
    try {
      await t.test("cases", { concurrency: CONCURRENCY }, async (t) => {
        const checks = cases.map((one, at) => {
          const place = `content/01-Part/${String(at + 1).padStart(2, "0")}-Case`;
          return t.test(one.title, (t) => checkCase(t, { book, profile, database, place }, one));
        });
        await Promise.all(checks);
      });
      await leftAlone(book.dir);
    } finally {
      database.close();
    }
  });
}

/** What an editor has started may outlive it by a moment, where it was: the mount is in use until then. */
async function leftAlone(dir: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < LEAVING_WAIT_MS; waitedMs += 100) {
    const places = await Promise.all(
      (await readdir("/proc"))
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")),
    );
    if (!places.some((place) => place.startsWith(dir))) return;
    await sleep(100);
  }
}

interface Scene {
  readonly book: Book;
  readonly profile: ProfileName;
  readonly database: Database.Database;
  /** The case's directory, relative to the root. */
  readonly place: string;
}

async function checkCase(t: TestContext, scene: Scene, one: Case): Promise<void> {
  const { book, database, place } = scene;
  const here = await makePlace(t, book, { root: book.dir, place, isBook: true });
  const there = await makePlace(t, book, { root: book.plain, place, isBook: false });
  const files = one.files ?? { [LESSON]: TEXT };
  for (const { dir } of [here, there]) await writeFiles(dir, files);
  const inodes = new Map<string, number>();
  for (const path of Object.keys(files)) inodes.set(path, (await lstat(join(here.dir, path))).ino);
  const { seq } = database.prepare("SELECT coalesce(max(seq), 0) AS seq FROM audit_log").get() as {
    seq: number;
  };

  await Promise.all(
    [here, ...(one.onlyHere === true ? [] : [there])].map((at) =>
      typeof one.run === "string" ? at.sh(one.run) : one.run(at),
    ),
  );

  const rows = await readLog(scene, seq, one.log);
  if (one.log !== "any") assert.deepEqual(operationsByPath(rows, place), one.log, "the rows of the log");
  if (one.onlyHere !== true)
    assert.deepEqual(
      await snapshot(here.dir, one),
      await snapshot(there.dir, one),
      "here and on an ordinary file system",
    );
  await assertIdentities(here.dir, inodes, one);
  await assertJournal(scene, here.dir);
  await one.after?.(here);
}

async function makePlace(
  t: TestContext,
  book: Book,
  { root, place, isBook }: { root: string; place: string; isBook: boolean },
): Promise<CasePlace> {
  const dir = join(root, place);
  await mkdir(dir, { recursive: true });
  const top = dirname(book.plain);
  // Short: a tmux socket comes there, and a socket's path has room for 107 bytes.
  const home = join(top, isBook ? "h" : "p", basename(place));
  await mkdir(home, { recursive: true });
  const env = environment(home);
  return {
    dir,
    home,
    book: isBook ? book : undefined,
    sh: (script) => runScript(dir, script, env),
    async terminal(command) {
      const terminal = await Terminal.start({ command, cwd: dir, env, socket: join(home, "tmux.sock") });
      t.after(() => terminal.close());
      return terminal;
    },
  };
}

/** Nothing of the person who runs the tests: no configuration, no session, no locale. */
function environment(home: string): NodeJS.ProcessEnv {
  const { PATH } = process.env;
  return {
    PATH,
    HOME: home,
    TMPDIR: home,
    LANG: "C.UTF-8",
    TERM: "xterm",
    SHELL: "/bin/bash",
    EDITOR: "false",
  };
}

function runScript(cwd: string, script: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    said += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  child.on("error", reject);
  child.on("close", (code) => {
    if (code === 0) resolve(stdout);
    else reject(new Error(`exit ${code} in ${cwd}:\n${script}\n${said}`));
  });
  return promise;
}

async function writeFiles(dir: string, files: NonNullable<Case["files"]>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const full = join(dir, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, content);
    await utimes(full, LONG_AGO, LONG_AGO);
  }
}

/** The log after `seq`, once no path waits to be settled and it is what is expected, or has had the time to become so. */
async function readLog({ database, place }: Scene, seq: number, expected: Case["log"]): Promise<Row[]> {
  const waiting = database.prepare("SELECT count(*) AS count FROM vacancy WHERE substr(path, 1, ?) = ?");
  const query = database.prepare(
    `SELECT operation, path, status, new_hash AS newHash, file_id AS fileId FROM audit_log
     WHERE seq > ? AND substr(path, 1, ?) = ? ORDER BY seq`,
  );
  const below = [place.length + 1, `${place}/`];
  const deadline = Date.now() + LOG_WAIT_MS;
  for (;;) {
    const { count } = waiting.get(...below) as { count: number };
    const rows = query.all(seq, ...below) as Row[];
    const isThere =
      expected === "any" ||
      JSON.stringify(sorted(operationsByPath(rows, place))) === JSON.stringify(sorted(expected));
    if ((count === 0 && isThere) || Date.now() > deadline) return rows;
    await sleep(20);
  }
}

function sorted(log: Operations): unknown {
  return Object.entries(log).sort(([a], [b]) => (a < b ? -1 : 1));
}

function operationsByPath(rows: readonly Row[], place: string): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (const { path, operation, status } of rows) {
    const name = path.slice(place.length + 1);
    result[name] ??= [];
    result[name].push(status === "ok" ? operation : `${status} ${operation}`);
  }
  return result;
}

/** What `ls -la` and `cat` show, one line per name; times only where a program kept an old one. `.git` only by its name. */
async function snapshot(dir: string, one: Case, below = ""): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(join(dir, below))).sort()) {
    const path = below === "" ? name : `${below}/${name}`;
    const full = join(dir, path);
    const stats = await lstat(full);
    const mode = stats.mode.toString(8);
    const isVolatile = one.volatile?.test(path) === true;
    if (stats.isDirectory())
      lines.push(`${path}/ ${mode}`, ...(name === ".git" ? [] : await snapshot(dir, one, path)));
    else if (stats.isSymbolicLink()) lines.push(`${path} -> ${isVolatile ? "" : await readlink(full)}`);
    else if (!stats.isFile()) lines.push(`${path} ${mode}`);
    else if (isVolatile) lines.push(`${path} ${mode} ${stats.nlink}`);
    else {
      const time = stats.mtimeMs < Date.now() - 3_600_000 ? ` ${stats.mtimeMs}` : "";
      lines.push(`${path} ${mode} ${stats.nlink}${time} ${JSON.stringify(await readFile(full, "latin1"))}`);
    }
  }
  return lines;
}

async function assertIdentities(dir: string, before: ReadonlyMap<string, number>, one: Case): Promise<void> {
  for (const [path, inode] of before) {
    const moved = one.moved?.[path];
    if (moved === null) continue;
    const now = await lstat(join(dir, moved ?? path)).catch(() => undefined);
    if (now !== undefined) assert.equal(now.ino, inode, `I1: the inode number of ${path}`);
    else assert.equal(moved, undefined, `${path} was to be moved`);
  }
}

/** The journal has the files that are there but for scratch, with the hashes of their bytes and their inode numbers. */
async function assertJournal({ database, place, profile }: Scene, dir: string): Promise<void> {
  const journal = database
    .prepare(
      `SELECT path, sha256 AS hash, file_id AS fileId FROM file_journal
       WHERE parent IS NOT NULL AND substr(path, 1, ?) = ? ORDER BY path`,
    )
    .all(place.length + 1, `${place}/`);
  const present: unknown[] = [];
  for (const path of await listTracked(dir, place, profile)) {
    const full = join(dir, path.slice(place.length + 1));
    const stats = await lstat(full);
    const bytes = stats.isSymbolicLink() ? await readlink(full) : await readFile(full);
    present.push({ path, hash: createHash("sha256").update(bytes).digest("hex"), fileId: stats.ino });
  }
  assert.deepEqual(journal, present, "the journal and the files");
}

async function listTracked(dir: string, place: string, profile: ProfileName): Promise<string[]> {
  const schema = builtInProfile(profile);
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(place, entry.parentPath.slice(dir.length), entry.name))
    .filter((path) => schema.matchesFile(path) && !path.split("/").some(isScratchName))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
