// What a service manager hears of a daemon (sd_notify(3)), at a socket that stands in for its own: ready once it is of use, signs
// of life while the owner of the store answers, stopping before anything is taken away.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, rmSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { withPriorities } from "../../daemon/journal-stream.ts";
import { mountState } from "../../mount/kernel/mount-table.ts";
import {
  eventually,
  execute,
  LESSON,
  PFSD,
  type Place,
  type Running,
  SAMPLE,
  withPlace,
} from "../daemon/harness.ts";

/** Prints each datagram as one line of JSON, with the process that sent it. */
const LISTENER = `
import json, os, socket, struct, sys
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind("\\0" + path[1:] if path.startswith("@") else path)
print("listening", flush=True)
while True:
    data, ancillary, flags, _ = s.recvmsg(4096, 1024)
    pid = struct.unpack("iII", ancillary[0][2][:12])[0] if ancillary else 0
    print(json.dumps([pid, data.decode()]), flush=True)
`;

interface Managed extends Place {
  readonly daemon: Running;
  /** What was heard so far, without signs of life. */
  heard(): [pid: number, text: string][];
  signs(): number;
}

/** Starts `pfsd` as a service manager does, with a book that its configuration mounts. */
async function withService(
  { address = "", env = {} }: { address?: string; env?: NodeJS.ProcessEnv },
  use: (managed: Managed) => Promise<void>,
): Promise<void> {
  await withPlace(async (place) => {
    const { pfs, top, dir, store } = place;
    await pfs("import", "my-book", SAMPLE);
    const socket = address === "" ? join(top, "notify") : address;
    const script = join(top, "listener.mjs");
    // The harness starts programs with Node; this one hands over to Python.
    writeFileSync(join(top, "listener.py"), LISTENER);
    writeFileSync(
      script,
      `import { spawn } from "node:child_process";
       const child = spawn("python3", [${JSON.stringify(join(top, "listener.py"))}, ${JSON.stringify(socket)}], { stdio: "inherit" });
       child.on("exit", (code) => process.exit(code ?? 1));`,
    );
    const listener = place.start(script);
    await listener.until(/^listening$/);
    const config = join(top, "config.json");
    writeFileSync(
      config,
      JSON.stringify({ store, mounts: [{ book: "my-book", directory: dir, options: "agent=ann" }] }),
    );
    Object.assign(place.env, { PFS_CONFIG: config, NOTIFY_SOCKET: socket, ...env });
    const daemon = place.start(PFSD);
    for (const name of ["NOTIFY_SOCKET", ...Object.keys(env)]) delete place.env[name];
    const datagrams = (): [number, string][] =>
      listener.stdout.filter((line) => line.startsWith("[")).map((line) => JSON.parse(line));
    const isSign = ([, text]: [number, string]): boolean => text === "WATCHDOG=1";
    try {
      await use({
        ...place,
        daemon,
        heard: () => datagrams().filter((each) => !isSign(each)),
        signs: () => datagrams().filter(isSign).length,
      });
    } finally {
      await execute("pkill", ["-KILL", "-P", String(listener.pid)]);
    }
  });
}

const READY = /^READY=1\nMAINPID=([0-9]+)\nSTATUS=Serving\.$/;

test("service manager: ready once what is configured is mounted, stopping before it is taken away", () =>
  withService({}, async ({ daemon, heard, signs, dir }) => {
    await eventually("it is ready", () => heard().length > 0);
    const [[sender, text]] = heard() as [[number, string]];
    assert.equal(READY.exec(text)?.[1], String(daemon.pid));
    assert.equal(sender, daemon.pid);
    assert.ok((await readFile(join(dir, LESSON))).length > 0);
    // Somebody in it keeps the mount while it stops.
    const holder = openSync(join(dir, LESSON), "r");
    daemon.child.kill("SIGTERM");
    await eventually("it says that it stops", () => heard().length > 1);
    assert.equal(await mountState(dir), "pfs");
    closeSync(holder);
    assert.equal(await daemon.exit, 0);
    assert.deepEqual(
      heard()
        .map(([, each]) => each)
        .slice(1),
      ["STOPPING=1\nSTATUS=Unmounting."],
    );
    assert.equal(await mountState(dir), "none");
    assert.equal(signs(), 0);
  }));

test("service manager: an abstract socket is heard as well; a stop over the control socket is told, too", () =>
  withService({ address: `@pfs-test-${process.pid}` }, async ({ daemon, heard, pfs }) => {
    await eventually("it is ready", () => heard().length > 0);
    await pfs("stop");
    assert.equal(await daemon.exit, 0);
    assert.deepEqual(
      heard().map(([, text]) => text.split("\n")[0]),
      ["READY=1", "STOPPING=1"],
    );
  }));

test("watchdog: signs of life come while the store's owner answers, and cease when it hangs, though the process lives", () => {
  const flag = join(tmpdir(), `pfs-test-hang-${process.pid}`);
  const hook = `data:text/javascript,${encodeURIComponent(`
    import { existsSync } from "node:fs";
    globalThis[Symbol.for("pfs.step")] = () => {
      if (existsSync(${JSON.stringify(flag)})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    };`)}`;
  const env = { WATCHDOG_USEC: "300000", NODE_OPTIONS: `--import ${hook}` };
  return withService({ env }, async ({ daemon, heard, signs, dir }) => {
    try {
      await eventually("it is ready", () => heard().length > 0);
      await eventually("there are signs of life", () => signs() >= 5);
      writeFileSync(flag, "");
      const saving = writeFile(join(dir, LESSON), "hangs\n").catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 600));
      const before = signs();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.equal(signs(), before);
      assert.equal(daemon.child.exitCode, null);
      // As the manager does then.
      daemon.child.kill("SIGKILL");
      await daemon.exit;
      await saving;
    } finally {
      rmSync(flag, { force: true });
    }
  });
});

test("watchdog: one that is for another process is not answered", () =>
  withService({ env: { WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" } }, async ({ daemon, heard, signs }) => {
    await eventually("it is ready", () => heard().length > 0);
    daemon.child.kill("SIGTERM");
    assert.equal(await daemon.exit, 0);
    assert.equal(signs(), 0);
  }));

test("service manager: a socket that nobody listens at, or none, is no reason to fail", () =>
  withPlace(async ({ pfs, env, top, start }) => {
    await pfs("init", "my-book");
    for (const address of [join(top, "nobody"), "relative", ""]) {
      env.NOTIFY_SOCKET = address;
      const daemon = start(PFSD);
      delete env.NOTIFY_SOCKET;
      await daemon.until(/"msg":"started"/);
      await pfs("stop");
      assert.equal(await daemon.exit, 0);
    }
  }));

test("standard error that is the journal is told how grave each line is; any other is not", () =>
  withPlace(async ({ pfs, top, env, store }) => {
    await pfs("init", "my-book");
    for (const isJournal of [true, false]) {
      const file = join(top, `stderr-${isJournal}`);
      const fd = openSync(file, "w");
      const { dev, ino } = fstatSync(fd, { bigint: true });
      const stream = isJournal ? `${dev}:${ino}` : `${dev}:1`;
      const daemon = spawn(process.execPath, [PFSD], {
        env: { ...env, JOURNAL_STREAM: stream },
        stdio: ["ignore", "ignore", fd],
      });
      closeSync(fd);
      try {
        const told = async (): Promise<boolean> => (await readFile(file, "utf8")).includes('"started"');
        await eventually("it has started", told);
      } finally {
        daemon.kill("SIGTERM");
        await once(daemon, "exit");
      }
      const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
      for (const line of lines) assert.match(line, isJournal ? /^<6>\{"level":30,/ : /^\{"level":30,/);
      assert.ok(lines.some((line) => line.includes(store)));
    }
  }));

test("each of pino's levels is one of syslog's", () => {
  const lines: string[] = [];
  const log = pino({ level: "trace" }, withPriorities({ write: (line) => void lines.push(line) }));
  for (const level of ["fatal", "error", "warn", "info", "debug", "trace"] as const) log[level]("x");
  assert.deepEqual(
    lines.map((line) => line.slice(0, 3)),
    ["<2>", "<3>", "<4>", "<6>", "<7>", "<7>"],
  );
});
