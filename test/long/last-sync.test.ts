// When a book was last synced is known after the process that did it has ended, however it ended.

import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, isAlive, LESSON, type Place, SAMPLE, withPlace } from "../daemon/harness.ts";

interface Synced {
  readonly pid: number | null;
  readonly sync: readonly { readonly last_sync: string | null; readonly pending: number }[];
}

async function look(place: Place): Promise<Synced> {
  return JSON.parse(await place.pfs("status", "--json")) as Synced;
}

async function lastMs(place: Place): Promise<number> {
  return Date.parse((await look(place)).sync[0]?.last_sync ?? "");
}

test("last_sync outlives commands, daemons that are stopped and ones that are killed; a failed sync changes nothing of it", () =>
  withPlace(async (place) => {
    const { pfs, run, dir, top } = place;
    await pfs("import", "my-book", SAMPLE);
    await pfs("remote", "add", "my-book", `file://${join(top, "remote")}`);
    assert.equal((await look(place)).sync[0]?.last_sync, null);
    assert.doesNotMatch(await pfs("status"), /last synced/);
    const beganMs = Date.now();
    await pfs("push", "my-book");
    const first = await lastMs(place);
    assert.ok(first >= beganMs && first <= Date.now());
    assert.match(await pfs("status"), /my-book on .*: nothing waits, last synced /);

    await pfs("mount", "my-book", dir);
    assert.ok((await lastMs(place)) >= first, "a daemon knows what was before it");
    writeFileSync(join(dir, LESSON), "one\n");
    const synced = async (): Promise<boolean> => (await look(place)).sync[0]?.pending === 0;
    await eventually("the save is synced", async () => (await lastMs(place)) > first && (await synced()));
    const told = await lastMs(place);
    await pfs("stop");
    assert.ok((await lastMs(place)) >= told);

    await pfs("mount", "my-book", dir);
    const before = await lastMs(place);
    writeFileSync(join(dir, LESSON), "two\n");
    await eventually("the next, too", async () => (await lastMs(place)) > before && (await synced()));
    const { pid } = await look(place);
    assert.ok(pid !== null);
    process.kill(pid, "SIGKILL");
    await eventually("it is gone", () => !isAlive(pid));
    // What is less than a second old may be forgotten.
    assert.ok((await lastMs(place)) >= before);

    await run("umount", dir);
    await pfs("stop");
    const left = await lastMs(place);
    renameSync(join(top, "remote"), join(top, "away"));
    const failed = await run("push", "my-book");
    assert.equal(failed.code, 1);
    assert.equal(await lastMs(place), left);
  }));
