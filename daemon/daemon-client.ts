/**
 * The daemon as a command knows it: finds the one that owns a store and talks HTTP with it over its socket. Must never
 * open the store.
 */
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { PfsError } from "../schema/errors.ts";
import { type ErrorReport, errorFrom, UNFORESEEN } from "./error-report.ts";
import { openSocketAddress } from "./store-socket.ts";

type Method = "GET" | "POST" | "DELETE";

/** Nobody there: no socket, a socket of a dead daemon, or no store at all. */
const ABSENT = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR"]);

export class DaemonClient {
  readonly storeDirectory: string;

  constructor(storeDirectory: string) {
    this.storeDirectory = storeDirectory;
  }

  /** One JSON object. @throws what the daemon answers; PfsError DAEMON_UNREACHABLE */
  async call(method: Method, path: string, body?: object): Promise<unknown> {
    const response = await this.#send(method, path, body);
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    return parseLine(text);
  }

  /** JSON objects, one by one as they come. @throws as {@link call} */
  async *stream(method: Method, path: string, body?: object): AsyncGenerator<unknown, void> {
    const response = await this.#send(method, path, body);
    for await (const line of createInterface({ input: response })) {
      if (line !== "") yield parseLine(line);
    }
    if (!response.complete)
      throw unreachable(this.storeDirectory, "it has ended in the middle of its answer");
  }

  #send(method: Method, path: string, body: object | undefined): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const address = openSocketAddress(this.storeDirectory);
    const sent = request({ socketPath: address.path, method, path, agent: false }, resolve);
    sent.on("error", (error: NodeJS.ErrnoException) => {
      reject(ABSENT.has(error.code ?? "") ? error : unreachable(this.storeDirectory, error.message, error));
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return promise.finally(() => address.close());
  }
}

/** The daemon that owns this store, or undefined when none runs. @throws PfsError DAEMON_UNREACHABLE */
export async function findDaemon(storeDirectory: string): Promise<DaemonClient | undefined> {
  const client = new DaemonClient(storeDirectory);
  try {
    await client.call("GET", "/");
    return client;
  } catch (error) {
    if (ABSENT.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
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
  const error = (value as { error?: ErrorReport } | null)?.error;
  if (error !== undefined) throw errorFrom({ ...error, code: error.code ?? UNFORESEEN });
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
        : "`pfs status` says whether it runs; `pfs stop` ends it.",
      cause,
    },
  );
}
