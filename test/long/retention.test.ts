// Old rows of the log in segments, through the real commands and a mount: what an operator sees of it, and what is refused.

import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import type { DaemonStatus } from "../../daemon/daemon-status.ts";
import { eventually, LESSON, type Place, SAMPLE, withPlace } from "../daemon/harness.ts";

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

async function share(place: Place): Promise<string> {
  const remote = join(place.top, "remote");
  await place.pfs("import", "my-book", SAMPLE);
  await place.pfs("remote", "add", "my-book", `file://${remote}`);
  return remote;
}

/** Each as a save of its own. */
async function saveOften(place: Place, versions: number): Promise<void> {
  for (let version = 1; version <= versions; version++) {
    writeFileSync(join(place.dir, LESSON), `version ${version}\n`);
    // The same program, which has read what it wrote.
    readFileSync(join(place.dir, LESSON));
  }
  await eventually("all is shared", async () => {
    const { sync } = (await place.status()) as unknown as DaemonStatus;
    return sync[0]?.pending === 0 && sync[0].state === "idle";
  });
}

test("retention: rows move by hand while a daemon works; log, audit files and verify read them as before, at= is refused with the way out", () =>
  withPlace(async (place) => {
    const remote = await share(place);
    await place.pfs("mount", "my-book", place.dir);
    const first = (await place.status()).seq as number;
    await saveOften(place, 8);
    await place.pfs("mount", "my-book", place.otherDir, "-o", `at=${first + 3}`);
    const read = async (): Promise<unknown> => ({
      log: await place.pfs("log", "my-book", "--json"),
      ofFile: await place.pfs("log", "my-book", LESSON, "--json"),
      reverse: await place.pfs("log", "--reverse", "--json"),
      all: readFileSync(join(place.dir, ".pfs/audit/all.jsonl"), "utf8"),
      path: readFileSync(join(place.dir, ".pfs/audit/path", `${LESSON}.jsonl`), "utf8"),
      updates: readFileSync(join(place.dir, ".pfs/audit/op/update.jsonl"), "utf8"),
      question: readFileSync(join(place.dir, ".pfs/audit/q/op=update&status=ok.jsonl"), "utf8"),
      since: readFileSync(join(place.dir, ".pfs/audit/since/1d.jsonl"), "utf8"),
    });
    const before = await read();
    const past = readFileSync(join(place.otherDir, LESSON), "utf8");
    // What a mount looks at stays: at the third version.
    const some = JSON.parse(
      await place.pfs("retention", "my-book", "--move", "--older-than", "0s", "--json"),
    );
    assert.deepEqual([some.book, some.segments, some.rows, some.removed], ["my-book", 1, first + 3, 2]);
    assert.equal(readFileSync(join(place.otherDir, LESSON), "utf8"), past);
    await place.pfs("umount", place.otherDir);
    const { removed } = JSON.parse(
      await place.pfs("retention", "my-book", "--move", "--older-than", "0s", "--json"),
    );
    assert.ok(removed >= 3, `${removed}`);
    assert.deepEqual(await read(), before);
    assert.match(await place.pfs("verify"), /is sound/);
    assert.match(readFileSync(join(place.dir, ".pfs/audit/verify"), "utf8"), /"whole"/);
    assert.match(
      await place.pfs("retention"),
      /my-book {2}rows before position \d+ .* are in segments {2}2 segments, /,
    );
    const shown = JSON.parse(await place.pfs("retention", "my-book", "--json"));
    assert.deepEqual(Object.keys(shown), ["book", "shared", "position", "time", "segments", "bytes"]);

    for (const args of [
      ["mount", "my-book", place.otherDir, "-o", `at=${first + 1}`],
      ["diff", "my-book", `${first + 1}`],
      ["restore", "my-book", `${first + 1}`, LESSON],
      ["cat", "my-book", LESSON, "--at", `${first + 1}`],
    ]) {
      const { code, stderr } = await place.run(...args);
      assert.notEqual(code, 0, args.join(" "));
      assert.match(
        stderr,
        new RegExp(`Position ${first + 1} of my-book cannot be looked at`),
        args.join(" "),
      );
      assert.match(stderr, /pfs retention my-book --recall/);
    }
    assert.throws(() => readFileSync(join(place.dir, ".pfs/at", `${first + 1}`, LESSON)), { code: "EIO" });

    // The remote has the rows as zstdcat shows them, and is verified, too.
    const [segment] = filesBelow(join(remote, "log")).sort();
    assert.match(zstdDecompressSync(readFileSync(segment as string)).toString(), /"operation":"update"/);
    assert.match(await place.pfs("verify", "--remote", "my-book"), /is sound/);
    writeFileSync(segment as string, "tampered with");
    assert.match(
      (await place.run("verify", "--remote", "my-book")).stdout,
      /B1 .*The remote has damaged rows 1 to/s,
    );
    assert.match(await place.pfs("repair", "--remote", "my-book"), /Mended 1 damage/);
    assert.match(await place.pfs("verify", "--remote", "my-book"), /is sound/);

    assert.match(
      await place.pfs("retention", "my-book", "--recall"),
      /\d+ rows came back, and stay for a week/,
    );
    await place.pfs("mount", "my-book", place.otherDir, "-o", `at=${first + 1}`);
    assert.equal(readFileSync(join(place.otherDir, LESSON), "utf8"), "version 1\n");
    assert.deepEqual(await read(), before);
    assert.match(await place.pfs("verify"), /is sound/);
    const { retention } = (await place.status()) as unknown as DaemonStatus;
    assert.deepEqual(retention, { keep: "90d", problem: null });
  }));

test("retention: without a daemon, of a book that is not shared, and with a configuration that keeps all", () =>
  withPlace(async (place) => {
    await place.pfs("import", "my-book", SAMPLE);
    assert.match(await place.pfs("retention"), /my-book {2}not shared: all rows stay/);
    assert.match((await place.run("retention", "my-book", "--move")).stderr, /is not shared/);
    await place.pfs("remote", "add", "my-book", `file://${join(place.top, "remote")}`);
    const source = join(place.top, "source");
    cpSync(SAMPLE, source, { recursive: true });
    for (const text of ["one", "two", "three"]) {
      writeFileSync(join(source, LESSON), text);
      await place.pfs("import", "my-book", source);
    }
    await place.pfs("push", "my-book");
    assert.match(await place.pfs("retention", "my-book", "--move"), /no row of the log had to move/);
    const rows = await place.pfs("log", "--json");
    const { rows: moved } = JSON.parse(
      await place.pfs("retention", "my-book", "--move", "--older-than", "0s", "--json"),
    );
    assert.ok(moved > 1);
    assert.equal(await place.pfs("log", "--json"), rows);
    assert.match(await place.pfs("verify"), /is sound/);
    for (const [args, message] of [
      [["--move", "--recall"], /opposite/],
      [["--older-than", "1d"], /--move/],
      [["--move", "--older-than", "soon"], /ISO time/],
    ] as const)
      assert.match((await place.run("retention", "my-book", ...args)).stderr, message);
    const config = join(place.top, "config.json");
    writeFileSync(config, JSON.stringify({ retention: "forever" }), { mode: 0o600 });
    place.env.PFS_CONFIG = config;
    assert.match((await place.run("retention", "my-book", "--move")).stderr, /keeps rows forever/);
    writeFileSync(config, JSON.stringify({ retention: "soon" }), { mode: 0o600 });
    assert.match((await place.run("retention", "my-book", "--move")).stderr, /retention is not valid/);
  }));
