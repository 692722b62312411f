// Servers whose listings begin again and again, or whose answers have no end: nobody reads them for ever.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import { S3Blobs } from "../../lib/remote/s3-blobs.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { isUnavailable } from "./remote-failure.ts";
import { S3Fixture } from "./s3-fixture.ts";
import { setS3Credentials } from "./s3-server.ts";
import { sourceOf } from "./sources.ts";

const s3 = new S3Fixture();
const MIB = 1024 * 1024;
/** So many pages are without an end. */
const MANY = 20;
const [A, B, C] = ["a", "b", "c"].map((text) => sourceOf(text).hash).sort() as [BlobHash, BlobHash, BlobHash];

interface Page {
  readonly keys: readonly string[];
  readonly next?: string | undefined;
}

const keyOf = (hash: string) => `blobs/${hash.slice(0, 2)}/${hash}`;
const DATE = "2026-01-01T00:00:00.000Z";

function listingOf({ keys, next }: Page, prefix: string): string {
  const items = keys.map(
    (key) =>
      `<Contents><Key>${prefix}${key}</Key><Size>1</Size><LastModified>${DATE}</LastModified></Contents>`,
  );
  const more = next === undefined ? "" : `<NextContinuationToken>${next}</NextContinuationToken>`;
  return `<ListBucketResult>${items.join("")}<IsTruncated>${next !== undefined}</IsTruncated>${more}</ListBucketResult>`;
}

function uploadsOf({ keys, next }: Page, prefix: string): string {
  const items = keys.map(
    (key) =>
      `<Upload><Key>${prefix}${key}</Key><UploadId>1</UploadId><Initiated>${DATE}</Initiated></Upload>`,
  );
  const more =
    next === undefined
      ? ""
      : `<NextKeyMarker>${next}</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>`;
  return `<ListMultipartUploadsResult>${items.join("")}<IsTruncated>${next !== undefined}</IsTruncated>${more}</ListMultipartUploadsResult>`;
}

/** What is done on a server that lists these pages. @returns how many were asked for */
async function withPages(
  pageAt: (at: number) => Page,
  use: (blobs: RemoteBlobs) => Promise<void>,
): Promise<number> {
  let asked = 0;
  await s3.withBlobs(async (blobs, { location: { prefix } }) => {
    s3.proxy.plan = ({ method, url }) => {
      if (method !== "GET") return { type: "status", status: 204 };
      const page = pageAt(asked++);
      const shown = asked < MANY ? page : { keys: page.keys };
      const body = /[?&]uploads/.test(url) ? uploadsOf(shown, prefix) : listingOf(shown, prefix);
      return { type: "status", status: 200, body };
    };
    await use(blobs);
  });
  return asked;
}

const isRefused = {
  code: "CORRUPT",
  isRetryable: false,
  message: /^The remote s3:.+ gave a listing that has the same again, or is out of order\.$/,
};
/** By how the server goes round. */
const ROUNDS: readonly [title: string, pageOf: (keys: readonly string[]) => (at: number) => Page][] = [
  ["the same page with the same token", (keys) => () => ({ keys: keys.slice(0, 1), next: "1" })],
  ["the same page with a new token each time", (keys) => (at) => ({ keys, next: `${at}` })],
  ["two pages in turn", (keys) => (at) => ({ keys: keys.slice(at % 2, (at % 2) + 1), next: `${at}` })],
  ["empty pages with the same token", () => () => ({ keys: [], next: "1" })],
];

for (const [title, pageOf] of ROUNDS)
  test(`s3: CORRUPT: a listing without an end is refused within a few pages: ${title}`, async () => {
    const files = ["book/content/a.md", "book/content/ä.md"];
    const lists: readonly [readonly string[], (blobs: RemoteBlobs) => Promise<unknown>][] = [
      [[A, B].map(keyOf), (blobs) => Array.fromAsync(blobs.list())],
      [files.map((name) => `books/${name}`), (blobs) => Array.fromAsync(blobs.listPublished("book/"))],
      [[A, B].map(keyOf), (blobs) => blobs.abortUploads(Date.now(), true)],
      [[A, B].map(keyOf), (blobs) => blobs.abortUploads(Date.now(), false)],
    ];
    for (const [keys, list] of lists) {
      const asked = await withPages(pageOf(keys), (blobs) => assert.rejects(list(blobs), isRefused));
      assert.ok(asked <= 3, `${asked}`);
    }
  });

test("s3: CORRUPT: blobs that are listed out of order, or from before where it was asked to begin, are not believed", async () => {
  for (const [keys, after] of [
    [[A, C, B], undefined],
    [[A, A], undefined],
    [[B, C], B],
    [[A, C], B],
  ] as const) {
    const list = (blobs: RemoteBlobs) => Array.fromAsync(blobs.list(after));
    await withPages(
      () => ({ keys: keys.map(keyOf) }),
      (blobs) => assert.rejects(list(blobs), isRefused),
    );
  }
});

test("s3: names that are published may be sorted as the server likes, as they may have any letters", async () => {
  const pages = [
    ["book/b.md", "book/ä.md"],
    ["book/a.md", "book/a/b.md"],
  ];
  const asked = await withPages(
    (at) => ({ keys: (pages[at] ?? []).map((name) => `books/${name}`), next: at === 0 ? "1" : undefined }),
    async (blobs) => {
      const found = (await Array.fromAsync(blobs.listPublished("book/"))).flat();
      assert.deepEqual(
        found.map(({ name }) => name),
        pages.flat(),
      );
    },
  );
  assert.equal(asked, 2);
});

test("s3: an answer that does not end is given up, be it a listing's or an error's, and its connection with it", async () => {
  setS3Credentials();
  const uploadsDirectory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  let sentBytes = 0;
  const pour = async (answer: ServerResponse): Promise<void> => {
    const piece = Buffer.alloc(MIB, " ");
    answer.write("<Answer>");
    // Those that take everything in shall end, too.
    for (sentBytes = 0; sentBytes < 64 * MIB && !answer.destroyed; sentBytes += MIB)
      if (!answer.write(piece)) await Promise.race([once(answer, "drain"), once(answer, "close")]);
    answer.end("</Answer>");
  };
  const server = createServer((request, answer) => {
    request.resume();
    answer.writeHead(request.method === "GET" && request.url?.includes("list-type") === true ? 200 : 500);
    void pour(answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const location = { type: "s3", bucket: "books", prefix: "", region: "auto" } as const;
  const blobs = new S3Blobs({ ...location, endpoint: `http://127.0.0.1:${port}`, uploadsDirectory });
  const isTooLong = isUnavailable(/^The remote s3:.+ gave an answer that is too long to be S3's\.$/, true);
  try {
    for (const ask of [
      () => Array.fromAsync(blobs.list()),
      () => blobs.put(sourceOf("a lesson")),
      () => Array.fromAsync(blobs.get(A)),
    ]) {
      await assert.rejects(ask(), isTooLong);
      assert.ok(sentBytes < 48 * MIB, `${sentBytes}`);
    }
  } finally {
    await blobs.close();
    server.closeAllConnections();
    server.close();
    rmSync(uploadsDirectory, { recursive: true });
  }
});
