// `pfs doctor`: each thing that can be wrong with a machine or a store is said in one line, with what to do, and what is well
// is said to be.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import type { Diagnosis } from "../../daemon/doctor/diagnosis.ts";
import { examineMachine, type MachinePlaces, machinePlaces } from "../../daemon/doctor/machine.ts";
import { examineStore } from "../../daemon/doctor/store.ts";
import { parseMountinfo } from "../../mount/kernel/mount-table.ts";
import { save, withStore } from "../lib/test-store.ts";
import { eventually, isAlive, type Place, SAMPLE, withPlace } from "./harness.ts";

interface Examined {
  readonly code: number;
  readonly lines: readonly Diagnosis[];
  /** What was looked at, whatever was found. */
  readonly checks: readonly string[];
}

/** Mounts of other tests that run at this moment may be dead: they are not this test's. */
async function doctor({ run, top }: Pick<Place, "run" | "top">): Promise<Examined> {
  const { code, stdout, stderr } = await run("doctor", "--json");
  assert.equal(stderr, "");
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Diagnosis);
  for (const each of lines) assertReadable(each);
  const own = lines.filter(
    ({ check, status, message }) => check !== "mounts" || status === "pass" || message.includes(top),
  );
  assert.equal(code, lines.some(({ status }) => status === "fail") ? 1 : 0);
  const checks = lines.map(({ check }) => check);
  return { code: own.some(({ status }) => status === "fail") ? 1 : 0, lines: own, checks };
}

function assertReadable({ status, message, fix }: Diagnosis): void {
  assert.match(message, /^\S.*\.$/);
  if (status === "pass") assert.equal(fix, null);
  else assert.match(fix ?? "", /^\S.*\.$/);
}

/** What is not well, as `status check`. */
function complaints(lines: readonly Diagnosis[]): string[] {
  return lines.filter(({ status }) => status !== "pass").map(({ status, check }) => `${status} ${check}`);
}

const quiet = (): void => undefined;

test("doctor: a sound machine and store pass, without a store, with one, and with a daemon that mounts", () =>
  withPlace(async (place) => {
    const { pfs, run, dir } = place;
    assert.deepEqual(complaints((await doctor(place)).lines), []);
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    const { code, lines, checks } = await doctor(place);
    assert.deepEqual([code, complaints(lines)], [0, ["warn remotes"]]);
    for (const each of [
      "node",
      "fuse device",
      "fusermount3",
      "kernel",
      "disk",
      "records",
      "clock",
      "daemon",
      "mounts",
    ])
      assert.ok(checks.includes(each), each);
    assert.match(lines.find(({ check }) => check === "kernel")?.message ?? "", /\(FUSE 7\.[0-9]+\) mounts/);
    const { stdout: text } = await run("doctor");
    assert.match(text, /^warn {2}remotes +my-book: on this machine only\.\n {6}→ `pfs backup FILE`/m);
    assert.match(text, /\n[0-9]+ failures?, 1 warning\.\n$/);
    // Nothing of the trial is left.
    const mounts = parseMountinfo(execFileSync("cat", ["/proc/self/mountinfo"], { encoding: "utf8" }));
    assert.deepEqual(
      mounts.filter(({ mountPoint }) => mountPoint.includes("pfs-trial")),
      [],
    );
  }));

test("doctor: a damaged store, one that is open to others, and a configuration that is wrong fail, with what to do", () =>
  withPlace(async (place) => {
    const { pfs, store, top, env } = place;
    await pfs("import", "my-book", SAMPLE);
    chmodSync(store, 0o755);
    chmodSync(join(store, "pfs.db"), 0o644);
    const database = new Sqlite(join(store, "pfs.db"));
    database.exec("DELETE FROM file_journal WHERE path = (SELECT min(path) FROM file_journal)");
    database.close();
    const config = join(top, "config.json");
    writeFileSync(config, '{"mounts": 5}', { mode: 0o600 });
    env.PFS_CONFIG = config;
    const { code, lines } = await doctor(place);
    assert.equal(code, 1);
    assert.deepEqual(complaints(lines), [
      "fail store",
      "fail store",
      "fail records",
      "warn remotes",
      "fail configuration",
    ]);
    assert.match(lines.find(({ check }) => check === "records")?.fix ?? "", /pfs repair/);
    writeFileSync(join(store, "pfs.db"), "no database");
    assert.ok(complaints((await doctor(place)).lines).includes("fail database"));
    rmSync(join(store, "pfs.db"));
    assert.ok(complaints((await doctor(place)).lines).includes("fail database"), "not a store to be made");
  }));

test("doctor: a daemon that was killed leaves a dead mount, which is named with how to end it", () =>
  withPlace(async (place) => {
    const { pfs, dir } = place;
    await pfs("init", "my-book");
    await pfs("mount", "my-book", dir);
    const { pid } = await place.status();
    process.kill(pid as number, "SIGSTOP");
    const stopped = await doctor(place);
    assert.deepEqual(
      [stopped.code, complaints(stopped.lines)],
      [1, ["warn remotes", "fail daemon", "fail mounts"]],
    );
    process.kill(pid as number, "SIGKILL");
    await eventually("the daemon has ended", () => !isAlive(pid as number));
    const { code, lines } = await doctor(place);
    assert.equal(code, 1);
    const dead = lines.find(({ check, message }) => check === "mounts" && message.includes(dir));
    assert.deepEqual(
      [dead?.status, dead?.fix],
      ["fail", `\`pfs umount --lazy ${dir}\`, or mount the book there again.`],
    );
    await pfs("umount", "--lazy", dir);
    assert.deepEqual(complaints((await doctor(place)).lines), ["warn remotes"]);
  }));

test("doctor: what a machine lacks is named", () =>
  withPlace(async ({ top }) => {
    const file = (name: string, text: string): string => {
      writeFileSync(join(top, name), text);
      return join(top, name);
    };
    mkdirSync(join(top, "bin"));
    file("bin/fusermount3", "");
    const cases: [changed: Partial<MachinePlaces>, said: string][] = [
      [{ nodeVersion: "20.19.1" }, "fail node"],
      [{ nodeVersion: "22.17.9" }, "fail node"],
      [{ fuseDevice: join(top, "fuse") }, "fail fuse device"],
      [{ programs: top }, "warn fusermount3"],
      [{ programs: join(top, "bin") }, "warn fusermount3"],
      [{ programs: top, isRoot: false, fuseConf: file("open", "user_allow_other\n") }, "fail fusermount3"],
      [
        { programs: join(top, "bin"), isRoot: false, fuseConf: file("open", " user_allow_other ") },
        "fail fusermount3",
      ],
      [{ isRoot: false, fuseConf: file("closed", "#user_allow_other\n") }, "warn allow_other"],
      [{ isRoot: false, fuseConf: join(top, "none") }, "warn allow_other"],
      [
        {
          limits: file(
            "limits",
            "Max open files            1024                 4096                 files\n",
          ),
        },
        "warn open files",
      ],
    ];
    for (const [changed, said] of cases) {
      const lines = await examineMachine({ ...machinePlaces(), ...changed });
      lines.forEach(assertReadable);
      assert.deepEqual(complaints(lines), [said], JSON.stringify(changed));
    }
    assert.deepEqual(complaints(await examineMachine({ ...machinePlaces(), nodeVersion: "22.18.0" })), []);
  }));

test("doctor: a store in memory, on a small or full disk, or on FUSE is told of", () =>
  withPlace(async ({ pfs, top, store }) => {
    const disk = join(top, "disk");
    mkdirSync(disk);
    await pfs("init", "my-book", "--schema", "any");
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40M,mode=700", "pfs-test", disk]);
    try {
      const copy = join(disk, "store");
      execFileSync("cp", ["-a", store, copy]);
      assert.deepEqual(complaints(await examineStore(copy, quiet)), ["warn file system", "warn remotes"]);
      const { bavail, bsize } = statfsSync(disk);
      // Between the twentieth that is little and the twenty-fifth that is kept.
      writeFileSync(join(disk, "ballast"), Buffer.alloc(bavail * bsize - 1.8 * 1024 * 1024));
      assert.deepEqual(complaints(await examineStore(copy, quiet)), [
        "warn file system",
        "warn disk",
        "warn remotes",
      ]);
      writeFileSync(join(disk, "more"), Buffer.alloc(300 * 1024));
      assert.deepEqual(complaints(await examineStore(copy, quiet)), [
        "warn file system",
        "fail disk",
        "warn remotes",
      ]);
    } finally {
      execFileSync("umount", [disk]);
    }
    execFileSync("bindfs", [store, disk]);
    try {
      assert.deepEqual(complaints(await examineStore(disk, quiet)), ["warn file system", "warn remotes"]);
    } finally {
      execFileSync("umount", ["-l", disk]);
    }
  }));

test("doctor: a clock that is behind the log fails", (t) =>
  withStore("any", async (store) => {
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 3_600_000 });
    save(store.worktree, "a.md", "from the future");
    t.mock.timers.reset();
    assert.deepEqual(complaints(await examineStore(store.directory, quiet)), ["fail clock", "warn remotes"]);
  }));
