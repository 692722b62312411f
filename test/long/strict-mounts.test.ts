// Strict mounts through real daemons: what close(2) has acknowledged is in the shared log, of those that race one wins (SC-003),
// and while the remote does not answer saves wait, are refused, and are kept, and nobody else waits for them.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, isAlive, LESSON, SAMPLE, withPlace } from "../daemon/harness.ts";
import { Saver } from "../daemon/saver.ts";
import { keptIn, raceStrictly, withStrict } from "../daemon/strict-race.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { type S3Server, startS3Server } from "../remote/s3-server.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";

const OTHER = LESSON.replace("01-why-plain-text.md", "02-markdown-in-practice.md");

let postgres: PostgresServer;
let proxy: TcpProxy;
let s3: S3Server;
let count = 0;
before(async () => {
  postgres = await PostgresServer.make("embedded");
  proxy = await TcpProxy.make(postgres.port);
  s3 = await startS3Server();
});
after(async () => {
  await s3.stop();
  await proxy.close();
  await postgres.remove();
});

const remotes = {
  "PostgreSQL and S3": async () => {
    const database = await postgres.makeDatabase();
    return [`postgres://pfs@127.0.0.1:${proxy.port}/${database}`, s3.urlOf(`strict/${++count}`)];
  },
  "a directory": async (top: string) => [`file://${join(top, "remote")}`],
};

for (const [title, makeUrls] of Object.entries(remotes))
  test(`SC-003: ${title}: three daemons race on a lesson in strict mounts: one winner in each of 6 rounds, and nothing is lost`, (t) =>
    withStrict(["alice", "bob", "carol"], makeUrls, async (places) => {
      t.diagnostic(JSON.stringify(await raceStrictly(places, 6)));
      for (const place of places) await place.pfs("verify");
      await places[0]?.pfs("verify", "--remote", "my-book");
    }));

test("strict: what close(2) and rename(2) have acknowledged is on the other mount's remote at once, and `pfs status` says so", () =>
  withStrict(["alice", "bob"], remotes["a directory"], async ([a, b]) => {
    assert.ok(a !== undefined && b !== undefined);
    writeFileSync(join(a.dir, LESSON), "saved\n");
    await b.pfs("pull", "my-book");
    assert.equal(readFileSync(join(b.dir, LESSON), "utf8"), "saved\n");
    const lesson = join(a.dir, LESSON);
    const { ino } = statSync(lesson);
    writeFileSync(`${lesson}.tmp.1`, "renamed over it\n");
    renameSync(`${lesson}.tmp.1`, lesson);
    assert.equal(statSync(lesson).ino, ino, "I1");
    await b.pfs("pull", "my-book");
    assert.equal(readFileSync(join(b.dir, LESSON), "utf8"), "renamed over it\n");
    const { mounts } = await a.status();
    assert.equal(mounts[0]?.options, "rw,sync=strict");
    const { mount } = JSON.parse(readFileSync(join(a.dir, ".pfs/book.json"), "utf8"));
    assert.equal(mount.sync, "strict");
  }));

test("strict: a remote that is gone refuses saves as EIO, keeps them, and serves what is here; saves go on when it is back", () =>
  withStrict(["alice"], remotes["a directory"], async ([a]) => {
    assert.ok(a !== undefined);
    const [remote, away] = [join(a.top, "remote"), join(a.top, "away")];
    const lesson = join(a.dir, LESSON);
    const [old, hash] = [
      readFileSync(lesson, "utf8"),
      readFileSync(join(a.dir, ".pfs/manifest.hash"), "utf8"),
    ];
    await eventually("all is published", async () => (await a.pfs("verify", "--remote", "my-book")) !== "");
    renameSync(remote, away);
    assert.throws(() => writeFileSync(lesson, "refused\n"), { code: "EIO" });
    assert.equal(readFileSync(lesson, "utf8"), old);
    assert.equal(readFileSync(join(a.dir, ".pfs/manifest.hash"), "utf8"), hash);
    assert.deepEqual(keptIn(a), ["refused\n"], "W2");
    writeFileSync(`${lesson}.tmp.1`, "refused, too\n");
    assert.throws(() => renameSync(`${lesson}.tmp.1`, lesson), { code: "EIO" });
    assert.equal(readFileSync(`${lesson}.tmp.1`, "utf8"), "refused, too\n");
    const told = readFileSync(join(a.dir, ".pfs/errors.jsonl"), "utf8").trim().split("\n");
    for (const line of told) assert.match(line, /"UNAVAILABLE".*was not saved, as this mount is strict/);
    assert.equal(told.length, 2);
    renameSync(away, remote);
    renameSync(`${lesson}.tmp.1`, lesson);
    assert.equal(readFileSync(lesson, "utf8"), "refused, too\n");
    await a.pfs("verify");
  }));

test("strict: while a save waits for the remote, other mounts of the daemon and other files are served; the save ends when it answers", () =>
  withStrict(["alice"], remotes["PostgreSQL and S3"], async ([a]) => {
    assert.ok(a !== undefined);
    await a.pfs("mount", "my-book", a.otherDir);
    const waiting = new Saver();
    try {
      proxy.fallSilent();
      let isDone = false;
      const saved = waiting.save(join(a.dir, LESSON), "strict\n").finally(() => {
        isDone = true;
      });
      const others = join(a.otherDir, OTHER);
      const startedMs = performance.now();
      let longestMs = 0;
      for (let round = 0; round < 50; round++) {
        const beganMs = performance.now();
        writeFileSync(others, `not strict ${round}\n`);
        assert.equal(readFileSync(join(a.dir, OTHER), "utf8"), `not strict ${round}\n`);
        longestMs = Math.max(longestMs, performance.now() - beganMs);
      }
      assert.equal(isDone, false, `nothing has answered in ${performance.now() - startedMs} ms`);
      assert.ok(longestMs < 2000, `${longestMs} ms`);
      assert.notEqual(await a.pfs("cat", "my-book", LESSON), "strict\n", "not acknowledged, no version");
      proxy.speak();
      proxy.cut();
      assert.equal(await saved, undefined);
      assert.equal(readFileSync(join(a.otherDir, LESSON), "utf8"), "strict\n");
    } finally {
      proxy.speak();
      await waiting.close();
    }
  }));

test("strict: a daemon that is killed while a save waits has acknowledged nothing that is not in the shared log", () =>
  withStrict(["alice", "bob"], remotes["PostgreSQL and S3"], async ([a, b]) => {
    assert.ok(a !== undefined && b !== undefined);
    for (let round = 0; round < 4; round++) {
      const saver = new Saver();
      try {
        const text = `round ${round}\n`;
        const { pid } = await a.status();
        assert.ok(pid !== null);
        // Later in each round: nothing was sent, something was, all was and only the answer is missing.
        const said = Promise.withResolvers<void>();
        let messages = 0;
        proxy.onRequest = () => {
          if (++messages > round * 3) said.resolve();
        };
        const saved = saver.save(join(a.dir, LESSON), text);
        await said.promise;
        process.kill(pid, "SIGKILL");
        const outcome = await saved;
        await eventually("it has ended", () => !isAlive(pid));
        proxy.onRequest = undefined;
        await a.run("umount", a.dir);
        await a.pfs("mount", "my-book", a.dir, "-o", "sync=strict");
        await b.pfs("pull", "my-book");
        const there: string = readFileSync(join(b.dir, LESSON), "utf8");
        if (outcome === undefined) assert.equal(there, text, "acknowledged");
        await a.pfs("pull", "my-book");
        await eventually("both have the same", () => readFileSync(join(a.dir, LESSON), "utf8") === there);
        await a.pfs("verify");
      } finally {
        proxy.onRequest = undefined;
        await saver.close();
      }
    }
    await b.pfs("verify", "--remote", "my-book");
  }));

test("strict: a book that is not shared cannot be mounted strictly, and one that is mounted so stays shared", () =>
  withPlace(async (place) => {
    await place.pfs("import", "my-book", SAMPLE);
    const { code, stderr } = await place.run("mount", "my-book", place.dir, "-o", "sync=strict");
    assert.notEqual(code, 0);
    assert.match(stderr, /my-book is not shared/);
    assert.deepEqual(readdirSync(place.dir), []);
    await place.pfs("mount", "my-book", place.otherDir, "-o", "ro,sync=strict");
    await place.pfs("remote", "add", "my-book", `file://${join(place.top, "remote")}`);
    await place.pfs("mount", "my-book", place.dir, "-o", "sync=strict");
    writeFileSync(join(place.dir, LESSON), "shared\n");
    const refused = await place.run("remote", "remove", "my-book");
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /my-book is mounted with sync=strict at .*\n {2}Nothing was changed\. Run `pfs umount /,
    );
    writeFileSync(join(place.dir, LESSON), "shared on\n");
    await place.pfs("umount", place.dir);
    await place.pfs("remote", "remove", "my-book");
  }));
