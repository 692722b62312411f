// The first push of a book of a real one's size, on a terminal: it shows how far it is, is interrupted, then killed, and goes on
// each time without sending again what was taken. Bytes are counted on the wire. Must never trust a counter of pfs.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shellWord } from "../../schema/shell-word.ts";
import { eventually, PFS, type Place, withPlace } from "../daemon/harness.ts";
import { HttpFaultProxy, type ProxiedRequest, type SeenRequest } from "../remote/http-fault-proxy.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { refuseSecrets } from "../secrets.ts";

const FILES = 500;
const LESSON_BYTES = 20_000;
/** Each 50th file; larger than what is sent at once. */
const ASSET_BYTES = 2_000_000;
/** One, in three parts. */
const LARGE_BYTES = 40 * 1024 * 1024;
const LARGE_AT = 60;
/** Of the large one, the part that does not come before the last run. */
const HELD_PART = "2";
/** A push sends as many blobs at once; of the large one three parts are. */
const AT_ONCE = 8;
const LARGE_PARTS = 3;
/** Of blobs and parts together, when the first and the second push are ended. */
const ENDS = [200, 380];
const BAR = /\rPushing \[#*\.*\] \d+\/1000 [\d.]+ [kM]?B of 7\d[\d.]* MB\u001b\[K/;

function makeBook(directory: string): number {
  mkdirSync(directory);
  let bytes = 0;
  for (let at = 0; at < FILES; at++) {
    const size = at === LARGE_AT ? LARGE_BYTES : at % 50 === 0 ? ASSET_BYTES : LESSON_BYTES;
    bytes += size;
    writeFileSync(join(directory, `${`${at}`.padStart(3, "0")}.bin`), randomBytes(size));
  }
  return bytes;
}

interface Terminal {
  readonly child: ChildProcess;
  /** All that it was sent. */
  shown(): string;
  /** Of pfs itself. */
  pid(): number;
  readonly exit: Promise<number | null>;
}

/** Types a command at a terminal. */
function openTerminal({ env }: Place, ...words: string[]): Terminal {
  const typed = [process.execPath, PFS, ...words].map(shellWord).join(" ");
  const child = spawn("script", ["-qec", `echo "pid $$"; exec ${typed}`, "/dev/null"], {
    env: { ...env, TERM: "xterm" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  const exit = once(child, "close").then(([code]) => {
    refuseSecrets("a terminal", text);
    return code as number | null;
  });
  return { child, exit, shown: () => text, pid: () => Number(/pid (\d+)/.exec(text)?.[1]) };
}

/** Requests that carry bytes: a copy for a CDN carries none. */
function isSending({ method, url }: ProxiedRequest): boolean {
  return method === "PUT" && !url.includes("CopyObject");
}

/** What a request sends: a blob, or a part of one. */
function sentBy({ url }: ProxiedRequest): { blob: string; part: string | null } {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  return { blob: pathname, part: searchParams.get("partNumber") };
}

function keyOf(request: ProxiedRequest): string {
  const { blob, part } = sentBy(request);
  return `${blob} ${part}`;
}

function sizeOf({ headers }: ProxiedRequest): number {
  return Number(headers["content-length"]);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

test("a first push of 500 files and 70 MB shows on a terminal how far it is; interrupted, and then killed, it sends nothing again but what was under way", async (t) => {
  const postgres = await PostgresServer.make("embedded");
  const s3 = await startS3Server();
  const proxy = await HttpFaultProxy.start(s3.endpoint);
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  const terminals: Terminal[] = [];
  try {
    await withPlace(
      async (a) => {
        const bookBytes = makeBook(join(a.top, "book"));
        const database = await postgres.makeDatabase();
        const log = `postgres://pfs@127.0.0.1:${postgres.port}/${database}`;
        const blobs = s3.urlOf("first-push", proxy.url);
        await a.pfs("import", "my-book", join(a.top, "book"), "--schema", "any");
        await a.pfs("remote", "add", "my-book", log, blobs);

        const sending = (): SeenRequest[] => proxy.requests.filter(isSending);
        const answered = (): SeenRequest[] => sending().filter(({ status }) => status === 200);
        const push = (): Terminal => {
          const terminal = openTerminal(a, "push", "my-book");
          terminals.push(terminal);
          return terminal;
        };
        /** Resolves when whatever was let through is answered and noted, and all that is sent at once waits in its middle. */
        const pushUntil = async (limit: number): Promise<Terminal> => {
          const waiting = new Set<string>();
          let passed = answered().length;
          proxy.plan = (request) => {
            if (!isSending(request)) return undefined;
            const { blob, part } = sentBy(request);
            if (passed < limit && part !== HELD_PART) {
              passed++;
              return undefined;
            }
            waiting.add(blob);
            return { type: "silence", afterBytes: Math.ceil(sizeOf(request) / 2) };
          };
          const terminal = push();
          await eventually("it stands still", () => waiting.size === AT_ONCE);
          return terminal;
        };

        const interrupted = await pushUntil(ENDS[0] as number);
        interrupted.child.stdin?.write("\x03");
        assert.equal(await interrupted.exit, 1);
        assert.match(interrupted.shown(), BAR);
        assert.match(interrupted.shown(), /The sync was interrupted/);

        const killed = await pushUntil(ENDS[1] as number);
        process.kill(killed.pid(), "SIGKILL");
        await killed.exit;
        assert.match(killed.shown(), BAR);

        proxy.plan = () => undefined;
        const last = push();
        assert.equal(await last.exit, 0, last.shown());
        assert.match(last.shown(), BAR);
        assert.match(last.shown(), /\r\u001b\[Kmy-book: 500 changes pushed .*, 500 files published/);

        const all = sending();
        const taken = answered();
        const keys = taken.map(keyOf);
        assert.equal(keys.length, FILES - 1 + LARGE_PARTS);
        assert.equal(new Set(keys).size, keys.length, "what was answered is sent once");
        assert.equal(sum(taken.map(({ receivedBytes }) => receivedBytes)), bookBytes);
        const underWay = all.filter(({ status }) => status === undefined);
        assert.equal(underWay.length + taken.length, all.length, "nothing was refused");
        // At each end: seven blobs and the one part.
        assert.equal(underWay.length, ENDS.length * AT_ONCE);
        const again = sum(underWay.map(({ receivedBytes }) => receivedBytes));
        assert.ok(again <= sum(underWay.map(sizeOf)));
        t.diagnostic(`${bookBytes} bytes, and ${again} that were under way at the two ends`);
        assert.match(await a.pfs("verify", "--remote", "my-book"), /is sound/);
      },
      { env: { ...env, PFS_AGENT_ID: "alice" } },
    );
  } finally {
    for (const { child } of terminals) child.kill("SIGKILL");
    await proxy.stop();
    await s3.stop();
    await postgres.remove();
  }
});
