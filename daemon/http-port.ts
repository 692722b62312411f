/**
 * Owns the daemon's HTTP port, where one is asked for: read-only pages for monitoring, for whoever reaches the address. Must
 * never serve what changes something, nor names paths, agents or users.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PfsError } from "../schema/errors.ts";
import { formatHttpAddress, type HttpAddress } from "../schema/http-address.ts";
import { type MonitorPage, Page } from "./monitor.ts";
import { createServer } from "./node-http.ts";

const TEXT = "text/plain; charset=utf-8";
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;

export class HttpPort {
  readonly #server: Server;
  readonly #pages: readonly MonitorPage[];

  /** @throws PfsError USAGE: it cannot be listened on */
  static async listen(address: HttpAddress, pages: readonly MonitorPage[]): Promise<HttpPort> {
    const port = new HttpPort(pages);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    port.#server.once("error", reject);
    port.#server.listen(address.port, address.host, resolve);
    try {
      await promise;
      return port;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new PfsError("USAGE", `Cannot listen on ${formatHttpAddress(address)}: ${code}.`, {
        hint:
          code === "EADDRINUSE"
            ? "Something else uses this port: name another one."
            : "Name another address.",
        cause,
      });
    }
  }

  private constructor(pages: readonly MonitorPage[]) {
    this.#pages = pages;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
  }

  /** Where it is, such as `127.0.0.1:9130`. */
  get address(): string {
    const { address: host, port } = this.#server.address() as AddressInfo;
    return formatHttpAddress({ host, port });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, contentType, body } = await this.#answer(request);
    if (status === 405) response.setHeader("allow", "GET, HEAD");
    // Nobody sends anything here that would be worth waiting for.
    if (request.method !== "GET" && request.method !== "HEAD") response.setHeader("connection", "close");
    response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  async #answer({ method, url = "/" }: IncomingMessage): Promise<Page> {
    const path = url.replace(/\?.*$/, "");
    const page = this.#pages.find((each) => each.path === path);
    if (method !== "GET" && method !== "HEAD")
      return new Page(405, TEXT, "Only GET and HEAD are answered here.\n");
    const names = this.#pages.map((each) => each.path).join(", ");
    if (page === undefined) return new Page(404, TEXT, `There are ${names} here.\n`);
    try {
      return await page.make();
    } catch (error) {
      return new Page(503, TEXT, `${(error as Error).message}\n`);
    }
  }
}
