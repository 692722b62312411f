// The packaged service as its units have it: a daemon without any privilege, and the mounter beside it, which believes nothing.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  eventually,
  execute,
  LESSON,
  type Outcome,
  PFSD,
  ROOT,
  SAMPLE,
  withPlace,
} from "../daemon/harness.ts";
import { NOBODY, type OrdinaryUser, withOrdinaryUser } from "../daemon/ordinary-user.ts";
import { asUnit } from "../daemon/unit-sandbox.ts";

/** Whom `User=pfs` means here: Debian's `sys`. */
const SERVICE = 3;
/** Another guest: Debian's `daemon`. */
const SECOND = 1;
/** No guest: Debian's `bin`. */
const STRANGER = 2;
/** Asks the mounter as it is told, and prints whether a descriptor came, and what it answers. Words: lib/, the socket, the request. */
const ASK = `const [, lib, path, request] = process.argv;
const { connectSocket, receiveMessage, sendMessage } = await import(lib + "/libc-sockets.ts");
const { waitReadable } = await import(lib + "/libc.ts");
const socket = connectSocket(path);
sendMessage(socket, Buffer.from(request + "\\n"));
let [text, came] = ["", "nothing"];
while (!text.includes("\\n") && (await waitReadable(socket, 60_000))) {
  const bytes = Buffer.alloc(65536);
  const { count, fd } = receiveMessage(socket, bytes) ?? { count: 0 };
  if (fd !== undefined) came = "descriptor";
  if (count === 0) break;
  text += bytes.toString("utf8", 0, count);
}
console.log(came, text);`;

interface Machine {
  readonly top: string;
  /** The user pfs. */
  readonly service: OrdinaryUser;
  readonly nobody: OrdinaryUser;
  readonly mounter: string;
  readonly access: string;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** Makes a directory. */
  directory(path: string, uid: number, mode?: number): string;
  /** Starts the daemon and resolves once it has done what the configuration says. */
  start(): Promise<ChildProcess>;
  asRoot(...words: string[]): Promise<Outcome>;
  /** What the mounter answers, and the number of descriptors before it. */
  ask(user: OrdinaryUser, request: unknown): Promise<Outcome>;
  /** The places of this machine's mounts of books. */
  mounts(): Promise<string[]>;
}

async function withService(use: (machine: Machine) => Promise<void>): Promise<void> {
  await withPlace(async ({ top, env: outer }) => {
    const directory = (path: string, uid: number, mode = 0o755): string => {
      const made = join(top, path);
      mkdirSync(made);
      chownSync(made, uid, uid);
      chmodSync(made, mode);
      return made;
    };
    const home = directory("home", 0);
    for (const path of ["etc", "srv", "srv/listed", "srv/other", "root"]) directory(path, 0);
    const [state, cache] = [directory("state", SERVICE, 0o700), directory("cache", SERVICE, 0o777)];
    const run = directory("run", SERVICE);
    const [mounter, access] = [join(top, "mounter.sock"), join(run, "made/access.sock")];
    const config = join(top, "etc/config.json");
    writeFileSync(
      config,
      JSON.stringify({
        books: [{ book: "my-book", schema: "docusaurus" }],
        mounts: [{ book: "my-book", directory: join(top, "srv/listed"), options: "allow_other,agent=ci" }],
        access: {
          socket: access,
          rules: [
            { unix_user: "nobody", users: ["alice"], agents: ["alice"] },
            { unix_user: "daemon", users: ["bob"], agents: ["bob"] },
            { unix_user: "root", users: ["root"], agents: ["root"] },
          ],
        },
      }),
    );
    const env: NodeJS.ProcessEnv = {
      ...outer,
      HOME: home,
      PFS_STORE: state,
      PFS_CONFIG: config,
      XDG_CACHE_HOME: cache,
      NODE_COMPILE_CACHE: cache,
      PFS_LOG_LEVEL: "warn",
    };
    delete env.PFS_AGENT_ID;
    const children: { child: ChildProcess; exit: Promise<unknown> }[] = [];
    await withOrdinaryUser({ top, env }, async (nobody) => {
      const { namespace, there } = nobody;
      const service = nobody.as(SERVICE);
      const launch = (
        words: readonly string[],
        more: NodeJS.ProcessEnv,
        stderr: "ignore" | "inherit",
      ): ChildProcess => {
        const child = spawn("nsenter", [...namespace, ...words], {
          env: { ...env, ...more },
          stdio: ["ignore", "ignore", stderr],
        });
        children.push({ child, exit: once(child, "exit") });
        return child;
      };
      const asRoot = (...words: string[]): Promise<Outcome> =>
        execute("nsenter", [...namespace, ...words], env, "/");
      const node = there(process.execPath);
      try {
        // As systemd has it: what is mounted outside comes into the daemon's namespace.
        assert.equal((await asRoot("mount", "--make-rshared", "/")).stderr, "");
        const mounterUnit = asUnit("pfs-mounter@.service", { uid: 0, folder: top });
        const listen = ["systemd-socket-activate", "--accept", "--inetd", `--listen=${mounter}`];
        const kept = ["PFS_CONFIG", "PFS_MOUNT_BELOW", "PATH", "XDG_CACHE_HOME"].map(
          (name) => `--setenv=${name}`,
        );
        const rootCache = join(top, "root");
        launch(
          [...mounterUnit, ...listen, ...kept, node, there(join(ROOT, "bin/pfs-mounter.js"))],
          {
            PFS_MOUNT_BELOW: join(top, "srv"),
            XDG_CACHE_HOME: rootCache,
          },
          "ignore",
        );
        await eventually(
          "the mounter listens",
          () => statSync(mounter, { throwIfNoEntry: false }) !== undefined,
        );
        // SocketUser= and SocketMode=.
        chownSync(mounter, SERVICE, SERVICE);
        chmodSync(mounter, 0o600);
        const daemonUnit = asUnit("pfsd.service", { uid: SERVICE, folder: directory("dev", 0) });
        await use({
          top,
          service,
          nobody,
          mounter,
          access,
          env,
          home,
          directory,
          asRoot,
          async start() {
            const child = launch([...daemonUnit, node, there(PFSD)], { PFS_MOUNTER: mounter }, "inherit");
            const isUp = async (): Promise<boolean> => {
              assert.equal(child.exitCode, null, "the daemon has ended");
              const { stdout } = await service.pfs("status", "--json");
              return (
                stdout !== "" && JSON.parse(stdout).pid === child.pid && JSON.parse(stdout).mounts.length > 0
              );
            };
            await eventually("the daemon has mounted", isUp);
            return child;
          },
          ask: (user, request) => {
            const text = typeof request === "string" ? request : JSON.stringify(request);
            return user.run(node, "--input-type=module", "-e", ASK, there(join(ROOT, "lib")), mounter, text);
          },
          async mounts() {
            const { stdout } = await asRoot("findmnt", "-rno", "TARGET", "-t", "fuse.pfs");
            return stdout
              .trim()
              .split("\n")
              .filter((line) => line.startsWith(top));
          },
        });
      } finally {
        for (const { child, exit } of children) {
          child.kill("SIGKILL");
          await exit;
        }
      }
    });
  });
}

/** Of /proc/PID/status. */
function statusOf(pid: number | undefined, field: string): string | undefined {
  return new RegExp(`^${field}:\\s*(\\S+)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
}

test("service: a daemon with no capability, no devices and the unit's system calls mounts, saves, lets others in and unmounts", () =>
  withService(async ({ top, service, nobody, start, asRoot, mounts, directory }) => {
    const daemon = await start();
    for (const field of ["CapEff", "CapPrm", "CapBnd", "CapAmb"])
      assert.match(statusOf(daemon.pid, field) ?? "", /^0+$/, field);
    assert.deepEqual([statusOf(daemon.pid, "NoNewPrivs"), statusOf(daemon.pid, "Seccomp")], ["1", "2"]);
    const inside = (...words: string[]): Promise<Outcome> =>
      execute("nsenter", ["-t", `${daemon.pid}`, "-m", "--", ...words]);
    assert.match((await inside("ls", "/dev/fuse")).stderr, /No such file/);
    assert.match((await inside("touch", "/etc/pfs-test")).stderr, /Read-only file system/);

    const listed = join(top, "srv/listed");
    assert.deepEqual(await mounts(), [listed]);
    assert.equal((await service.pfs("import", "my-book", service.there(SAMPLE))).stderr, "");
    // allow_other lets everybody read, and the owner save.
    assert.match((await nobody.run("head", "-c", "3", join(listed, LESSON))).stdout, /^---$/);
    const saved = await service.run("sh", "-c", `echo saved >> ${listed}/${LESSON}`);
    assert.deepEqual([saved.code, saved.stderr], [0, ""]);
    const { stdout: rows } = await service.pfs("log", "my-book", LESSON, "--json");
    const [row] = rows.split("\n").map((line) => line !== "" && JSON.parse(line));
    assert.deepEqual([row.operation, row.agent_id, row.uid, row.command], ["update", "ci", SERVICE, "sh"]);

    // Asked for while it runs; busy, and free again.
    const other = join(top, "srv/other");
    const mounted = await asRoot(
      process.execPath,
      join(ROOT, "bin/pfs.js"),
      "mount",
      "my-book",
      other,
      "-o",
      "agent=root",
    );
    assert.match(mounted.stdout, /^Only the daemon's Unix user gets in; -o allow_other/m, mounted.stderr);
    const holder = spawn("nsenter", [
      ...nobody.namespace,
      "sh",
      "-c",
      `cd ${listed} && echo in && exec sleep 600`,
    ]);
    await once(holder.stdout, "data");
    const busy = await service.pfs("umount", listed);
    assert.match(busy.stderr, /it is in use by/);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    assert.equal((await service.pfs("umount", other)).stderr, "");
    assert.deepEqual(await mounts(), [listed]);

    // What does not belong to its user and is not listed, the mounter refuses.
    const elsewhere = directory("elsewhere", 0);
    const refused = await service.pfs("mount", "my-book", elsewhere);
    assert.match(refused.stderr, /The mounter does not mount on .*root has not listed it/);
    const own = directory("own", SERVICE);
    assert.equal((await service.pfs("mount", "my-book", own)).stderr, "");

    // Killed, it leaves dead mounts, which the next one replaces.
    daemon.kill("SIGKILL");
    await once(daemon, "exit");
    assert.match((await asRoot("ls", listed)).stderr, /not connected|aborted/);
    const next = await start();
    assert.match((await nobody.run("tail", "-n", "1", join(listed, LESSON))).stdout, /^saved$/m);
    next.kill("SIGTERM");
    assert.deepEqual(await once(next, "exit"), [0, null]);
    assert.equal((await mounts()).includes(listed), false);
  }));

test("R5: with the packaged service other Unix users mount by the access socket, and links and renames lead to nobody else's mount", () =>
  withService(async ({ service, nobody, access, start, mounts, directory, home, asRoot }) => {
    const second = nobody.as(SECOND);
    await start();
    const root = [process.execPath, join(ROOT, "bin/pfs.js")];
    assert.equal((await asRoot(...root, "import", "my-book", service.there(SAMPLE))).stderr, "");
    // In homes that are closed to the daemon.
    const homes = [directory("home/nobody", NOBODY, 0o700), directory("home/daemon", SECOND, 0o700)];
    for (const [user, name] of [
      [nobody, "nobody"],
      [second, "daemon"],
    ] as const)
      await user.run("mkdir", "-p", join(home, name, "books/book"));
    const [alice, bob] = homes.map((each) => join(each, "books/book")) as [string, string];
    const mounted = await nobody.pfs("mount", "my-book", alice, "--socket", access, "-o", "user=alice");
    assert.match(mounted.stdout, /agent alice\)\.\n$/, mounted.stderr);
    const also = await second.pfs("mount", "my-book", bob, "--socket", access, "-o", "user=bob");
    assert.equal(also.code, 0, also.stderr);
    assert.equal((await nobody.run("sh", "-c", `echo hers >> ${alice}/${LESSON}`)).stderr, "");
    assert.match((await nobody.run("tail", "-n", "1", join(alice, LESSON))).stdout, /^hers$/m);
    assert.doesNotMatch((await second.run("cat", join(bob, LESSON))).stdout, /hers/);
    assert.match((await asRoot("ls", alice)).stderr, /Permission denied/);
    const { stdout: rows } = await service.pfs("log", "my-book", LESSON, "--json", "--user", "alice");
    assert.equal(JSON.parse(rows.split("\n")[0] as string).uid, NOBODY);
    const stranger = nobody.as(STRANGER);
    const foreign = directory("home/bin", STRANGER);
    const words = ["mount", "my-book", foreign, "--socket", access, "-o", "user=alice"];
    assert.match((await stranger.pfs(...words)).stderr, /Your Unix user may mount nothing here/);
    for (const place of ["/etc", bob, join(home, "daemon"), join(home, "daemon/nothing")]) {
      const body = JSON.stringify({ book: "my-book", directory: place, options: "user=alice" });
      const { stdout } = await nobody.run(
        "curl",
        "-sS",
        "--unix-socket",
        access,
        "-d",
        body,
        "http://pfs/mounts",
      );
      assert.equal(JSON.parse(stdout).error.message, `Cannot mount ${place}: it is no directory of yours.`);
    }

    // The parent of her mount is renamed, and a link to his put in its place.
    renameSync(join(home, "nobody/books"), join(home, "nobody/moved"));
    symlinkSync(join(home, "daemon/books"), join(home, "nobody/books"));
    assert.equal((await service.pfs("umount", alice)).stderr, "");
    assert.deepEqual(
      (await mounts()).filter((path) => path.startsWith(home)),
      [bob],
    );
  }));

test("the mounter refuses a daemon that was taken over: foreign directories, root as a guest, links, other mounts, words that it does not know", () =>
  withService(async ({ top, service, nobody, ask, mounts, directory, mounter }) => {
    const own = directory("own", SERVICE);
    symlinkSync("/etc", join(own, "link"));
    symlinkSync(join(own, "plain"), join(own, "loop"));
    mkdirSync(join(own, "plain"));
    chownSync(join(own, "plain"), SERVICE, SERVICE);
    const rootsOwn = directory("roots", 0);
    const guests = directory("guests", NOBODY);
    const strangers = directory("strangers", STRANGER);
    const mount = {
      operation: "mount",
      directory: own,
      fsname: "my-book",
      allowOther: true,
      readOnly: false,
    };
    const alone = { ...mount, allowOther: false };
    const refused: readonly (readonly [string, unknown])[] = [
      ["NOT_PERMITTED", { ...mount, directory: "/etc" }],
      ["NOT_PERMITTED", { ...mount, directory: "/" }],
      ["NOT_PERMITTED", { ...mount, directory: rootsOwn }],
      ["NOT_PERMITTED", { ...mount, directory: join(top, "srv") }],
      ["NOT_PERMITTED", { ...mount, directory: join(top, "srv/..") }],
      ["NOT_PERMITTED", { ...mount, directory: guests }],
      ["NOT_PERMITTED", { ...mount, directory: join(own, "link") }],
      ["NOT_PERMITTED", { ...mount, directory: join(own, "loop") }],
      ["NOT_PERMITTED", { ...mount, directory: join(own, "link/ssl") }],
      ["NOT_PERMITTED", { ...mount, directory: join(own, "nothing") }],
      // A process's own directory in /proc belongs to its user, and is trusted by others.
      ["NOT_PERMITTED", { ...mount, directory: `/proc/${process.pid}` }],
      ["NOT_PERMITTED", { ...alone, directory: rootsOwn, guest: { uid: 0, gid: 0 } }],
      ["NOT_PERMITTED", { ...alone, directory: strangers, guest: { uid: STRANGER, gid: STRANGER } }],
      ["NOT_PERMITTED", { ...alone, directory: own, guest: { uid: NOBODY, gid: NOBODY } }],
      ["NOT_PERMITTED", { ...mount, directory: guests, guest: { uid: NOBODY, gid: NOBODY } }],
      ["USAGE", { ...mount, directory: "own" }],
      ["USAGE", { ...mount, directory: `${own}\0x` }],
      ["USAGE", { ...mount, fsname: "a,suid" }],
      ["USAGE", { ...mount, fsname: "a\nb" }],
      ["USAGE", { ...mount, flags: 0 }],
      ["USAGE", { ...alone, guest: { uid: -1, gid: 0 } }],
      ["USAGE", { ...mount, operation: "remount" }],
      ["USAGE", "not JSON"],
      ["USAGE", "null"],
      ["USAGE", `{"operation": "mount", "x": "${"y".repeat(70_000)}"}`],
      ["EINVAL", { operation: "unmount", directory: "/proc", lazy: true }],
      ["ENOTDIR", { operation: "unmount", directory: "/", lazy: true }],
      ["EINVAL", { operation: "unmount", directory: own, lazy: true }],
      ["EINVAL", { operation: "unmount", directory: own, mountId: "1", lazy: true }],
      ["USAGE", { operation: "unmount", directory: own, mountId: "../1", lazy: true }],
    ];
    for (const [code, request] of refused) {
      const { stdout, stderr } = await ask(service, request);
      assert.match(
        stdout,
        new RegExp(`^nothing \\{"error":\\{"code":"${code}"`),
        `${JSON.stringify(request).slice(0, 200)}: ${stderr}`,
      );
    }
    assert.deepEqual(await mounts(), []);
    // Who is neither root nor the daemon's user is not heard.
    assert.match((await ask(nobody, { ...mount, directory: guests })).stderr, /EACCES/);
    assert.equal(statSync(mounter).mode & 0o777, 0o600);

    // What it does agree to is without set-id programs and devices, and asks for the modes of files.
    const agreed = await ask(service, mount);
    assert.match(
      agreed.stdout,
      new RegExp(`^descriptor \\{"done":\\{"directory":"${own}","mountId":"[0-9]+"\\}\\}`),
    );
    const { stdout: options } = await service.run("findmnt", "-no", "OPTIONS", own);
    for (const option of ["nosuid", "nodev", `user_id=${SERVICE}`, "default_permissions"])
      assert.ok(options.split(/[,\n]/).includes(option), options);
    const gone = await ask(service, { operation: "unmount", directory: own, lazy: false });
    assert.match(gone.stdout, /^nothing \{"done"/);
    assert.deepEqual(await mounts(), []);
  }));
