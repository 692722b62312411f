// An S3 server that takes objects in parts and answers each part only when the test lets it. It has one object, and forgets all
// else. Must never answer a part that it has not read whole.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Blobs } from "../../lib/remote/s3-blobs.ts";
import { setS3Credentials } from "./s3-server.ts";

export const PART_BYTES = 1024 * 1024;

export class S3PartServer {
  /** What a read of it gives. */
  readonly object = Buffer.from("a lesson");
  /** Parts that are waited for: with what each is answered, once that is known. */
  readonly underWay = new Set<string>();
  /** The most that there were at once. */
  mostAtOnce = 0;
  /** MD5s of the parts that were answered. */
  readonly taken: string[] = [];
  readonly #answerFor: (part: string) => Promise<number>;
  readonly #server = createServer((request, answer) => void this.#handle(request, answer));

  /** @param answerFor the status to answer a part with, `KEY NUMBER`, when it is time to */
  static async with(
    answerFor: (part: string) => Promise<number>,
    use: (blobs: S3Blobs, server: S3PartServer) => Promise<void>,
  ): Promise<void> {
    setS3Credentials();
    const server = new S3PartServer(answerFor);
    const uploadsDirectory = mkdtempSync(join(tmpdir(), "pfs-test-"));
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    const { port } = server.#server.address() as AddressInfo;
    const location = { type: "s3", bucket: "books", prefix: "", region: "auto" } as const;
    const endpoint = `http://127.0.0.1:${port}`;
    const blobs = new S3Blobs({ ...location, endpoint, uploadsDirectory, partBytes: PART_BYTES });
    try {
      await use(blobs, server);
    } finally {
      await blobs.close();
      server.#server.closeAllConnections();
      server.#server.close();
      rmSync(uploadsDirectory, { recursive: true });
    }
  }

  private constructor(answerFor: (part: string) => Promise<number>) {
    this.#answerFor = answerFor;
  }

  async #handle(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://server");
    const key = pathname.split("/").at(-1) ?? "";
    const part = `${key} ${searchParams.get("partNumber")}`;
    if (request.method === "PUT") await this.#takePart(part, request, answer);
    else if (request.method === "GET") answer.writeHead(200).end(this.object);
    else if (request.method === "POST") answer.writeHead(200).end(answerTo(searchParams));
    else answer.writeHead(404).end();
  }

  async #takePart(part: string, request: IncomingMessage, answer: ServerResponse): Promise<void> {
    this.underWay.add(part);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.underWay.size);
    const digest = createHash("md5");
    for await (const piece of request as AsyncIterable<Buffer>) digest.update(piece);
    const status = await this.#answerFor(part);
    this.underWay.delete(part);
    if (status === 200) this.taken.push(digest.digest("base64"));
    answer.writeHead(status, { etag: '"1"' }).end();
  }
}

function answerTo(query: URLSearchParams): string {
  return query.has("uploads")
    ? "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
    : "<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>";
}
