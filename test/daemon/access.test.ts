// Other Unix users of the machine at root's daemon: who may mount as whom, and what else they try.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { eventually, execute, LESSON, type Outcome, PFSD, type Place, SAMPLE, withPlace } from "./harness.ts";
import { NOBODY, type OrdinaryUser, withOrdinaryUser } from "./ordinary-user.ts";

/** A second Unix user: Debian's `daemon`. */
const SECOND = 1;
/** A third, of whom no rule speaks: Debian's `bin`. */
const THIRD = 2;
const RULES = [
  { unix_user: "nobody", books: ["my-book"], users: ["alice"], agents: ["alice", "claude-7"] },
  { unix_user: "daemon", users: ["bob"], agents: ["bob"] },
];
const OTHER = [{ book: "other-book", schema: "any" }];

interface Answer {
  readonly user?: string;
  readonly agent?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Machine {
  readonly place: Place;
  readonly nobody: OrdinaryUser;
  readonly socket: string;
  readonly home: string;
  /** A directory of this user's. */
  directory(name: string, uid?: number): string;
  /** What the daemon answers to a request to mount my-book. */
  mount(user: OrdinaryUser, directory: string, options: string, more?: object): Promise<Answer>;
  /** A request to the socket, or to the store's own, as it comes. */
  ask(user: OrdinaryUser, socket: string, ...args: string[]): Promise<Outcome>;
  /** Replaces the rules while the daemon runs. */
  save(rules: unknown): void;
  /** Runs as root where the mounts are. */
  asRoot(...words: string[]): Promise<Outcome>;
  stop(): Promise<void>;
}

/** Root's daemon with a book, and users who may ask it. */
async function withMachine(use: (machine: Machine) => Promise<void>): Promise<void> {
  await withPlace(async (place) => {
    const { top, env, store, pfs } = place;
    const home = join(top, "home");
    mkdirSync(home);
    mkdirSync(join(top, "etc"));
    const socket = join(top, "run/access.sock");
    const config = join(top, "etc/config.json");
    const save = (rules: unknown): void => {
      writeFileSync(`${config}.new`, JSON.stringify({ store, books: OTHER, access: { socket, rules } }));
      renameSync(`${config}.new`, config);
    };
    save(RULES);
    const cache = join(top, "cache");
    mkdirSync(cache);
    chmodSync(cache, 0o777);
    Object.assign(env, { HOME: home, TMPDIR: home, NODE_COMPILE_CACHE: cache });
    delete env.PFS_AGENT_ID;
    await pfs("import", "my-book", SAMPLE);
    await withOrdinaryUser({ top, env: { ...env, PFS_STORE: join(home, "none") } }, async (nobody) => {
      const words = [...nobody.namespace, process.execPath, PFSD];
      const daemon = spawn("nsenter", words, {
        env: { ...env, PFS_CONFIG: config },
        stdio: ["ignore", "inherit", "inherit"],
      });
      const exit = once(daemon, "exit");
      const machine: Machine = {
        place,
        nobody,
        socket,
        home,
        directory(name, uid = NOBODY) {
          const path = join(home, name);
          mkdirSync(path);
          chownSync(path, uid, uid);
          return path;
        },
        mount: async (user, directory, options, more) => {
          const body = JSON.stringify({ book: "my-book", directory, options, ...more });
          return JSON.parse((await machine.ask(user, socket, "-d", body, "http://pfs/mounts")).stdout);
        },
        ask: (user, path, ...args) => user.run("curl", "-sS", "--unix-socket", path, ...args),
        save,
        asRoot: (...more) => execute("nsenter", [...nobody.namespace, ...more], env, "/"),
        async stop() {
          daemon.kill("SIGTERM");
          await exit;
        },
      };
      try {
        await eventually(
          "the socket is there",
          () => statSync(socket, { throwIfNoEntry: false }) !== undefined,
        );
        await use(machine);
      } finally {
        daemon.kill("SIGKILL");
        await exit;
      }
    });
  });
}

const ALICES = join(dirname(LESSON), "77-only-of-alice.md");

interface Pair {
  readonly place: Place;
  readonly nobody: OrdinaryUser;
  readonly second: OrdinaryUser;
  /** Their mounts. */
  readonly alice: string;
  readonly bob: string;
}

/** R5: what Alice has in her overlay is nowhere in Bob's `.pfs/`: no path, hash or agent of it, whatever is asked for. */
async function showsNoRowsOfOthers({ place, nobody, second, alice, bob }: Pair): Promise<void> {
  assert.equal((await nobody.run("sh", "-c", `echo hers > ${alice}/${ALICES}`)).stderr, "");
  const rows = (await place.pfs("log", "my-book", "--json")).trim().split("\n");
  const hers = rows.map((line) => JSON.parse(line)).filter(({ user_id }) => user_id === "alice");
  const words = [...new Set(hers.flatMap(({ new_hash }) => new_hash ?? [])), "alice"];
  assert.equal(words.length, 4, "her lesson's two, and her file's");
  const asked = [
    "all.jsonl",
    "since/1h.jsonl",
    "op/create.jsonl",
    "op/update.jsonl",
    "agent/alice.jsonl",
    "agent/bob.jsonl",
    "q/user=alice.jsonl",
    "q/user=bob.jsonl",
    "q/status=ok.jsonl",
    "q/path=content/**.jsonl",
    `q/path=${ALICES}.jsonl`,
    `path/${LESSON}.jsonl`,
  ];
  const read = (user: OrdinaryUser, dir: string): Promise<Outcome> =>
    user.run("sh", "-c", `cd ${dir}/.pfs/audit && cat '${asked.join("' '")}'`);
  const [ofBob, ofAlice] = [await read(second, bob), await read(nobody, alice)];
  assert.deepEqual([ofBob.stderr, ofAlice.stderr], ["", ""]);
  for (const word of words) {
    assert.ok(!ofBob.stdout.includes(word), word);
    assert.ok(ofAlice.stdout.includes(word), word);
  }
  assert.match(ofBob.stdout, /"user_id":"bob"/);
  assert.match(ofBob.stdout, /"user_id":"__base__"/);
  assert.doesNotMatch(ofAlice.stdout, /"bob"/);
  const pattern = words.join("|");
  const found = await second.run("grep", "-rlE", pattern, `${bob}/.pfs`);
  assert.deepEqual(found, { code: 1, stdout: "", stderr: "" });
  const path = await second.run("cat", `${bob}/.pfs/audit/path/${ALICES}.jsonl`);
  assert.match(path.stderr, /No such file/);
  const own = await nobody.run("cat", `${alice}/.pfs/audit/path/${ALICES}.jsonl`);
  assert.match(own.stdout, /"operation":"create"/);
}

test("R5: two Unix users mount as whom the configuration says; neither gets at the other's, by no name, link or control file", () =>
  withMachine(async ({ place, nobody, socket, directory, mount, asRoot }) => {
    const second = nobody.as(SECOND);
    const [alice, bob] = [directory("alice"), directory("bob", SECOND)];
    const mounted = await nobody.pfs("mount", "my-book", alice, "--socket", socket, "-o", "user=alice");
    assert.match(mounted.stdout, /agent alice\)\.\n$/, mounted.stderr);
    assert.equal((await mount(second, bob, "user=bob")).agent, "bob");
    const secret = "the words of alice";
    assert.equal((await nobody.run("sh", "-c", `echo ${secret} >> ${alice}/${LESSON}`)).stderr, "");
    assert.equal((await second.run("sh", "-c", `echo from bob >> ${bob}/${LESSON}`)).stderr, "");
    assert.match((await nobody.run("tail", "-n", "1", join(alice, LESSON))).stdout, /of alice/);
    assert.match((await second.run("tail", "-n", "1", join(bob, LESSON))).stdout, /from bob/);
    // What is a user's own, may be made private, and is the user's still.
    const own = `cd ${alice} && chmod 600 ${LESSON} && echo more >> ${LESSON} && stat -c %u ${LESSON}`;
    assert.deepEqual(await nobody.run("sh", "-c", own), { code: 0, stdout: `${NOBODY}\n`, stderr: "" });
    for (const [user, other] of [
      [nobody, bob],
      [second, alice],
    ] as const) {
      const tries = `ls ${other}; cat ${other}/${LESSON}; cat ${other}/.pfs/README; echo x > ${other}/${LESSON}`;
      const { stdout, stderr } = await user.run("sh", "-c", tries);
      assert.deepEqual([stdout, stderr.match(/Permission denied/g)?.length], ["", 4], stderr);
    }
    assert.match((await asRoot("ls", alice)).stderr, /Permission denied/);

    const names = [
      "overlays/alice",
      "overlay/../../alice",
      "base/../overlays/alice",
      "at/41/../overlays/alice",
    ];
    for (const name of names) {
      const { stdout, stderr } = await second.run("ls", `${bob}/.pfs/${name}/content`);
      assert.equal(stdout, "", name);
      assert.match(stderr, /No such file|Permission denied/, name);
    }
    const found = await second.run("grep", "-rlF", "--exclude-dir=at", secret, bob);
    assert.deepEqual([found.stdout, found.code], ["", 1], found.stderr);
    const past = `cat ${bob}/.pfs/at/41/${LESSON} && unzip -p ${bob}/.pfs/archive.zip`;
    const { code, stdout: read } = await second.run("sh", "-c", past);
    assert.deepEqual([code, read.length > 10_000, read.includes(secret)], [0, true, false]);
    // A link leads to what its reader may see anyhow.
    const link = `ln -s ${alice}/${LESSON} ${bob}/x~ && cat ${bob}/x~`;
    assert.match((await second.run("sh", "-c", link)).stderr, /^cat: .*Permission denied/);

    await showsNoRowsOfOthers({ place, nobody, second, alice, bob });

    const rows = (await place.pfs("log", "my-book", LESSON, "--json")).trim().split("\n");
    const changes = rows
      .map((line) => JSON.parse(line))
      .filter(({ operation }) => operation !== "attributes");
    assert.deepEqual(
      changes.slice(0, 3).map(({ user_id, agent_id, uid }) => [user_id, agent_id, uid]),
      [
        ["alice", "alice", NOBODY],
        ["bob", "bob", SECOND],
        ["alice", "alice", NOBODY],
      ],
    );
    // Neither can take away the other's mount; each can take away the own one.
    assert.notEqual((await second.run("fusermount3", "-u", alice)).code, 0);
    assert.equal((await nobody.pfs("umount", alice)).code, 0);
    assert.equal((await nobody.run("ls", alice)).stdout, "");
    assert.equal((await mount(nobody, alice, "user=alice,agent=claude-7")).agent, "claude-7");
  }));

test("what a request claims of who asks counts for nothing; rules that are changed hold from the next request on", () =>
  withMachine(async ({ place, nobody, directory, mount, ask, socket, home, save, asRoot }) => {
    const third = nobody.as(THIRD);
    const [own, thirds, hidden] = [directory("own"), directory("third", THIRD), directory("hidden", THIRD)];
    const refused: [user: OrdinaryUser, dir: string, options: string, message: RegExp][] = [
      [third, thirds, "user=alice", /^Your Unix user may mount nothing here\.$/],
      [nobody, own, "user=bob", /^Your Unix user may not mount my-book as bob\.$/],
      [nobody, own, "user=alice,agent=bob", /may not name the agent "bob"/],
      [nobody, own, "user=alice,agent=root", /may not name the agent "root"/],
      [nobody, own, "", /Only an overlay/],
      [nobody, own, "user=alice,allow_other", /for you alone/],
      [nobody, own, "user=__base__", /"__base__" is not a user id/],
    ];
    for (const [user, dir, options, message] of refused)
      assert.match((await mount(user, dir, options)).error?.message ?? "", message);
    const other = await mount(nobody, own, "user=alice", { book: "other-book" });
    assert.match(other.error?.message ?? "", /may not mount other-book as alice/);
    const command = await nobody.pfs("mount", "my-book", own, "--socket", socket, "-o", "user=bob");
    assert.deepEqual([command.code, command.stdout], [1, ""]);
    assert.match(command.stderr, /^pfs: Your Unix user may not mount my-book as bob\./);
    // Directories that are not the user's, whatever they are called; what is there is not told.
    symlinkSync(thirds, join(home, "link"));
    chmodSync(hidden, 0o700);
    const places = [thirds, "/etc", "link", "hidden", "hidden/no-such", "no-such", place.store].map((name) =>
      name.startsWith("/") ? name : join(home, name),
    );
    const said = new Set<string>();
    for (const dir of places) {
      const { error } = await mount(nobody, dir, "user=alice");
      assert.equal(error?.code, "NOT_PERMITTED", dir);
      said.add((error?.message ?? "").replace(dir, "DIR"));
    }
    assert.deepEqual([...said], ["Cannot mount DIR: it is no directory of yours."]);
    const request = `{"book":"my-book","directory":"/proc/'$$'/task","options":"user=alice"}`;
    const inProc = `curl -s --unix-socket ${socket} -d '${request}' http://pfs/mounts`;
    assert.match((await nobody.run("sh", "-c", inProc)).stdout, /proc.* it is no directory of yours/);
    // Fields that say who asks are not known; no other route is there.
    for (const claim of [{ uid: 0 }, { guest: { uid: 0, gid: 0 } }, { unix_user: "root" }])
      assert.match((await mount(nobody, own, "user=bob", claim)).error?.message ?? "", /Unrecognized key/);
    for (const [method, path] of [
      ["POST", "stop"],
      ["GET", "status"],
      ["GET", "log"],
      ["PUT", "books/my-book/files?path=a&user=bob"],
      ["GET", "books/my-book/archive?user=bob"],
      ["DELETE", `mounts?directory=${own}`],
    ] as const)
      assert.match(
        (await ask(nobody, socket, "-X", method, `http://pfs/${path}`)).stdout,
        /There is no/,
        path,
      );
    const mounts = (await asRoot("cat", "/proc/self/mountinfo")).stdout.split("\n");
    assert.deepEqual(
      mounts.filter((line) => line.includes(home)),
      [],
    );

    for (let count = 1; count <= 16; count++)
      assert.equal((await mount(nobody, directory(`m${count}`), "user=alice")).user, "alice");
    assert.match((await mount(nobody, own, "user=alice")).error?.message ?? "", /16 mounts already/);
    const second = nobody.as(SECOND);
    assert.equal(
      (await mount(second, directory("bob", SECOND), "user=bob")).user,
      "bob",
      "others have their own",
    );
    const counts = await Promise.all(
      [nobody, second].map(
        async (user) => (await ask(user, socket, "http://pfs/mounts")).stdout.split("\n").length - 1,
      ),
    );
    assert.deepEqual(counts, [16, 1]);
    save(RULES.slice(1));
    const isRefused = async (): Promise<boolean> =>
      /may mount nothing/.test((await mount(nobody, own, "user=alice")).error?.message ?? "");
    await eventually("the new rules hold", isRefused);
  }));

/** Connects, asks, and says what comes. */
const CONNECT = `
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
print("connected")
try:
    s.sendall(b"GET /status HTTP/1.1\\r\\nHost: pfs\\r\\n\\r\\n")
    print(len(s.recv(100)))
except (BrokenPipeError, ConnectionResetError):
    print(0)
`;

test("the store's socket hangs up on whoever is neither its owner nor root, also where its modes have been opened; swapped directories make the daemon unmount nothing else", () =>
  withMachine(async ({ place, nobody, directory, mount, asRoot, home, stop }) => {
    const socket = join(place.store, "pfsd.sock");
    const connect = (user: OrdinaryUser): Promise<Outcome> =>
      user.run("/usr/bin/python3", "-c", CONNECT, socket);
    assert.match((await connect(nobody)).stderr, /PermissionError/);
    chmodSync(place.store, 0o777);
    chmodSync(socket, 0o666);
    assert.deepEqual(await connect(nobody), { code: 0, stdout: "connected\n0\n", stderr: "" });
    assert.equal((await asRoot("/usr/bin/python3", "-c", CONNECT, socket)).stdout, "connected\n100\n");
    chmodSync(place.store, 0o700);

    const outer = directory("outer");
    assert.equal((await nobody.run("mkdir", join(outer, "m"))).code, 0);
    assert.equal((await mount(nobody, join(outer, "m"), "user=alice")).user, "alice");
    // What root has mounted elsewhere, under the same name.
    const victim = join(home, "victim");
    const prepare = `mkdir -p ${victim}/m && mount -t tmpfs victim ${victim}/m && chown ${NOBODY} ${home}`;
    assert.equal((await asRoot("sh", "-c", prepare)).stderr, "");
    const swap = `mv ${outer} ${home}/moved && ln -s ${victim} ${outer}`;
    assert.equal((await nobody.run("sh", "-c", swap)).stderr, "");
    await stop();
    const mounts = (await asRoot("cat", "/proc/self/mountinfo")).stdout.split("\n");
    assert.deepEqual(
      mounts.filter((line) => line.includes(home)).map((line) => line.split(" ")[4]),
      [join(victim, "m")],
    );
  }));

test("the socket for others is not opened where others could replace it, nor over what is no socket; status says so", () =>
  withPlace(async ({ top, env, start, status }) => {
    const config = join(top, "config.json");
    for (const [folder, mode, name] of [
      ["open", 0o777, "access.sock"],
      ["closed", 0o755, "file"],
    ] as const) {
      mkdirSync(join(top, folder));
      chmodSync(join(top, folder), mode);
      if (name === "file") writeFileSync(join(top, folder, name), "precious");
      const socket = join(top, folder, name);
      writeFileSync(config, JSON.stringify({ access: { socket, rules: RULES } }), { mode: 0o644 });
      env.PFS_CONFIG = config;
      const daemon = start(PFSD);
      await daemon.until(/The socket for other users is not opened/);
      const { config: said } = (await status()) as unknown as { config: { problems: string[] } };
      assert.match(said.problems.join(), name === "file" ? /is no socket/ : /others could replace/);
      daemon.child.kill("SIGTERM");
      assert.equal(await daemon.exit, 0);
    }
  }));
