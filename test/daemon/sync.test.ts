// Books that several stores share, through the real commands: PostgreSQL and S3 as they are in production, and a directory.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  watch as watchFile,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { after, before, test } from "node:test";
import { watch } from "chokidar";
import { HttpFaultProxy } from "../remote/http-fault-proxy.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { type S3Server, setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { eventually, execute, LESSON, PFS, type Place, type Running, SAMPLE, withPlace } from "./harness.ts";

let postgres: PostgresServer;
let s3: S3Server;
let count = 0;
before(async () => {
  postgres = await PostgresServer.make("embedded");
  s3 = await startS3Server();
});
after(async () => {
  await s3.stop();
  await postgres.remove();
});

interface Shared {
  /** Who has the book first. */
  readonly a: Place;
  readonly b: Place;
  /** As after `pfs remote add BOOK`. */
  readonly urls: readonly string[];
}

const kinds = {
  "PostgreSQL and S3": async () => {
    const database = await postgres.makeDatabase();
    // Whoever connects from this machine as this user needs no password.
    const log = `postgres://pfs@127.0.0.1:${postgres.port}/${database}`;
    return [log, s3.urlOf(`books/${++count}`)];
  },
  "a directory": async (top: string) => [`file://${join(top, "remote")}`],
};

/** Two stores, the first of which has the sample book and shares it. */
async function shared(
  makeUrls: (top: string) => Promise<string[]>,
  use: (shared: Shared) => Promise<void>,
): Promise<void> {
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  const options = (agent: string) => ({ env: { ...env, PFS_AGENT_ID: agent } });
  await withPlace(async (a) => {
    await withPlace(async (b) => {
      const urls = await makeUrls(a.top);
      await a.pfs("import", "my-book", SAMPLE);
      await a.pfs("remote", "add", "my-book", ...urls);
      await use({ a, b, urls });
    }, options("bob"));
  }, options("alice"));
}

async function manifestOf(place: Place): Promise<string> {
  return (await place.pfs("manifest", "my-book")).trim();
}

async function syncOf(place: Place): Promise<Record<string, unknown>> {
  const status = (await place.status()) as unknown as { sync: Record<string, unknown>[] };
  return status.sync[0] ?? {};
}

for (const [title, makeUrls] of Object.entries(kinds)) {
  test(`${title}: a book is pushed, cloned, and what is saved on either side comes to the other`, () =>
    shared(makeUrls, async ({ a, b, urls }) => {
      assert.equal((await syncOf(a)).pending, 40);
      assert.match(await a.pfs("push", "my-book"), /40 changes pushed \(40 blobs, .*, 40 files published/);
      assert.match(await a.pfs("push", "my-book"), /0 changes pushed \(0 blobs, 0 B\)/);
      assert.match(await b.pfs("clone", ...urls, "my-book"), /Cloned my-book: 40 files, schema strict/);
      assert.equal(await manifestOf(b), await manifestOf(a));
      assert.equal(await b.pfs("cat", "my-book", LESSON), readFileSync(join(SAMPLE, LESSON), "utf8"));
      assert.match(await b.pfs("prefetch", "my-book"), /fetched 39 blobs/);
      await write(b, "bob's\n");
      assert.match(await b.pfs("sync"), /1 change pushed.*, 1 file published/);
      assert.match(await a.pfs("pull", "my-book"), /1 change of others pulled/);
      assert.equal(await manifestOf(b), await manifestOf(a));
      await a.pfs("prefetch", "my-book");
      assert.equal(await a.pfs("cat", "my-book", LESSON), "bob's\n");
      const last = (await a.pfs("log", "my-book", "--json")).split("\n")[0] ?? "";
      assert.equal((JSON.parse(last) as { agent_id: string }).agent_id, "bob");
      for (const place of [a, b]) await place.pfs("verify");
    }));

  test(`${title}: two daemons: a save on one mount is on the other's, and bytes are fetched when a file is opened`, () =>
    shared(makeUrls, async ({ a, b, urls }) => {
      await a.pfs("push", "my-book");
      await b.pfs("clone", ...urls, "my-book");
      await a.pfs("mount", "my-book", a.dir);
      await b.pfs("mount", "my-book", b.dir);
      const [mine, theirs] = [join(a.dir, LESSON), join(b.dir, LESSON)];
      assert.equal(statSync(theirs).ino, statSync(mine).ino, "I1");
      assert.equal(readFileSync(theirs, "utf8"), readFileSync(join(SAMPLE, LESSON), "utf8"));
      writeFileSync(mine, "saved by alice\n");
      await eventually("bob has it", () => readFileSync(theirs, "utf8") === "saved by alice\n");
      // A file that was opened just before the new version came has not been seen whole: it is opened once more.
      assert.equal(readFileSync(theirs, "utf8"), "saved by alice\n");
      writeFileSync(theirs, "saved by bob\n");
      await eventually("alice has it", () => readFileSync(mine, "utf8") === "saved by bob\n");
      const added = "content/01-Foundations/01-Plain-Text/99-new.md";
      writeFileSync(join(a.dir, added), "new\n");
      await eventually("the new one is there", () => readdirSync(join(theirs, "..")).includes("99-new.md"));
      assert.equal(readFileSync(join(b.dir, added), "utf8"), "new\n");
      await eventually("nothing waits", async () => (await syncOf(b)).pending === 0);
      const status = await syncOf(b);
      assert.equal(status.error, null);
      assert.notEqual(status.last_sync, null);
      assert.match(
        readFileSync(join(b.dir, ".pfs/metrics"), "utf8"),
        /pfs_remote_duration_seconds_count\{.*"append"/,
      );
    }));
}

test("what comes from another machine is told to programs that watch a mount: a change, a new file, one that goes, a new directory", () =>
  shared(kinds["a directory"], async ({ a, b, urls }) => {
    await a.pfs("push", "my-book");
    await b.pfs("clone", ...urls, "my-book");
    await a.pfs("mount", "my-book", a.dir);
    await b.pfs("mount", "my-book", b.dir);
    const seen: string[] = [];
    const watcher = watch(b.dir, { ignoreInitial: true, ignored: (path) => path.includes("/.pfs") });
    try {
      await once(watcher, "ready");
      watcher.on("all", (event, path) => seen.push(`${event} ${relative(b.dir, path)}`));
      const added = `${dirname(LESSON)}/99-new.md`;
      const deep = "content/04-Fourth/01-Chapter/01-lesson.md";
      writeFileSync(join(a.dir, LESSON), "changed\n");
      await eventually("the change is seen", () => seen.includes(`change ${LESSON}`));
      writeFileSync(join(a.dir, added), "new\n");
      await eventually("the new file is seen", () => seen.includes(`add ${added}`));
      mkdirSync(join(a.dir, dirname(deep)), { recursive: true });
      writeFileSync(join(a.dir, deep), "deep\n");
      await eventually("the new directory is seen", () => seen.includes(`add ${deep}`));
      // As chokidar 3 does for patterns, which does not look at what is no longer listed: `docusaurus start` uses that.
      const alone: string[] = [];
      const single = watchFile(join(b.dir, added), (event) => alone.push(event));
      try {
        rmSync(join(a.dir, added));
        await eventually("it is seen to go", () => seen.includes(`unlink ${added}`));
        await eventually("who watches the file alone is told, too", () => alone.includes("rename"));
      } finally {
        single.close();
      }
      // Being told changes nothing in the book.
      await eventually("nothing waits", async () => (await syncOf(b)).pending === 0);
      const rows = (await b.pfs("log", "my-book", "--agent", "bob", "--json")).trim();
      assert.equal(rows, "");
    } finally {
      await watcher.close();
    }
  }));

test("a first push that is interrupted, and then killed, goes on where it was and sends no blob twice", async () => {
  const proxy = await HttpFaultProxy.start(s3.endpoint);
  try {
    await shared(
      async (top) => [`file://${join(top, "remote")}`, s3.urlOf(`books/${++count}`, proxy.url)],
      async ({ a }) => {
        const answered = new Set<string>();
        let silenced = 0;
        let limit = 0;
        proxy.plan = ({ method, url }) => {
          // What is published is copied there, and sends no bytes.
          if (method !== "PUT" || url.includes("CopyObject")) return undefined;
          assert.ok(!answered.has(url), `${url} is sent twice`);
          if (answered.size >= limit) {
            silenced++;
            return { type: "silence" };
          }
          answered.add(url);
          return undefined;
        };
        /** Resolves when whatever was let through is answered, and each of the eight that are sent at once waits. */
        const pushUntil = async (blobs: number): Promise<Running> => {
          [limit, silenced] = [blobs, 0];
          const running = a.start(PFS, "push", "my-book");
          await eventually("it stands still", () => silenced === 8);
          return running;
        };
        const interrupted = await pushUntil(10);
        interrupted.child.kill("SIGINT");
        assert.equal(await interrupted.exit, 1);
        assert.match(interrupted.stderr.join("\n"), /The sync was interrupted/);
        const killed = await pushUntil(25);
        killed.child.kill("SIGKILL");
        await killed.exit;
        limit = 40;
        assert.match(await a.pfs("push", "my-book"), /40 changes pushed \(40 blobs, /);
        assert.equal(answered.size, 40);
      },
    );
  } finally {
    await proxy.stop();
  }
});

test("remotes of the configuration: a book that others share is cloned, one that nobody has is made and shared", () =>
  shared(kinds["a directory"], async ({ a, b, urls }) => {
    await a.pfs("push", "my-book");
    const file = join(b.top, "config.json");
    const blobs = urls[0];
    const books = ["my-book", "new-book"].map((book) => ({ book, schema: "strict" }));
    const remotes = books.map(({ book }) => ({ book, blobs }));
    writeFileSync(file, JSON.stringify({ books, remotes, mounts: [{ book: "my-book", directory: b.dir }] }));
    b.env.PFS_CONFIG = file;
    const daemon = b.start(PFS, "up");
    await eventually("the book is mounted", () => readdirSync(b.dir).includes("content"));
    assert.equal(readFileSync(join(b.dir, LESSON), "utf8"), readFileSync(join(SAMPLE, LESSON), "utf8"));
    const { sync } = (await b.status()) as unknown as { sync: { book: string; error: string | null }[] };
    assert.deepEqual(
      sync.map(({ book, error }) => [book, error]),
      [
        ["my-book", null],
        ["new-book", null],
      ],
    );
    assert.match(await a.pfs("clone", ...urls, "new-book"), /Cloned new-book: 0 files/);
    await b.pfs("stop");
    assert.equal(await daemon.exit, 0);
    // What another machine did has no program here.
    const told = daemon.stdout.join("\n");
    assert.match(told, /created +content\/\S+\.md {2}\([^,)]+\)/);
    assert.doesNotMatch(told, /, null\)/);
  }));

test("offline: writes go on and wait, what is not here is EIO and not missing, and all of it drains when the remote is back", () =>
  shared(kinds["a directory"], async ({ a, b, urls }) => {
    await a.pfs("push", "my-book");
    await b.pfs("clone", ...urls, "my-book");
    await b.pfs("mount", "my-book", b.dir);
    const [remote, away] = [join(a.top, "remote"), join(a.top, "away")];
    renameSync(remote, away);
    assert.throws(() => readFileSync(join(b.dir, LESSON)), { code: "EIO" });
    assert.doesNotThrow(() => statSync(join(b.dir, LESSON)));
    writeFileSync(join(b.dir, LESSON), "offline\n");
    assert.equal(readFileSync(join(b.dir, LESSON), "utf8"), "offline\n");
    await eventually("it is told", async () => (await syncOf(b)).next_attempt !== null);
    const status = await syncOf(b);
    assert.equal(status.pending, 1);
    assert.match(`${status.error}`, /remote/);
    assert.match(await b.pfs("status"), /1 change waiting .* It is tried again at/);
    const shown = (): { pending: number; synced: number; seq: number } =>
      JSON.parse(readFileSync(join(b.dir, ".pfs/status.json"), "utf8"));
    assert.equal(shown().pending, 1);
    assert.equal(shown().synced, shown().seq - 1);
    renameSync(away, remote);
    await eventually("it drains", async () => (await syncOf(b)).pending === 0);
    assert.equal((await syncOf(b)).error, null);
    assert.equal(shown().synced, shown().seq);
    await a.pfs("pull", "my-book");
    assert.equal(await manifestOf(a), await manifestOf(b));
    assert.notEqual(
      readFileSync(
        join(b.dir, LESSON.replace("01-why", "02-markdown").replace("-plain-text.md", "-in-practice.md")),
      ).length,
      0,
    );
  }));

async function write(place: Place, text: string): Promise<void> {
  const child = spawn(process.execPath, [PFS, "write", "my-book", LESSON], {
    env: place.env,
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin.end(text);
  assert.deepEqual(await once(child, "exit"), [0, null]);
}

test("sync: a program that never stops saving puts off no sync", () =>
  shared(kinds["a directory"], async ({ a }) => {
    await a.pfs("mount", "my-book", a.dir);
    const program = join(a.top, "saving.py");
    writeFileSync(
      program,
      `
import os, sys, time
def save(path, text):
    with open(path, "w") as file: file.write(text)
first, other = sys.argv[1], sys.argv[2]
save(first, "# First\\n")
began = time.monotonic()
while os.getxattr(first, "user.pfs.sync") != b"synced":
    assert time.monotonic() - began < 60, "not synced while somebody saves"
    save(other, f"# At {time.monotonic()}\\n")
    time.sleep(0.002)
`,
    );
    const lesson = join(a.dir, LESSON);
    const other = join(dirname(lesson), "02-markdown-in-practice.md");
    const { code, stderr } = await execute("python3", [program, lesson, other]);
    assert.equal(code, 0, stderr);
  }));
