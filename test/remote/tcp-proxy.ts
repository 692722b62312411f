// A connection in the middle, for the tests of what goes over one: it counts, falls silent, and cuts off. Must never change
// what it passes on but by `change`.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Corrupted } from "./corrupt-bytes.ts";
import { resetConnection } from "./reset-connection.ts";

export type Side = "client" | "server";

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** The port of the server that new connections go to. */
  serverPort: number;
  #isSilent = false;
  /** How many times the client said something and the server then answered, over all connections. */
  roundTrips = 0;
  /** How many connections were made, and how many have ended. */
  begun = 0;
  ended = 0;
  /** Answers are passed on in pieces of so many bytes, each by itself. */
  dripBytes: number | undefined;
  /** Called when the client has said something, before that is passed on. */
  onRequest: (() => void) | undefined;
  /** Called when the server has answered, before that is passed on. */
  onAnswer: (() => void) | undefined;
  /** What is passed on in place of what one side said at once; undefined: what it said. */
  change: ((bytes: Buffer, side: Side) => Corrupted | undefined) | undefined;

  private constructor(server: Server, serverPort: number) {
    this.#server = server;
    this.serverPort = serverPort;
  }

  static async make(port: number): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server, port);
    server.on("connection", (inner) => proxy.#join(inner, connect(proxy.serverPort, "127.0.0.1")));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on nothing that is sent arrives, on connections that are there and on new ones, and nobody is told. */
  fallSilent(): void {
    this.#isSilent = true;
  }

  speak(): void {
    this.#isSilent = false;
  }

  /** Resets all connections. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) resetConnection(socket);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }

  async *#pieces(bytes: Buffer): AsyncGenerator<Buffer> {
    const length = this.dripBytes ?? bytes.length;
    for (let at = 0; at < bytes.length; at += length) {
      if (at > 0) await setImmediate();
      yield bytes.subarray(at, at + length);
    }
  }

  #join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.begun++;
    this.#pairs.add(pair);
    let isAsked = false;
    let answers = Promise.resolve();
    const silent = new Set<Side>();
    const changed = (said: Buffer, side: Side): Buffer => {
      if (silent.has(side)) return Buffer.alloc(0);
      const { bytes, isSilentThen } = this.change?.(said, side) ?? { bytes: said, isSilentThen: false };
      if (isSilentThen) silent.add(side);
      return bytes;
    };
    client.on("data", (said) => {
      isAsked = true;
      this.onRequest?.();
      const bytes = changed(said, "client");
      if (!this.#isSilent) server.write(bytes);
    });
    server.on("data", (said) => {
      if (isAsked) this.roundTrips++;
      isAsked = false;
      this.onAnswer?.();
      const bytes = changed(said, "server");
      answers = answers.then(async () => {
        for await (const piece of this.#pieces(bytes)) if (!this.#isSilent) client.write(piece);
      });
    });
    for (const [one, other] of [pair, [server, client] as const]) {
      one.on("error", () => {});
      one.on("close", () => {
        if (this.#pairs.delete(pair)) this.ended++;
        if (!this.#isSilent) other.destroy();
      });
    }
  }
}
