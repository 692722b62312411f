/**
 * PostgreSQL and S3 for the soak, behind a network that fails now and then, as long as one wishes. Owns the faults; must never do
 * one before `begin` or after `calm`.
 */
import { HttpFaultProxy, PASSING_FAULTS } from "../remote/http-fault-proxy.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { seededRandom } from "../remote/random.ts";
import { type S3Server, setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";

const HTTP_SHARE = 0.05;
/** Connections to the database are cut about so often. */
const CUT_AFTER_MS = [500, 4_000] as const;

export class FaultyRemote {
  /** How many faults there were. */
  readonly faults = { http: 0, cuts: 0 };
  readonly #postgres: PostgresServer;
  readonly #s3: S3Server;
  readonly #http: HttpFaultProxy;
  readonly #tcp: TcpProxy;
  readonly #random: () => number;
  readonly #database: string;
  #timer: NodeJS.Timeout | undefined;

  static async start(seed: number): Promise<FaultyRemote> {
    const postgres = await PostgresServer.make("embedded");
    try {
      const s3 = await startS3Server();
      const http = await HttpFaultProxy.start(s3.endpoint);
      const tcp = await TcpProxy.make(postgres.port);
      const database = await postgres.makeDatabase();
      return new FaultyRemote({ postgres, s3, http, tcp, database, random: seededRandom(seed) });
    } catch (error) {
      await postgres.remove();
      throw error;
    }
  }

  private constructor(parts: {
    postgres: PostgresServer;
    s3: S3Server;
    http: HttpFaultProxy;
    tcp: TcpProxy;
    database: string;
    random: () => number;
  }) {
    this.#postgres = parts.postgres;
    this.#s3 = parts.s3;
    this.#http = parts.http;
    this.#tcp = parts.tcp;
    this.#database = parts.database;
    this.#random = parts.random;
  }

  /** As after `pfs remote add BOOK`. */
  get urls(): { readonly log: string; readonly blobs: string } {
    const log = `postgres://pfs@127.0.0.1:${this.#tcp.port}/${this.#database}`;
    return { log, blobs: this.#s3.urlOf("soak", this.#http.url) };
  }

  /** What a daemon needs to know to use it. */
  get env(): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = {};
    setS3Credentials(env);
    return env;
  }

  begin(): void {
    this.#http.plan = () => {
      if (this.#random() >= HTTP_SHARE) return undefined;
      this.faults.http++;
      return PASSING_FAULTS[Math.floor(this.#random() * PASSING_FAULTS.length)];
    };
    const cutLater = (): void => {
      const [least, most] = CUT_AFTER_MS;
      this.#timer = setTimeout(
        () => {
          this.faults.cuts++;
          this.#tcp.cut();
          cutLater();
        },
        least + this.#random() * (most - least),
      );
    };
    cutLater();
  }

  calm(): void {
    clearTimeout(this.#timer);
    this.#http.plan = () => undefined;
  }

  async stop(): Promise<void> {
    this.calm();
    await this.#tcp.close();
    await this.#http.stop();
    await this.#s3.stop();
    await this.#postgres.remove();
  }
}
