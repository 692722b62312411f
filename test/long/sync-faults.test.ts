// What is wrong with a remote, as whoever runs two daemons sees it: told in the status, with work going on; and a machine whose
// clock is wrong, which makes no difference to anybody. Afterwards both have the same, and here and there all is sound.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import type { SyncStatus } from "../../daemon/sync-status.ts";
import { eventually, type Place, withPlace } from "../daemon/harness.ts";
import { HttpFaultProxy, type ProxiedRequest } from "../remote/http-fault-proxy.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { type S3Server, setS3Credentials, startS3Server } from "../remote/s3-server.ts";

const BOOK = "my-book";
const HOUR_MS = 3_600_000;
/** As S3 has it. */
const MAX_SKEW_MS = 900_000;

let postgres: PostgresServer;
let s3: S3Server;
let proxy: HttpFaultProxy;
let count = 0;
before(async () => {
  postgres = await PostgresServer.make("embedded");
  s3 = await startS3Server();
  proxy = await HttpFaultProxy.start(s3.endpoint);
});
afterEach(() => {
  proxy.plan = () => undefined;
});
after(async () => {
  await proxy.stop();
  await s3.stop();
  await postgres.remove();
});

/** Two places with a mount each of a book that they share; the clock of `b` may be wrong. */
async function withPair(use: (a: Place, b: Place) => Promise<void>, shiftMs = 0): Promise<void> {
  const credentials: NodeJS.ProcessEnv = {};
  setS3Credentials(credentials);
  const clock = new URL("../daemon/clock-shift.ts", import.meta.url).href;
  const wrong = { NODE_OPTIONS: `--import ${clock}`, PFS_TEST_CLOCK_MS: `${shiftMs}` };
  const log = `postgres://pfs@127.0.0.1:${postgres.port}/${await postgres.makeDatabase()}`;
  const urls = [log, s3.urlOf(`faults/${++count}`, proxy.url)];
  await withPlace(
    async (a) => {
      await withPlace(
        async (b) => {
          await a.pfs("init", BOOK, "--schema", "any");
          await a.pfs("remote", "add", BOOK, ...urls);
          await a.pfs("push", BOOK);
          await b.pfs("clone", ...urls, BOOK);
          for (const { pfs, dir } of [a, b]) await pfs("mount", BOOK, dir);
          await use(a, b);
          await assertSame([a, b]);
        },
        { env: { ...credentials, ...(shiftMs === 0 ? {} : wrong), PFS_AGENT_ID: "bob" } },
      );
    },
    { env: { ...credentials, PFS_AGENT_ID: "alice" } },
  );
}

async function syncOf(place: Place): Promise<SyncStatus> {
  const { sync } = (await place.status()) as unknown as { sync: SyncStatus[] };
  assert.ok(sync[0] !== undefined);
  return sync[0];
}

/** The bytes come by way of the proxy, that is this process: it must not wait for them. */
const readIfThere = async (path: string): Promise<string | undefined> =>
  await readFile(path, "utf8").catch(() => undefined);

const manifestHash = ({ dir }: Place): string => readFileSync(join(dir, ".pfs/manifest.hash"), "utf8");

async function assertSame(places: readonly [Place, Place]): Promise<void> {
  for (const place of places)
    await eventually("nothing waits", async () => {
      const { pending, error } = await syncOf(place);
      return pending === 0 && error === null;
    });
  await eventually("both have the same", () => manifestHash(places[0]) === manifestHash(places[1]));
  for (const { pfs } of places) {
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    assert.match(await pfs("verify", "--remote", BOOK, "--rehash"), /is sound \(0 warnings\)/);
  }
}

/** As S3 answers what was signed by another clock than its own. */
function refuseSkewed({ headers }: ProxiedRequest) {
  const said = `${headers["x-amz-date"]}`.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5");
  if (Math.abs(Date.parse(said) - Date.now()) <= MAX_SKEW_MS) return undefined;
  refused++;
  const body = "<Error><Code>RequestTimeTooSkewed</Code><Message>It is too large.</Message></Error>";
  const date = new Date().toUTCString();
  return { type: "status", status: 403, headers: { "content-type": "application/xml", date }, body } as const;
}
let refused = 0;

for (const [title, shiftMs] of [
  ["an hour fast", HOUR_MS],
  ["an hour slow", -HOUR_MS],
] as const)
  test(`faults, clock skew, O1, R2, R6: a machine whose clock is ${title} syncs as any other, and its changes are in the order in which they were made`, async () => {
    refused = 0;
    proxy.plan = refuseSkewed;
    await withPair(async (a, b) => {
      const [mine, theirs] = [join(a.dir, "lesson"), join(b.dir, "lesson")];
      for (let round = 1; round <= 3; round++) {
        for (const [path, other, text] of [
          [mine, theirs, `alice ${round}\n`],
          [theirs, mine, `bob ${round}\n`],
        ] as const) {
          // Once more: what was read while it came may have been either version, and whoever read that is refused.
          await readIfThere(path);
          writeFileSync(path, text);
          await eventually("the other one has it", async () => (await readIfThere(other)) === text);
        }
      }
      assert.ok(refused > 0, "its signatures were refused");
      for (const place of [a, b]) {
        const lines = (await place.pfs("log", BOOK, "lesson", "--json")).trim().split("\n");
        const agents = lines.map((line) => (JSON.parse(line) as { agent_id: string }).agent_id);
        assert.deepEqual(agents, ["bob", "alice", "bob", "alice", "bob", "alice"], "newest first");
        assert.equal(await place.pfs("conflicts", "--json"), "");
      }
    }, shiftMs);
  });

function answer(status: number, code: string, headers: Record<string, string> = {}) {
  const body = `<Error><Code>${code}</Code><Message>Said so.</Message></Error>`;
  return {
    type: "status",
    status,
    headers: { "content-type": "application/xml", ...headers },
    body,
  } as const;
}

test("faults, S3: a full bucket, expired credentials and a busy server are told in the status while saves go on, and what waits goes there when that is over", () =>
  withPair(async (a, b) => {
    for (const [fault, message] of [
      [answer(507, "XMinioStorageFull"), / is full\.$/],
      [answer(400, "ExpiredToken"), / answered 400 ExpiredToken: Said so\.$/],
      [answer(503, "SlowDown", { "retry-after": "2" }), / answered 503 SlowDown: Said so\.$/],
    ] as const) {
      proxy.plan = ({ method }) => (method === "PUT" ? fault : undefined);
      const text = `saved while ${fault.status}\n`;
      writeFileSync(join(a.dir, "lesson"), text);
      await eventually(`it says ${message}`, async () => message.test((await syncOf(a)).error ?? ""));
      assert.equal(readFileSync(join(a.dir, "lesson"), "utf8"), text);
      assert.ok((await syncOf(a)).pending > 0);
      writeFileSync(join(b.dir, `of-bob-${fault.status}`), "saved, too\n");
      proxy.plan = () => undefined;
      await assertSame([a, b]);
    }
  }));
