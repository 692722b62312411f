// What a configuration file makes of a real daemon, and what becomes of it when the file changes.

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, execute, PFS, PFSD, type Place, withPlace } from "./harness.ts";
import { NOBODY, withOrdinaryUser } from "./ordinary-user.ts";

interface Status {
  readonly store: string;
  readonly http: string | null;
  readonly mounts: { readonly directory: string; readonly agent: string; readonly options: string }[];
  readonly config: { readonly file: string; readonly read_at: string; readonly problems: string[] } | null;
}

/** A place whose programs find their configuration at `file`, which `save` replaces as an editor does. */
async function withConfig(
  use: (place: Place, save: (config: unknown) => void, file: string) => Promise<void>,
): Promise<void> {
  await withPlace(async (place) => {
    const folder = join(place.top, "etc");
    mkdirSync(folder);
    const file = join(folder, "config.json");
    place.env.PFS_CONFIG = file;
    delete place.env.PFS_AGENT_ID;
    const save = (config: unknown): void => {
      writeFileSync(`${file}.new`, typeof config === "string" ? config : JSON.stringify(config));
      renameSync(`${file}.new`, file);
    };
    await use(place, save, file);
  });
}

const statusOf = async (place: Place): Promise<Status> => JSON.parse(await place.pfs("status", "--json"));

test("books and mounts of the configuration come up with the daemon, in the store that it names", () =>
  withConfig(async (place, save) => {
    const { dir, store, env, start } = place;
    delete env.PFS_STORE;
    save({
      store,
      agent: "ci",
      books: [{ book: "my-book", schema: "any" }],
      mounts: [
        { book: "my-book", directory: dir },
        { book: "my-book", directory: join(place.top, "new/alice"), options: "user=alice,agent=ann" },
      ],
    });
    const daemon = start(PFSD);
    await daemon.until(/"directory":"[^"]*new\/alice"/);
    writeFileSync(join(dir, "a.md"), "one");
    assert.equal(readFileSync(join(place.top, "new/alice/a.md"), "utf8"), "one");
    const status = await statusOf(place);
    assert.equal(status.store, store);
    assert.deepEqual(
      status.mounts.map(({ agent }) => agent),
      ["ci", "ann"],
    );
    assert.deepEqual(status.config?.problems, []);
    assert.match(await place.pfs("log", "--json"), /"agent_id":"ci"/);
    await place.pfs("stop");
  }));

test("the environment goes before the configuration: PFS_STORE, and PFS_AGENT_ID where a mount names nobody", () =>
  withConfig(async (place, save) => {
    const { top, dir, otherDir, store, env, start } = place;
    const config = {
      store: join(top, "another"),
      books: [{ book: "my-book", schema: "any" }],
      mounts: [
        { book: "my-book", directory: dir },
        { book: "my-book", directory: otherDir, options: "user=ann,agent=ann" },
      ],
    };
    save({ ...config, agent: "ci" });
    env.PFS_AGENT_ID = "zoe";
    const daemon = start(PFS, "up");
    await daemon.until(/^Serving the store/);
    const status = await statusOf(place);
    assert.equal(status.store, store);
    assert.ok(!existsSync(config.store));
    assert.deepEqual(
      status.mounts.map(({ agent }) => agent),
      ["zoe", "ann"],
    );
    await place.pfs("stop");
  }));

test("an edited configuration moves only the mounts that it changes; one that is not valid changes nothing and is told", () =>
  withConfig(async (place, save) => {
    const { dir, otherDir, start } = place;
    const books = [{ book: "my-book", schema: "any" }];
    const mount = { book: "my-book", directory: dir };
    save({ books, mounts: [mount] });
    const daemon = start(PFS, "up");
    await daemon.until(/^Serving the store/);
    writeFileSync(join(dir, "a.md"), "one");
    // What a mount that is made anew does not have.
    const untouched = mountIdOf(dir);
    const draft = openSync(join(dir, "draft.md"), "w");
    writeSync(draft, "begun, ");

    save({ books, mounts: [mount, { ...mount, directory: otherDir, options: "ro" }] });
    await eventually("the second mount is there", () => existsSync(join(otherDir, "a.md")));
    assert.equal((await statusOf(place)).mounts.length, 2);

    save('{"mounts": [{"book": "my-book"}]}');
    await daemon.until(/mounts\[0\]\.directory is missing/);
    const invalid = await statusOf(place);
    assert.equal(invalid.mounts.length, 2);
    assert.equal(invalid.config?.problems.length, 1);
    assert.match(
      invalid.config?.problems[0] as string,
      /directory is missing: \S.*\. What was read before holds\.$/,
    );
    assert.match(await place.pfs("status"), /problem +The configuration .*directory is missing/);

    save({ books, mounts: [mount] });
    await eventually("the second mount is gone", () => !existsSync(join(otherDir, "a.md")));
    assert.deepEqual(
      (await statusOf(place)).mounts.map(({ directory }) => directory),
      [dir],
    );
    assert.deepEqual((await statusOf(place)).config?.problems, []);

    assert.notEqual(untouched, undefined);
    assert.equal(mountIdOf(dir), untouched);
    writeSync(draft, "and ended");
    closeSync(draft);
    assert.equal(readFileSync(join(dir, "draft.md"), "utf8"), "begun, and ended");
    await place.pfs("stop");
  }));

/** That of proc_pid_mountinfo(5); undefined where nothing is mounted. */
function mountIdOf(directory: string): string | undefined {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.map((line) => line.split(" ")).find((fields) => fields[4] === directory)?.[0];
}

test("a mount of the configuration through fuse-native is warned of, in the daemon's log and at a terminal", () =>
  withConfig(async (place, save) => {
    const { dir, otherDir, store, start, pfs } = place;
    const mounts = [
      { book: "my-book", directory: dir, options: "transport=fuse-native" },
      { book: "my-book", directory: otherDir },
    ];
    save({ books: [{ book: "my-book", schema: "any" }], mounts });
    const programs: [program: string, args: string[], pattern: RegExp][] = [
      [PFSD, [], /^\{"level":40,.*"msg":"[^"]*: fuse-native does not say which program saves/],
      [PFS, ["up"], /^pfs: \/\S+: fuse-native does not say which program saves/],
    ];
    for (const [program, args, pattern] of programs) {
      const daemon = start(program, ...args);
      await eventually("the store is served", () => existsSync(join(store, "pfsd.sock")));
      await eventually("both are mounted", async () => (await statusOf(place)).mounts.length === 2);
      const warnings = () => daemon.stderr.filter((line) => pattern.test(line));
      await eventually("it is warned", () => warnings().length > 0);
      assert.ok(warnings()[0]?.includes(dir));
      await pfs("stop");
      await daemon.exit;
      assert.equal(warnings().length, 1, warnings().join("\n"));
    }
  }));

test("a mount that cannot be made now is told, and made as soon as it can be", () =>
  withConfig(async (place, save) => {
    const { top, start } = place;
    const blocked = join(top, "in-the-way");
    writeFileSync(blocked, "a file");
    const round = join(top, "round");
    symlinkSync("round", round);
    const directories = [blocked, "/proc/pfs-test/mount", join(round, "mount")];
    const mounts = directories.map((directory) => ({ book: "my-book", directory }));
    save({ books: [{ book: "my-book", schema: "any" }], mounts });
    const daemon = start(PFS, "up");
    await daemon.until(/^Serving the store/);
    const [inTheWay, nowhere, endless] = (await statusOf(place)).config?.problems ?? [];
    assert.match(inTheWay as string, /in-the-way is not mounted: .*in-the-way cannot be made: EEXIST\./);
    assert.match(nowhere as string, /\/proc\/pfs-test cannot be made: ENOENT\./);
    assert.match(endless as string, /round cannot be made: ELOOP\./);
    renameSync(blocked, `${blocked}.old`);
    await eventually("it is mounted", async () => (await statusOf(place)).mounts.length === 1);
    assert.deepEqual((await statusOf(place)).config?.problems, [nowhere, endless]);
    await place.pfs("stop");
  }));

test("a configuration that is missing although it is named, not valid, or writable by others, is refused", () =>
  withConfig(async (place, save, file) => {
    const { env, run } = place;
    const start = () => execute(process.execPath, [PFSD], env);
    const missing = await start();
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /The configuration \S+ cannot be read: .*\n.*PFS_CONFIG names it/);
    save('{"agent": "system"}');
    const invalid = await start();
    assert.equal(invalid.code, 2);
    assert.match(invalid.stderr, /agent is not valid: "system" is not an agent/);
    save("{}");
    chmodSync(file, 0o666);
    const unsafe = await start();
    assert.equal(unsafe.code, 1);
    assert.match(unsafe.stderr, /may be written by other users/);
    assert.equal((await run("ls")).code, 1, "there is no store yet");
  }));

test("an ordinary user's configuration is in the home directory, and says nothing about another store than the usual one", () =>
  withPlace(async ({ top, dir, env }) => {
    const home = join(top, "home");
    const folder = join(home, ".config/pfs");
    mkdirSync(folder, { recursive: true });
    const store = join(home, "usual");
    const config = {
      store,
      books: [{ book: "my-book", schema: "any" }],
      mounts: [{ book: "my-book", directory: dir }],
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    for (const path of [home, folder, join(folder, "config.json"), dir]) chownSync(path, NOBODY, NOBODY);
    const { PFS_STORE: _, ...others } = env;
    await withOrdinaryUser(
      { top, env: { ...others, HOME: home, TMPDIR: home, XDG_CONFIG_HOME: "" } },
      async (user) => {
        const pfs = async (...args: string[]): Promise<string> => {
          const { code, stdout, stderr } = await user.pfs(...args);
          assert.equal(code, 0, `pfs ${args.join(" ")}: ${stderr}`);
          return stdout;
        };
        const statusAt = async (...at: string[]): Promise<Status> =>
          JSON.parse(await pfs("status", "--json", ...at)) as Status;
        const elsewhere = join(home, "another");
        await pfs("init", "other-book", "--store", elsewhere);
        const mount = join(home, "other");
        await pfs("init", "my-other");
        assert.equal((await user.run("mkdir", mount)).code, 0);
        await pfs("mount", "other-book", mount, "--store", elsewhere);
        const other = await statusAt("--store", elsewhere);
        assert.deepEqual([other.mounts.length, other.config], [1, null]);
        await pfs("stop", "--store", elsewhere);
        await pfs("mount", "my-other", mount);
        const usual = await statusAt();
        assert.equal(usual.store, store);
        assert.deepEqual(usual.mounts.map(({ directory }) => directory).sort(), [mount, dir].sort());
        await pfs("stop");
      },
    );
  }));
