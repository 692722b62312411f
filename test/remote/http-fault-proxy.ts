// A proxy before an HTTP server that does to requests what bad networks and busy servers do. Passes all else on as it is, the
// Host header, too, which S3's signatures hold. Must never do anything that was not planned.

import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { resetConnection } from "./reset-connection.ts";

export type HttpFault =
  /** Reset when so many bytes of the body have come; the server never sees the whole. */
  | { readonly type: "reset-request"; readonly afterBytes: number }
  /** Reset when so many bytes of the answer's body were passed on. */
  | { readonly type: "reset-answer"; readonly afterBytes: number }
  /** The server does it; its answer is not passed on, but the connection reset. */
  | { readonly type: "lose-answer" }
  /** Answered in the server's place, which never sees it. */
  | {
      readonly type: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The answer's body comes in so many pieces, with pauses between them. */
  | { readonly type: "drip"; readonly pieces: number; readonly pauseMs: number }
  /** One bit of the answer's body is another. */
  | { readonly type: "wrong-bytes" }
  /** Passed on only after so long, as if the server were far away. */
  | { readonly type: "late"; readonly ms: number }
  /** Never answered; of the body so many bytes are taken, if any. */
  | { readonly type: "silence"; readonly afterBytes?: number };

/** What is over when it is tried again. */
export const PASSING_FAULTS: readonly HttpFault[] = [
  { type: "status", status: 500 },
  { type: "status", status: 503 },
  { type: "status", status: 429, headers: { "retry-after": "0" } },
  { type: "reset-request", afterBytes: 0 },
  { type: "reset-answer", afterBytes: 0 },
  { type: "lose-answer" },
];

export interface ProxiedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A request as far as it has come. */
export interface SeenRequest extends ProxiedRequest {
  /** Of its body. */
  receivedBytes: number;
  /** Of its answer, once that was passed on whole. */
  status?: number;
}

/** What is to happen to a request. */
export type HttpFaultPlan = (request: ProxiedRequest) => HttpFault | undefined;

export class HttpFaultProxy {
  plan: HttpFaultPlan = () => undefined;
  /** All that came, in order. */
  readonly requests: SeenRequest[] = [];
  /** How many have come and are not answered yet. */
  underWay = 0;
  readonly #target: URL;
  readonly #server = createServer((incoming, outgoing) => {
    const { socket } = incoming;
    this.underWay++;
    outgoing.once("close", () => this.underWay--);
    this.#handle(incoming, outgoing).catch(() => resetConnection(socket));
  });
  #port = 0;

  static async start(target: string): Promise<HttpFaultProxy> {
    const proxy = new HttpFaultProxy(new URL(target));
    await proxy.#listen();
    return proxy;
  }

  private constructor(target: URL) {
    this.#target = target;
    this.#server.keepAliveTimeout = 60_000;
  }

  /** The target's URL by way of this proxy. */
  get url(): string {
    return new URL(this.#target.pathname, `http://127.0.0.1:${this.#port}`).href;
  }

  /** The next requests for which `isMeant` have these faults, one each. */
  planNext(faults: readonly HttpFault[], isMeant: (request: ProxiedRequest) => boolean = () => true): void {
    const left = [...faults];
    this.plan = (each) => (isMeant(each) ? left.shift() : undefined);
  }

  /** From now on connections are refused, and those that there are reset. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Accepts connections again. */
  async accept(): Promise<void> {
    await this.#listen();
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = incoming;
    const proxied: SeenRequest = { method, url, headers, receivedBytes: 0 };
    const { socket } = incoming;
    this.requests.push(proxied);
    const fault = this.plan(proxied);
    if (fault?.type === "silence") return await take(incoming, proxied, fault.afterBytes ?? 0);
    if (fault?.type === "late") await sleep(fault.ms);
    if (fault?.type === "status") {
      for await (const _ of incoming);
      outgoing.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    const answer = await this.#forward(incoming, proxied, fault);
    if (fault?.type === "lose-answer") {
      for await (const _ of answer);
      resetConnection(socket);
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
    outgoing.flushHeaders();
    for await (const piece of changed(answer, fault)) {
      if (!outgoing.write(piece)) await once(outgoing, "drain");
    }
    if (fault?.type === "reset-answer") {
      // What was written is to arrive first.
      await sleep(20);
      resetConnection(socket);
      return;
    }
    outgoing.end();
    await once(outgoing, "finish");
    if (answer.statusCode !== undefined) proxied.status = answer.statusCode;
  }

  async #forward(
    incoming: IncomingMessage,
    seen: SeenRequest,
    fault: HttpFault | undefined,
  ): Promise<IncomingMessage> {
    const { hostname, port } = this.#target;
    const { method, url, rawHeaders } = incoming;
    const upstream = request({
      hostname,
      port,
      method,
      path: url,
      headers: rawHeaders as never,
      agent: false,
    });
    incoming.on("close", () => {
      if (!incoming.complete) upstream.destroy();
    });
    const answered = once(upstream, "response") as Promise<[IncomingMessage]>;
    answered.catch(() => undefined);
    // Left open at its end, so that it can be reset.
    for await (const piece of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      seen.receivedBytes += piece.byteLength;
      if (fault?.type === "reset-request" && seen.receivedBytes >= fault.afterBytes) {
        upstream.destroy();
        throw new Error("reset as planned");
      }
      if (!upstream.write(piece)) await Promise.race([once(upstream, "drain"), answered]);
    }
    if (fault?.type === "reset-request") {
      upstream.destroy();
      throw new Error("reset as planned");
    }
    upstream.end();
    return (await answered)[0];
  }
}

/** Reads so much of a body, and leaves the rest where it is. */
async function take(incoming: IncomingMessage, seen: SeenRequest, bytes: number): Promise<void> {
  if (bytes === 0) return;
  for await (const piece of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    seen.receivedBytes += piece.byteLength;
    if (seen.receivedBytes >= bytes) return;
  }
}

/** The answer's body as the fault leaves it. */
async function* changed(answer: AsyncIterable<Buffer>, fault: HttpFault | undefined): AsyncGenerator<Buffer> {
  let passedBytes = 0;
  for await (const piece of answer) {
    if (fault?.type === "wrong-bytes" && passedBytes === 0) piece[0] = piece[0]! ^ 1;
    if (fault?.type === "reset-answer" && passedBytes + piece.byteLength >= fault.afterBytes) {
      yield piece.subarray(0, fault.afterBytes - passedBytes);
      return;
    }
    passedBytes += piece.byteLength;
    if (fault?.type !== "drip") {
      yield piece;
      continue;
    }
    const dropBytes = Math.ceil(piece.byteLength / fault.pieces);
    for (let at = 0; at < piece.byteLength; at += dropBytes) {
      yield piece.subarray(at, at + dropBytes);
      await sleep(fault.pauseMs);
    }
  }
}
