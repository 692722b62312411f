/**
 * HTTP on a Unix socket: owns listening, who may connect, finding the route, reading and writing JSON. Must never know what
 * a route does.
 */
import { chmodSync, rmSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import type { PeerCredentials } from "../../lib/libc-sockets.ts";
import { errorCodes, isErrorCode, PfsError } from "../../schema/errors.ts";
import { reportOf } from "../error-report.ts";
import { Page } from "../monitor.ts";
import { createServer } from "../node-http.ts";
import type { SocketAddress } from "../store-socket.ts";
import { ByteAnswer } from "./byte-answer.ts";
import { peerOf } from "./peer.ts";
import type { ControlAnswer, Route } from "./route.ts";

const MAX_BODY_BYTES = 1024 * 1024;
/** How long requests under way may take when the daemon ends. */
const CLOSE_TIMEOUT_MS = 1_000;

/** HTTP status for refusals; anything else that is refused is 409, what nobody foresaw 500. */
const statuses: Readonly<Record<string, number>> = {
  USAGE: 400,
  INVALID_PATH: 400,
  AGENT_REQUIRED: 400,
  NOT_FOUND: 404,
  EXISTS: 409,
  DAEMON_UNREACHABLE: 503,
};

export interface ListenOptions {
  /** Closed with the server. */
  readonly address: SocketAddress;
  /** The socket's permission bits. */
  readonly mode: number;
  readonly routes: readonly Route[];
  /** Whether this process may ask anything at all; one that may not is hung up on. */
  admits(peer: PeerCredentials): boolean;
  /** How many connections each Unix user may have at once. */
  readonly maxConnectionsEach?: number;
}

export class ControlServer {
  readonly #server: Server;
  readonly #options: ListenOptions;
  /** Who is at the other end, as the kernel says it: nobody is asked for a name. */
  readonly #peers = new WeakMap<Socket, PeerCredentials>();
  /** How many there are now, by Unix user. */
  readonly #connections = new Map<number, number>();
  #refuses = false;

  /** Listens; a socket that is there already must be a dead daemon's. @throws Node's system error */
  static async listen(options: ListenOptions): Promise<ControlServer> {
    try {
      rmSync(options.address.path, { force: true });
      const server = new ControlServer(options);
      await server.#listen();
      return server;
    } catch (error) {
      options.address.close();
      throw error;
    }
  }

  private constructor(options: ListenOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket) => {
      const peer = peerOf(socket);
      if (peer !== undefined && this.#takes(peer, socket)) this.#peers.set(socket, peer);
      else socket.destroy();
    });
  }

  #takes(peer: PeerCredentials, socket: Socket): boolean {
    const { admits, maxConnectionsEach = Number.POSITIVE_INFINITY } = this.#options;
    const { uid } = peer;
    const count = this.#connections.get(uid) ?? 0;
    if (!admits(peer) || count >= maxConnectionsEach) return false;
    this.#connections.set(uid, count + 1);
    socket.once("close", () => {
      const left = (this.#connections.get(uid) ?? 1) - 1;
      if (left === 0) this.#connections.delete(uid);
      else this.#connections.set(uid, left);
    });
    return true;
  }

  /** Answers what is under way and refuses what comes from now on. */
  refuseMore(): void {
    this.#refuses = true;
  }

  /** Stops listening and removes the socket, once requests under way are answered. */
  async close(): Promise<void> {
    this.refuseMore();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_TIMEOUT_MS);
    await closed;
    clearTimeout(timer);
    this.#options.address.close();
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    const { address, mode } = this.#options;
    // Node binds before it returns, so that nobody else ever can connect.
    const umask = process.umask(0o777 & ~mode);
    try {
      this.#server.listen(address.path, resolve);
    } finally {
      process.umask(umask);
    }
    await promise;
    chmodSync(address.path, mode);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await send(response, await this.#answer(request));
    } catch (error) {
      fail(response, error);
    }
  }

  async #answer(request: IncomingMessage): Promise<ControlAnswer> {
    const url = new URL(request.url ?? "/", "http://pfsd");
    const { routes } = this.#options;
    const peer = this.#peers.get(request.socket);
    if (peer === undefined) throw new Error("a request of nobody");
    for (const route of routes) {
      const params = route.method === request.method ? match(route.path, url.pathname) : undefined;
      if (params === undefined) continue;
      if (this.#refuses && route.servesWhileStopping !== true) {
        throw new PfsError("DAEMON_UNREACHABLE", "The daemon is stopping.", {
          hint: "Try again in a moment.",
        });
      }
      // What the route leaves of it must not end the connection before the answer is sent.
      const takesBytes = route.takesBytes === true;
      const bytes = takesBytes ? request.iterator({ destroyOnReturn: false }) : NO_BYTES;
      const body = takesBytes ? {} : await readJson(request);
      return route.handle({ params, query: url.searchParams, body, bytes, peer });
    }
    if (request.method === "GET" && url.pathname === "/") return { routes: routes.map(describe) };
    throw new PfsError("NOT_FOUND", `There is no ${request.method} ${url.pathname} here.`, {
      hint: "`GET /` on this socket lists the routes.",
    });
  }
}

const NO_BYTES: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => noBytes() };

async function* noBytes(): AsyncGenerator<Uint8Array, void> {}

function describe({ method, path, summary }: Route): object {
  return { method, path, summary };
}

function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, name] of wanted.entries()) {
    const segment = given[index] as string;
    if (name.startsWith(":")) params[name.slice(1)] = decodeSegment(segment);
    else if (name !== segment) return undefined;
  }
  return params;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new PfsError("USAGE", "The request's path is not encoded as a URL's.");
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes > MAX_BODY_BYTES)
      throw new PfsError("USAGE", `The request is over ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk as Buffer);
  }
  if (sizeBytes === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new PfsError("USAGE", "The request's body is not JSON.", { cause });
  }
}

async function send(response: ServerResponse, answer: ControlAnswer): Promise<void> {
  if (answer instanceof Page) {
    response.writeHead(answer.status, { "content-type": answer.contentType }).end(answer.body);
    return;
  }
  if (answer instanceof ByteAnswer) return answer.send(response);
  if (!(Symbol.asyncIterator in answer)) {
    response.setHeader("content-type", "application/json");
    response.end(`${JSON.stringify(answer)}\n`);
    return;
  }
  const items = answer[Symbol.asyncIterator]();
  // What fails before there is anything to say still gets a status of its own.
  const first = await items.next();
  response.setHeader("content-type", "application/x-ndjson");
  try {
    await pipeline(linesOf(first, items), response);
  } catch (error) {
    // A client that went away needs no answer.
    if ((error as { code?: string }).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

/** A failure under way is the last line: the status line is gone by then. */
async function* linesOf(
  first: IteratorResult<object>,
  items: AsyncIterator<object>,
): AsyncGenerator<string, void> {
  try {
    for (let item = first; item.done !== true; item = await items.next())
      yield `${JSON.stringify(item.value)}\n`;
  } catch (error) {
    yield `${JSON.stringify({ error: reportOf(error) })}\n`;
  } finally {
    // Tells a source that is not at its end that the client went away.
    await items.return?.();
  }
}

function fail(response: ServerResponse, error: unknown): void {
  const report = reportOf(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.statusCode = isErrorCode(report.code) ? (statuses[report.code] ?? 409) : 500;
  response.setHeader("content-type", "application/json");
  const title = isErrorCode(report.code) ? errorCodes[report.code].title : undefined;
  response.end(`${JSON.stringify({ error: { ...report, title } })}\n`);
}
