// What is said to be on disk is: the daemon's calls of fsync(2) and fdatasync(2), as strace sees them, beside those of a
// program that works on the mount.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, execute, type Place, withPlace } from "./harness.ts";

/** Of a large blob, which is a file. */
const LARGE_BYTES = 300_000;
/** For what is promised within a second, on a machine that does much else. */
const PATIENCE_MS = 10_000;

/** What is synced by a program on the mount, in three rounds, so that no sync stands for a later one. */
const WRITER = `
import os, sys
top, large = sys.argv[1], int(sys.argv[2])
def write(name, text):
    fd = os.open(f"{top}/{name}", os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    os.write(fd, text)
    os.fsync(fd)
    os.close(fd)
for number in range(3):
    write("lesson.md", b"%d" % number)
    write("film.bin", os.urandom(large))
    write(".lesson.md.swp", b"%d" % number)
    os.mkdir(f"{top}/chapter-{number}")
    fd = os.open(top, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
`;

/** Calls `use` while the syncs of the daemon, and of what `program` starts, are noted; `lines` are those so far. */
async function whileTraced(
  { top, status }: Place,
  program: readonly string[],
  use: (lines: () => string[]) => Promise<void>,
): Promise<void> {
  const { pid } = await status();
  const file = join(top, "trace");
  // -Y tells the threads' names, -y those of files; -I2 ends at a signal, which leaves the daemon as it was.
  const words = ["-f", "-Y", "-y", "-I2", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", file];
  const strace = spawn("strace", [...words, "-p", `${pid}`, ...program], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(strace, "exit");
  let said = "";
  strace.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  try {
    await eventually("strace looks at every thread", async () => {
      assert.equal(strace.exitCode, null, said);
      const others = `grep -Ls 'TracerPid:[[:space:]]*[1-9]' /proc/${pid}/task/*/status`;
      return (await execute("sh", ["-c", others])).stdout === "";
    });
    await use(() => readFileSync(file, "utf8").trim().split("\n"));
  } finally {
    strace.kill("SIGINT");
    await ended;
  }
}

interface Call {
  /** Name and file. */
  readonly what: string;
  /** Numbers of lines. */
  readonly begun: number;
  readonly ended: number;
}

/** The calls of a thread that succeeded; what several threads do at once is two lines of each. */
function callsOf(thread: string, lines: readonly string[]): Call[] {
  const calls: Call[] = [];
  let [what, begun] = ["", 0];
  for (const [at, line] of lines.entries()) {
    if (!line.includes(`<${thread}> `)) continue;
    const [, name, path] = /> (f\w+)\(\d+<([^>]+)>/.exec(line) ?? [];
    if (name !== undefined) [what, begun] = [`${name} ${path}`, at];
    if (line.endsWith(" = 0")) calls.push({ what, begun, ended: at });
  }
  return calls;
}

test("fsync on a mount returns once the write-ahead log is on disk, and before it what is a file of its own", () =>
  withPlace(async (place) => {
    const { pfs, dir, store } = place;
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    const program = ["python3", "-c", WRITER, dir, `${LARGE_BYTES}`];
    await whileTraced(place, program, async (lines) => {
      await eventually("the program has ended", () =>
        lines().some((line) => /<python3> \+\+\+ exited/.test(line)),
      );
      const log = `fdatasync ${store}/pfs.db-wal`;
      for (const [path, own] of [
        [`${dir}/lesson.md`, undefined],
        [`${dir}/film.bin`, `fsync ${store}/drafts/`],
        [`${dir}/.lesson.md.swp`, `fsync ${store}/scratch/`],
        [dir, undefined],
      ] as const) {
        const waits = callsOf("python3", lines()).filter(({ what }) => what === `fsync ${path}`);
        assert.equal(waits.length, 3, path);
        for (const wait of waits) {
          const meanwhile = callsOf("pfs-mount", lines())
            .filter(({ begun, ended }) => wait.begun < begun && ended < wait.ended)
            .map(({ what }) => what);
          assert.equal(meanwhile.at(-1), log, path);
          if (own !== undefined) assert.ok(meanwhile[0]?.startsWith(own), `${path}: ${meanwhile}`);
        }
      }
    });
  }));

test("what is saved without fsync is on disk soon after, by itself", () =>
  withPlace(async (place) => {
    const { pfs, dir, store } = place;
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    await whileTraced(place, [], async (lines) => {
      const syncs = (): number =>
        callsOf("pfs-checkpoint", lines()).filter(({ what }) => what === `fdatasync ${store}/pfs.db-wal`)
          .length;
      for (let round = 0; round < 3; round++) {
        const before = syncs();
        await writeFile(join(dir, "lesson.md"), `round ${round}`);
        await eventually("the write-ahead log is synced", () => syncs() > before, PATIENCE_MS);
      }
    });
  }));
