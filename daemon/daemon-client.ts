/**
 * The daemon as a command knows it: finds the one that owns a store and talks HTTP with it over its socket. Must never
 * open the store.
 */
import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { PfsError } from "../schema/errors.ts";
import { type ErrorReport, errorFrom, UNFORESEEN } from "./error-report.ts";
import { endKilledOwner, ownerOf } from "./killed-owner.ts";
import { request } from "./node-http.ts";
import { openSocketAddress } from "./store-socket.ts";

type Method = "GET" | "POST" | "PUT" | "DELETE";

/** What goes with a request: an object as JSON, or bytes as they come. */
type Body = object | AsyncIterable<Uint8Array>;

/** A daemon answers a greeting at once, whatever else it does; one that was stopped with a signal never does. */
const GREETING_TIMEOUT_MS = 5_000;

/** How often, and how long after, one is asked again that went away while it was asked: a killed one may listen until it has ended. */
const DYING_TRIES = 20;
const DYING_RETRY_MS = 50;

/** Nobody there: no socket, a socket of a dead daemon, or no store at all. */
const ABSENT = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR"]);

/** The connection has ended before the answer. */
const ENDED = new Set(["ECONNRESET", "EPIPE"]);

/** No answer in time. */
class Silence extends Error {
  constructor(timeoutMs: number) {
    super(`it has not answered for ${timeoutMs / 1000} seconds`);
  }
}

export class DaemonClient {
  readonly storeDirectory: string;
  readonly #socket: string | undefined;

  /** @param socket another one than the store's own, as that for other Unix users */
  constructor(storeDirectory: string, socket?: string) {
    this.storeDirectory = storeDirectory;
    this.#socket = socket;
  }

  /** One JSON object. @throws what the daemon answers; PfsError DAEMON_UNREACHABLE */
  async call(method: Method, path: string, body?: object): Promise<unknown> {
    return this.#call(method, path, body);
  }

  /** Sends bytes as they come; answers one JSON object. @throws as {@link call}; what `bytes` throws, if it is a PfsError */
  async upload(path: string, bytes: AsyncIterable<Uint8Array>): Promise<unknown> {
    return this.#call("PUT", path, bytes);
  }

  /** Asks for a sign of life. @throws PfsError DAEMON_UNREACHABLE when none comes within some seconds */
  async greet(): Promise<void> {
    await this.#call("GET", "/", undefined, GREETING_TIMEOUT_MS);
  }

  async #call(method: Method, path: string, body?: Body, timeoutMs?: number): Promise<unknown> {
    const response = await this.#send(method, path, body, timeoutMs);
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    return parseLine(text);
  }

  /** JSON objects, one by one as they come. @throws as {@link call} */
  async *stream(method: Method, path: string, body?: object): AsyncGenerator<unknown, void> {
    const response = await this.#send(method, path, body);
    try {
      for await (const line of createInterface({ input: response })) {
        if (line !== "") yield parseLine(line);
      }
      if (!response.complete) throw this.#unreachable("it has ended in the middle of its answer");
    } finally {
      // Who has had enough of it leaves the rest with the daemon.
      response.destroy();
    }
  }

  #send(method: Method, path: string, body: Body | undefined, timeoutMs?: number): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const address =
      this.#socket === undefined
        ? openSocketAddress(this.storeDirectory)
        : { path: this.#socket, close: () => undefined };
    const timeout = timeoutMs === undefined ? {} : { timeout: timeoutMs };
    const sent = request({ socketPath: address.path, method, path, agent: false, ...timeout }, resolve);
    sent.on("timeout", () => sent.destroy(new Silence(timeoutMs as number)));
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const isAbsent = ABSENT.has(error.code ?? "") && this.#socket === undefined;
      reject(isAbsent || error instanceof PfsError ? error : this.#unreachable(error.message, error));
    });
    if (body !== undefined && Symbol.asyncIterator in body) {
      // Its failure is that of the request.
      pipeline(body, sent).catch(() => undefined);
    } else sent.end(body === undefined ? undefined : JSON.stringify(body));
    return promise.finally(() => address.close());
  }

  #unreachable(why: string, cause?: unknown): PfsError {
    if (this.#socket === undefined) return unreachable(this.storeDirectory, why, cause);
    return new PfsError("DAEMON_UNREACHABLE", `No daemon can be reached at ${this.#socket}: ${why}.`, {
      hint: "The daemon's configuration names its socket for other users, under `access`.",
      cause,
    });
  }
}

/**
 * The daemon that owns this store, or undefined when none runs. One that was killed and cannot end is ended.
 * @throws PfsError DAEMON_UNREACHABLE
 */
export async function findDaemon(storeDirectory: string): Promise<DaemonClient | undefined> {
  const client = new DaemonClient(storeDirectory);
  for (let tries = 1; ; tries++) {
    try {
      await client.greet();
      return client;
    } catch (error) {
      if (ABSENT.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
      if (cause instanceof Silence && (await endKilledOwner(storeDirectory))) return undefined;
      if (!ENDED.has(cause?.code ?? "") || tries === DYING_TRIES) throw error;
      await sleep(DYING_RETRY_MS);
    }
  }
}

/** Whether a daemon answers at this store's socket. Never throws. */
export async function answersAt(storeDirectory: string): Promise<boolean> {
  try {
    return (await findDaemon(storeDirectory)) !== undefined;
  } catch {
    return false;
  }
}

function parseLine(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const error = (value as { error?: ErrorReport | string | null } | null)?.error;
  // The status of a sync has one, too, in words or none.
  if (typeof error === "object" && error !== null)
    throw errorFrom({ ...error, code: error.code ?? UNFORESEEN });
  return value;
}

function unreachable(storeDirectory: string, why: string, cause?: unknown): PfsError {
  const denied = (cause as { code?: string } | undefined)?.code === "EACCES";
  const reason = denied ? "it belongs to another user" : why;
  return new PfsError(
    "DAEMON_UNREACHABLE",
    `The daemon of the store ${storeDirectory} cannot be reached: ${reason}.`,
    {
      hint: denied
        ? "Run the command as that user, or name another store with --store."
        : cause instanceof Silence
          ? wakeHint(storeDirectory)
          : "`pfs status` says whether it runs; `pfs stop` ends it.",
      cause,
    },
  );
}

function wakeHint(storeDirectory: string): string {
  const pid = ownerOf(storeDirectory) ?? "PID";
  return `If it was suspended, \`kill -CONT ${pid}\` lets it go on; \`kill -9 ${pid}\` ends it, and nothing that was saved is lost.`;
}
