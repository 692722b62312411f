// Metrics and health of a real daemon, over HTTP and its control socket.

import assert from "node:assert/strict";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { parseExposition } from "./exposition.ts";
import { eventually, execute, PFS, type Place, type Running, SAMPLE, withPlace } from "./harness.ts";

const PATHS = ["/metrics", "/healthz", "/readyz"];

/** A daemon that serves HTTP on a free port of its own. */
async function startDaemon({ start }: Place, address = "0"): Promise<{ daemon: Running; url: string }> {
  const daemon = start(PFS, "up", "--http", address);
  const line = await daemon.until(/^Metrics and health are at /);
  await daemon.until(/^Serving the store/);
  return { daemon, url: /http:\/\/\S+(?=\/\.$)/.exec(line)?.[0] as string };
}

function fromSocket(store: string, path: string): Promise<{ status: number | undefined; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; text: string }>();
  request({ socketPath: join(store, "pfsd.sock"), path }, async (response) => {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    resolve({ status: response.statusCode, text });
  })
    .on("error", reject)
    .end();
  return promise;
}

test("metrics: what was done shows, in Prometheus' format, with labels of few values", () =>
  withPlace(async (place) => {
    const { pfs, dir, otherDir, store } = place;
    const { url } = await startDaemon(place);
    assert.match(url, /^http:\/\/127\.0\.0\.1:[0-9]+$/);
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir, "-o", "agent=claude-7,user=ulla");
    await pfs("mount", "my-book", otherDir, "-o", "at=40");
    const script = [
      "cd content/01-Foundations/01-Plain-Text; cat *.md > /dev/null",
      "echo x > 09-new.md; mv 09-new.md 08-new.md; cat 08-new.md > /dev/null; sed -i s/x/y/ 08-new.md",
      "for n in 1 2 3; do ! touch nope.txt; done; cat ../../../.pfs/plan/all > /dev/null",
    ];
    const { code, stderr } = await execute("bash", ["-ec", script.join("\n")], undefined, dir);
    assert.equal(code, 0, stderr);
    await pfs("verify");
    await readFile(join(dir, ".pfs/archive.zip"));
    assert.equal((await fromSocket(store, "/books/my-book/archive")).status, 200);

    const response = await fetch(`${url}/metrics`);
    assert.deepEqual(
      [response.status, response.headers.get("content-type")],
      [200, "text/plain; version=0.0.4; charset=utf-8"],
    );
    const text = await response.text();
    const families = parseExposition(text);
    const sampleOf = (key: string): number | undefined =>
      families.get(key.replace(/\{.*/, ""))?.samples.get(key);
    const writes = (operation: string, status: string, layer: string, mode: string): number | undefined =>
      sampleOf(
        `pfs_writes_total{operation="${operation}",status="${status}",layer="${layer}",mode="${mode}"}`,
      );
    assert.equal(writes("create", "ok", "base", "none"), 40, "an import is no mount's");
    assert.equal(writes("create", "ok", "overlay", "seen"), 1);
    assert.equal(writes("rename", "ok", "overlay", "seen"), 1);
    assert.equal(writes("create", "refused", "overlay", "seen"), 1);
    assert.equal(sampleOf('pfs_refusals_total{code="SCHEMA_VIOLATION"}'), 3);
    assert.equal(sampleOf('pfs_journal_entries{book="my-book",layer="base"}'), 40);
    assert.equal(sampleOf('pfs_journal_entries{book="my-book",layer="overlay"}'), 1);
    assert.deepEqual(
      ["base", "overlay", "past"].map((shows) => sampleOf(`pfs_mounts{shows="${shows}"}`)),
      [0, 1, 1],
    );
    assert.equal(families.get("pfs_plan_files")?.samples.get('pfs_plan_files_bucket{le="100"}'), 1);
    assert.equal(families.get("pfs_plan_files")?.samples.get("pfs_plan_files_sum"), 40);
    assert.equal(sampleOf('pfs_archives_total{outcome="whole"}'), 2);
    assert.equal(
      families.get("pfs_archive_duration_seconds")?.samples.get("pfs_archive_duration_seconds_count"),
      2,
    );
    assert.ok((sampleOf("pfs_archive_added_memory_bytes") ?? -1) >= 0);
    for (const name of ["pfs_chain_valid", "pfs_build_info"])
      assert.equal([...(families.get(name)?.samples.values() ?? [])][0], 1);
    for (const name of ["pfs_conflicts", "pfs_drafts", "pfs_rollbacks_total"])
      assert.equal(sampleOf(name), 0, name);
    for (const name of [
      "pfs_wal_bytes",
      "pfs_disk_free_bytes",
      "pfs_process_resident_memory_bytes",
      "pfs_process_open_fds",
    ])
      assert.ok((sampleOf(name) ?? 0) > 0, name);
    // Once the checkpointing thread has moved the write-ahead log there.
    const databaseBytes = async (): Promise<number> =>
      parseExposition(await (await fetch(`${url}/metrics`)).text())
        .get("pfs_store_bytes")
        ?.samples.get('pfs_store_bytes{part="database"}') ?? 0;
    await eventually("the database has what was imported", async () => (await databaseBytes()) > 100_000);
    for (const [name, { type, help }] of families) {
      assert.match(name, /^pfs_[a-z_]+$/);
      assert.equal(name.endsWith("_total"), type === "counter");
      assert.match(help, /^[A-Z0-9].*\.$/);
    }
    for (const told of ["claude-7", "ulla", "08-new", "content", dir, store])
      assert.ok(!text.includes(told), told);

    const socket = await fromSocket(store, "/metrics");
    assert.deepEqual([...parseExposition(socket.text).keys()], [...families.keys()]);
    // The same for whoever is on a mount, also for many at once.
    const readers = await execute(
      "bash",
      ["-ec", "for n in 1 2 3 4; do cat .pfs/metrics & done; wait"],
      undefined,
      dir,
    );
    assert.equal(readers.stdout.split("# HELP pfs_build_info").length, 5);
    const file = parseExposition(await readFile(join(otherDir, ".pfs/metrics"), "utf8"));
    assert.deepEqual([...file.keys()], [...families.keys()]);
    assert.ok((await stat(join(dir, ".pfs/metrics"))).size > 1000, "as it was last opened");
    const status = JSON.parse(await pfs("status", "--json"));
    assert.equal(`http://${status.http}`, url);
  }));

test("health: /healthz and /readyz say why; the port answers nothing but GET and HEAD of three pages", () =>
  withPlace(async (place) => {
    const { pfs, run, dir, store, top } = place;
    const { daemon, url } = await startDaemon(place, "127.0.0.1:0");
    await mkdir(join(top, "source"));
    await writeFile(join(top, "source/large.bin"), Buffer.alloc(300_000, 7));
    await pfs("import", "my-book", join(top, "source"));
    await pfs("mount", "my-book", dir);
    const get = async (path: string): Promise<[number, { status: string; reason: string }]> => {
      const response = await fetch(url + path);
      return [response.status, JSON.parse(await response.text())];
    };
    assert.deepEqual(await get("/healthz"), [
      200,
      { status: "pass", reason: `Process ${daemon.pid} answers.` },
    ]);
    const [ready, health] = await get("/readyz");
    assert.deepEqual([ready, health.status, health.reason], [200, "pass", "Everything answers."]);
    const socket = await fromSocket(store, "/readyz");
    assert.deepEqual([socket.status, JSON.parse(socket.text).status], [200, "pass"]);

    const [file] = (await pfs("ls", "my-book", "--json")).trim().split("\n");
    const { sha256 } = JSON.parse(file as string);
    const object = join(store, "objects", sha256.slice(0, 2), sha256);
    await chmod(object, 0o600);
    await writeFile(object, Buffer.alloc(300_000, 8));
    assert.equal((await run("verify")).code, 1);
    const [unready, broken] = await get("/readyz");
    assert.equal(unready, 503);
    assert.match(broken.reason, /^`pfs verify` has found [0-9]+ error/);
    assert.equal((await get("/healthz"))[0], 200);
    const findings = parseExposition(await (await fetch(`${url}/metrics`)).text());
    assert.ok(
      (findings.get("pfs_verify_findings")?.samples.get('pfs_verify_findings{severity="error"}') ?? 0) > 0,
    );
    assert.equal(findings.get("pfs_chain_valid")?.samples.get("pfs_chain_valid"), 1);

    for (const path of PATHS) {
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
        assert.equal((await fetch(url + path, { method })).status, 405, `${method} ${path}`);
      const head = await fetch(url + path, { method: "HEAD" });
      assert.equal(await head.text(), "");
    }
    for (const path of ["/", "/status", "/stop", "/books", "/metrics/", "/../metrics2"])
      assert.equal((await fetch(url + path)).status, 404, path);
    assert.equal((await fetch(`${url}/stop`, { method: "POST" })).status, 405);
    assert.equal(await readFile(join(store, "lock"), "utf8"), `${daemon.pid}\n`, "it still runs");

    const other = await run("--store", join(top, "other"), "up", "--http", url.replace("http://", ""));
    assert.equal(other.code, 2);
    assert.match(other.stderr, /^pfs: Cannot listen on 127\.0\.0\.1:[0-9]+: EADDRINUSE\./);
    const wrong = await run("--store", join(top, "other"), "up", "--http", "example.org:80");
    assert.equal(wrong.code, 2);
    await pfs("stop");
    await assert.rejects(fetch(`${url}/healthz`));
  }));

test("health: PFS_HTTP names the port of a daemon that a command starts; without it there is none", () =>
  withPlace(
    async ({ pfs, dir, store, status }) => {
      await pfs("init", "my-book");
      await pfs("mount", "my-book", dir);
      const { http } = (await status()) as { http?: string };
      assert.match(http ?? "", /^127\.0\.0\.1:[0-9]+$/);
      assert.equal((await fetch(`http://${http}/readyz`)).status, 200);
      await pfs("umount", dir);
      await pfs("stop");
      assert.equal(JSON.parse(await pfs("status", "--json", "--store", store)).http, null);
    },
    { env: { PFS_HTTP: "0" } },
  ));
