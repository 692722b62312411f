// What sync asks of PostgreSQL and S3, counted on the wire: how often, not how fast. Must never trust a counter of pfs.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HttpFaultProxy } from "../remote/http-fault-proxy.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { type S3Server, setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";
import { eventually, LESSON, type Place, SAMPLE, withPlace } from "./harness.ts";

let postgres: PostgresServer;
let s3: S3Server;
let log: TcpProxy;
let blobs: HttpFaultProxy;
let count = 0;
before(async () => {
  postgres = await PostgresServer.make("embedded");
  s3 = await startS3Server();
  log = await TcpProxy.make(postgres.port);
  blobs = await HttpFaultProxy.start(s3.endpoint);
});
after(async () => {
  await blobs.stop();
  await log.close();
  await s3.stop();
  await postgres.remove();
});

interface Asked {
  /** Of PostgreSQL, without those that make a connection. */
  readonly roundTrips: number;
  /** Methods of requests to S3, sorted. */
  readonly requests: readonly string[];
}

/** What is asked while `work` goes on. */
async function counting(work: () => Promise<unknown>): Promise<Asked> {
  const [trips, from] = [log.roundTrips - log.begun, blobs.requests.length];
  await work();
  const requests = blobs.requests.slice(from).map(({ method }) => method);
  return { roundTrips: log.roundTrips - log.begun - trips, requests: requests.sort() };
}

/** A store that has a book and shares it by way of the proxies, of which nothing was sent yet. */
async function sharing(
  makeBook: (top: string) => string,
  use: (a: Place, urls: readonly string[], env: NodeJS.ProcessEnv) => Promise<void>,
): Promise<void> {
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  await withPlace(
    async (a) => {
      const database = await postgres.makeDatabase();
      const urls = [
        `postgres://pfs@127.0.0.1:${log.port}/${database}`,
        s3.urlOf(`books/${++count}`, blobs.url),
      ];
      await a.pfs("import", "my-book", makeBook(a.top));
      await a.pfs("remote", "add", "my-book", ...urls);
      await use(a, urls, env);
    },
    { env: { ...env, PFS_AGENT_ID: "alice" } },
  );
}

test("sync: a first push takes at most 10 round trips to PostgreSQL per 100 files, each blob and each copy is one request to S3, and a sync that finds nothing to do 3, beside its connection's, and none", () =>
  sharing(
    (top) => {
      const folder = join(top, "book/content/01-Part/01-Chapter");
      mkdirSync(folder, { recursive: true });
      for (let index = 10; index < 99; index++)
        writeFileSync(join(folder, `${index}-lesson.md`), `# Lesson ${index}\n`);
      mkdirSync(join(top, "book/static/img"), { recursive: true });
      for (let index = 0; index < 111; index++)
        writeFileSync(join(top, `book/static/img/${index}.svg`), `<svg id="${index}"/>\n`);
      return join(top, "book");
    },
    async (a) => {
      const first = await counting(async () => {
        assert.match(
          await a.pfs("push", "my-book"),
          /200 changes pushed \(200 blobs, .*, 200 files published/,
        );
      });
      assert.ok(first.roundTrips > 0 && first.roundTrips <= 20, `${first.roundTrips} round trips`);
      assert.deepEqual(first.requests, new Array(400).fill("PUT"));
      for (const command of [["sync"], ["push", "my-book"], ["pull", "my-book"]]) {
        const nothing = await counting(async () => await a.pfs(...command));
        assert.ok(
          nothing.roundTrips > 0 && nothing.roundTrips <= 3,
          `${command}: ${nothing.roundTrips} round trips`,
        );
        assert.deepEqual(nothing.requests, []);
      }
    },
  ));

test("sync: the first read of a lesson of a clone is one request to S3, the next one none; nothing else of the clone asks it", () =>
  sharing(
    () => SAMPLE,
    async (a, urls, env) => {
      await a.pfs("push", "my-book");
      await withPlace(
        async (b) => {
          const cloned = await counting(async () => {
            await b.pfs("clone", ...urls, "my-book");
            await b.pfs("mount", "my-book", b.dir);
          });
          assert.deepEqual(cloned.requests, []);
          // Not readFileSync: the proxy is in this process.
          const read = async (): Promise<void> =>
            assert.equal(
              await readFile(join(b.dir, LESSON), "utf8"),
              readFileSync(join(SAMPLE, LESSON), "utf8"),
            );
          assert.deepEqual((await counting(read)).requests, ["GET"]);
          assert.deepEqual((await counting(read)).requests, []);
        },
        { env: { ...env, PFS_AGENT_ID: "bob" } },
      );
    },
  ));

test("sync: what the remote has is never sent again: not when it is renamed, nor its directory, nor with another mode, nor saved as it is, nor as it was", () =>
  sharing(
    (top) => {
      const folder = join(top, "book/static/img");
      mkdirSync(folder, { recursive: true });
      for (const [name, bytes] of Object.entries({ small: 1000, medium: 2_000_000, large: 20_000_000 }))
        writeFileSync(join(folder, `${name}.png`), Buffer.alloc(bytes, name));
      const chapter = join(top, "book/content/01-Part/01-Chapter");
      mkdirSync(chapter, { recursive: true });
      for (const name of ["01-one", "02-two"]) writeFileSync(join(chapter, `${name}.md`), `# ${name}\n`);
      return join(top, "book");
    },
    async (a) => {
      await a.pfs("push", "my-book");
      await a.pfs("mount", "my-book", a.dir);
      const img = join(a.dir, "static/img");
      const [small, medium, large] = ["small", "medium", "large"].map((name) => join(img, `${name}.png`)) as [
        string,
        string,
        string,
      ];
      const original = readFileSync(medium);
      /** What S3 is asked until the change is shared and published: "COPY" is a PUT without a body. */
      const asked = async (change: () => void): Promise<string[]> => {
        const from = blobs.requests.length;
        change();
        await a.pfs("push", "my-book");
        await eventually("nothing waits", async () => {
          const { sync } = (await a.status()) as unknown as { sync: { pending: number }[] };
          return sync[0]?.pending === 0;
        });
        return blobs.requests
          .slice(from)
          .map(({ method, url, receivedBytes }) =>
            method === "PUT" && url.includes("CopyObject") && receivedBytes === 0 ? "COPY" : method,
          )
          .sort();
      };
      const changed = Buffer.from(original).fill("changed", 0, 1000);
      assert.deepEqual(await asked(() => writeFileSync(medium, changed)), ["COPY", "HEAD", "PUT"]);
      assert.deepEqual(await asked(() => writeFileSync(medium, original)), ["COPY"], "as it was");
      // A row of the log, for its time or mode: its copy is made anew, as that of every row.
      assert.deepEqual(await asked(() => writeFileSync(medium, original)), ["COPY"], "as it is");
      assert.deepEqual(await asked(() => chmodSync(medium, 0o755)), ["COPY"], "its mode");
      for (const path of [small, medium, large])
        assert.deepEqual(await asked(() => renameSync(path, `${path}.png`)), ["COPY", "POST"], path);
      const part = join(a.dir, "content/01-Part");
      const moved = await asked(() => renameSync(join(part, "01-Chapter"), join(part, "02-Chapter")));
      assert.deepEqual(moved, ["COPY", "COPY", "POST"]);
      assert.deepEqual(await asked(() => writeFileSync(join(img, "copy.png"), original)), ["COPY"]);
    },
  ));
