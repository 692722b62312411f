// The control socket as curl sees it: HTTP with JSON, for the store's owner only.

import assert from "node:assert/strict";
import { appendFile, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { execute, LESSON, PFSD, type Place, SAMPLE, withPlace } from "./harness.ts";

/** Status and body of a request made with curl, run where the socket's name is short. */
async function curl({ store }: Place, ...args: string[]): Promise<{ status: number; body: string }> {
  const fixed = ["-s", "--unix-socket", "pfsd.sock", "-w", "\n%{http_code}"];
  const { code, stdout, stderr } = await execute("curl", [...fixed, ...args], process.env, store);
  assert.equal(code, 0, `curl ${args.join(" ")}: ${code} ${stderr}`);
  const at = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
}

function lines(body: string): Record<string, unknown>[] {
  return body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("curl makes a book, imports, mounts, reads the log, verifies, unmounts and stops", () =>
  withPlace(async (place) => {
    const { start, dir, store } = place;
    const daemon = start(PFSD);
    await daemon.until(/"started"/);
    const made = await curl(place, "-d", '{"book": "my-book", "schema": "strict"}', "http://pfsd/books");
    assert.deepEqual(JSON.parse(made.body), { book: "my-book", profile: "strict" });
    const imported = lines(
      (await curl(place, "-d", JSON.stringify({ directory: SAMPLE }), "http://pfsd/books/my-book/import"))
        .body,
    );
    assert.deepEqual(imported[0], { type: "progress", files: 0, total_files: 40 });
    assert.equal(imported.at(-1)?.created, 40);
    const mount = { book: "my-book", directory: dir, options: "agent=alice" };
    assert.equal((await curl(place, "-d", JSON.stringify(mount), "http://pfsd/mounts")).status, 200);
    await appendFile(join(dir, LESSON), "through curl's mount\n");

    const status = JSON.parse((await curl(place, "http://pfsd/status")).body);
    assert.deepEqual(
      { store: status.store, pid: status.pid, seq: status.seq, mounts: status.mounts },
      {
        store,
        pid: daemon.pid,
        seq: 41,
        mounts: [
          {
            directory: dir,
            book: "my-book",
            agent: "alice",
            options: "rw",
            position: null,
            position_time: null,
            user: null,
          },
        ],
      },
    );
    const log = lines((await curl(place, `http://pfsd/log?book=my-book&path=${LESSON}`)).body);
    assert.deepEqual(
      log.map(({ operation, agent_id }) => [operation, agent_id]),
      [
        ["update", "alice"],
        ["create", log[1]?.agent_id],
      ],
    );
    assert.equal(lines((await curl(place, "http://pfsd/books/my-book/files")).body).length, 40);
    assert.equal(lines((await curl(place, "http://pfsd/books")).body)[0]?.files, 40);
    assert.deepEqual(lines((await curl(place, "-X", "POST", "http://pfsd/verify")).body).at(-1), {
      type: "done",
      errors: 0,
      warnings: 0,
    });
    assert.equal((await curl(place, "-X", "DELETE", `http://pfsd/mounts?directory=${dir}`)).status, 200);
    assert.equal((await curl(place, "-X", "POST", "http://pfsd/stop")).body, '{"type":"stopped"}\n');
    assert.equal(await daemon.exit, 0);
  }));

test("what is wrong with a request is answered with a code, a sentence and a status", () =>
  withPlace(async (place) => {
    await place.start(PFSD).until(/"started"/);
    const wrong: [status: number, code: string, message: RegExp, ...args: string[]][] = [
      [404, "NOT_FOUND", /^There is no GET \/nowhere here\.$/, "http://pfsd/nowhere"],
      [400, "USAGE", /not JSON/, "-d", "{", "http://pfsd/books"],
      [400, "USAGE", /book: "A b" is not a book id/, "-d", '{"book": "A b"}', "http://pfsd/books"],
      [400, "USAGE", /Unrecognized key/, "-d", '{"book": "abc", "x": 1}', "http://pfsd/books"],
      [400, "USAGE", /no built-in schema/, "-d", '{"book": "abc", "schema": "loose"}', "http://pfsd/books"],
      [404, "NOT_FOUND", /^There is no book abc /, "http://pfsd/books/abc/files"],
      [
        404,
        "NOT_FOUND",
        /^There is no directory/,
        "-d",
        '{"directory": "/nowhere"}',
        "http://pfsd/books/abc/import",
      ],
      [400, "USAGE", /no absolute path/, "-d", '{"book": "abc", "directory": "x"}', "http://pfsd/mounts"],
      [
        400,
        "AGENT_REQUIRED",
        /"system" is not an agent/,
        "-d",
        '{"book": "abc", "directory": "/", "options": "agent=system"}',
        "http://pfsd/mounts",
      ],
      [
        404,
        "NOT_FOUND",
        /^No book of this store is mounted at \/\.$/,
        "-X",
        "DELETE",
        "http://pfsd/mounts?directory=/",
      ],
    ];
    for (const [status, code, message, ...args] of wrong) {
      const answer = await curl(place, ...args);
      const { error } = JSON.parse(answer.body);
      assert.deepEqual([answer.status, error.code], [status, code], answer.body);
      assert.match(error.message, message);
    }
    const routes = JSON.parse((await curl(place, "http://pfsd/")).body).routes;
    assert.ok(routes.every(({ summary }: { summary: string }) => summary.length > 10));
  }));

test("only the store's owner can reach the socket and the store; nothing in it is open to others, whatever it holds", () =>
  withPlace(async ({ pfs, dir, store }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    const lines = `umask 0 && cd ${dir} && head -c 300000 /dev/zero > static/img/large.png && echo scratch > x~ && mkdir .git && echo y > .git/y && exec 9> content/z~ && sleep 1 >&9`;
    assert.equal((await execute("sh", ["-c", lines])).stderr, "");
    await pfs("audit-head");
    assert.equal((await stat(join(store, "pfsd.sock"))).mode & 0o777, 0o600);
    assert.equal((await stat(store)).mode & 0o777, 0o700);
    const found = await execute("find", [store, "-perm", "/077", "-printf", "%P %m\\n"]);
    assert.deepEqual(found, { code: 0, stdout: "", stderr: "" });
  }));

test("input that is too large is refused, and the daemon goes on", () =>
  withPlace(async (place) => {
    const daemon = place.start(PFSD);
    await daemon.until(/"started"/);
    const large = join(place.top, "large");
    await writeFile(large, `{"book": "${"x".repeat(2 << 20)}"}`);
    const body = await curl(place, "-H", "Expect:", "--data-binary", `@${large}`, "http://pfsd/books");
    assert.equal(body.status, 400);
    assert.match(body.body, /over 1048576 bytes/);
    const url = await curl(place, `http://pfsd/log?path=${"x".repeat(20_000)}`);
    assert.equal(url.status, 431);
    await writeFile(large, `X-Long: ${"y".repeat(20_000)}`);
    assert.equal((await curl(place, "-H", `@${large}`, "http://pfsd/status")).status, 431);
    await writeFile(large, "[".repeat(500_000));
    assert.equal((await curl(place, "--data-binary", `@${large}`, "http://pfsd/books")).status, 400);
    assert.equal((await curl(place, "http://pfsd/status")).status, 200);
  }));

test("a store whose path is longer than a socket's address may be is served all the same", () =>
  withPlace(
    async ({ pfs, dir, status, store }) => {
      assert.ok(store.length > 150);
      await pfs("import", "my-book", SAMPLE);
      await pfs("mount", "my-book", dir);
      assert.equal((await status()).mounts.length, 1);
      assert.equal((await stat(join(store, "pfsd.sock"))).isSocket(), true);
      await pfs("stop");
      await assert.rejects(stat(join(store, "pfsd.sock")), { code: "ENOENT" });
    },
    { storeName: "s".repeat(150) },
  ));

test("a dead daemon's socket is replaced; one without an answer that is no daemon's is not waited for", () =>
  withPlace(async ({ pfs, dir, status, store }) => {
    await pfs("init", "my-book");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(store, "other.sock"), resolve));
    server.close();
    await writeFile(join(store, "pfsd.sock"), "");
    assert.equal((await status()).pid, null);
    await pfs("mount", "my-book", dir);
    assert.equal((await status()).mounts.length, 1);
  }));

test("a daemon in the background writes its log into the store, and no file's content into it", () =>
  withPlace(async ({ pfs, dir, store }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    await writeFile(join(dir, LESSON), "a secret sentence\n");
    await pfs("stop");
    const text = await readFile(join(store, "pfsd.log"), "utf8");
    const messages = lines(text).map(({ msg }) => msg);
    assert.deepEqual(messages, ["started", "mounted", "unmounted", "stopped"]);
    assert.equal(text.includes("secret"), false);
    assert.equal((await stat(join(store, "pfsd.log"))).mode & 0o777, 0o600);
  }));
