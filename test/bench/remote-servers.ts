/**
 * The servers that books are shared on while sync is measured: a real PostgreSQL with its own settings, and a server that speaks S3, both
 * of this machine; and a way to each through a proxy that counts. Times are never taken through a proxy, but where it says so.
 */
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { HttpFaultProxy } from "../remote/http-fault-proxy.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { type S3Server, startS3Server } from "../remote/s3-server.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";

/** A remote that is new: as after `pfs remote add BOOK`. */
export interface SharedPlace {
  readonly direct: readonly [log: string, blobs: string];
  /** The same one by way of the proxies. */
  readonly counted: readonly [log: string, blobs: string];
}

export interface Asked {
  /** Of PostgreSQL, beside those that make connections. */
  readonly roundTrips: number;
  readonly connections: number;
  /** Of S3. */
  readonly requests: number;
}

export class RemoteServers {
  readonly #postgres: PostgresServer;
  readonly #s3: S3Server;
  /** Before PostgreSQL: counts round trips. */
  readonly log: TcpProxy;
  /** Before S3: counts requests. */
  readonly blobs: HttpFaultProxy;
  #places = 0;

  static async start(): Promise<RemoteServers> {
    const postgres = await PostgresServer.make("embedded", { asInstalled: true });
    try {
      const s3 = await startS3Server();
      const [log, blobs] = await Promise.all([
        TcpProxy.make(postgres.port),
        HttpFaultProxy.start(s3.endpoint),
      ]);
      return new RemoteServers(postgres, s3, { log, blobs });
    } catch (error) {
      await postgres.remove();
      throw error;
    }
  }

  private constructor(
    postgres: PostgresServer,
    s3: S3Server,
    { log, blobs }: { log: TcpProxy; blobs: HttpFaultProxy },
  ) {
    this.#postgres = postgres;
    this.#s3 = s3;
    this.log = log;
    this.blobs = blobs;
  }

  /** Seconds that the server of S3 has worked on one core, since it was started: it has one thread, whose pace is all others' limit. */
  s3CpuSeconds(): number {
    const [own, ticksPerSecond] = [process.pid, Number(execFileSync("getconf", ["CLK_TCK"]))];
    const stats = globSync("/proc/[0-9]*/stat").map((path) => {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return ""; // It has ended.
      }
    });
    // Name, state, parent; user and system time are the 14th and 15th. Source: proc_pid_stat(5)
    const server = stats
      .map((text) => /^\d+ \((.*)\) (.*)$/s.exec(text))
      .find((found) => {
        return found?.[1] === "workerd" && found[2]?.split(" ")[1] === `${own}`;
      });
    const fields = server?.[2]?.split(" ");
    if (fields === undefined) throw new Error("The server of S3 does not run.");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  async makePlace(): Promise<SharedPlace> {
    const database = await this.#postgres.makeDatabase();
    const prefix = `books/${++this.#places}`;
    return {
      direct: [`postgres://pfs@127.0.0.1:${this.#postgres.port}/${database}`, this.#s3.urlOf(prefix)],
      counted: [
        `postgres://pfs@127.0.0.1:${this.log.port}/${database}`,
        this.#s3.urlOf(prefix, this.blobs.url),
      ],
    };
  }

  /** What `work` asks of the two, by way of the proxies. */
  async count(work: () => Promise<unknown>): Promise<Asked> {
    const { roundTrips, begun } = this.log;
    const requests = this.blobs.requests.length;
    await work();
    const connections = this.log.begun - begun;
    return {
      // Each connection is one, too: nobody has to prove who it is here.
      roundTrips: this.log.roundTrips - roundTrips - connections,
      connections,
      requests: this.blobs.requests.length - requests,
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.log.close(), this.blobs.stop()]);
    await this.#s3.stop();
    await this.#postgres.remove();
  }
}
