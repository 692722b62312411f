// `pfs archive`, the archives in `.pfs/` and the route: whole or said not to be, never in each other's way, in little memory.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, cp, mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, execute, type Outcome, PFS, PFSD, type Place, withPlace } from "../daemon/harness.ts";
import { contentsOf, testZip } from "../lib/archive-samples.ts";

const MIB = 2 ** 20;

/** A book of some files, from a directory. */
async function importBook(
  { pfs, top }: Pick<Place, "pfs" | "top">,
  files: Record<string, string | Buffer>,
): Promise<string> {
  const source = join(top, "source");
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(source, path, ".."), { recursive: true });
    await writeFile(join(source, path), content);
  }
  await pfs("import", "my-book", source, "--schema", "any");
  return source;
}

/** Runs `use` without a daemon, then again with one. */
async function withAndWithoutDaemon(use: (place: Place) => Promise<void>): Promise<void> {
  await withPlace(use);
  await withPlace(async (place) => {
    await place.start(PFSD).until(/"started"/);
    await use(place);
  });
}

/** `pfs archive` in a directory. */
function archive(
  { env, top }: Place,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  return execute(process.execPath, [PFS, "archive", "my-book", ...args], { ...env, ...more }, top);
}

async function unzip({ top }: Place, file: string): Promise<Map<string, string>> {
  const into = join(top, "unzipped");
  await rm(into, { recursive: true, force: true });
  testZip(file);
  execFileSync("unzip", ["-q", file, "-d", into], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
  return contentsOf(into);
}

const zips = async ({ top }: Place): Promise<string[]> =>
  (await readdir(top)).filter((name) => /\.(zip|tmp)$/.test(name)).sort();

test("FR-011: pfs archive names archives by state, replaces none, and gives the same bytes wherever it is made", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs, top } = place;
    const source = await importBook(place, { "README.md": "one\r\n", "static/a.png": randomBytes(3 * MIB) });
    await utimes(join(source, "README.md"), 981173107, 981173107);
    await pfs("import", "my-book", source);
    const hash = (await pfs("manifest", "my-book", "--hash")).trim();
    const first = await archive(place, [], { TZ: "UTC" });
    assert.deepEqual([first.code, first.stderr], [0, ""]);
    const name = `my-book-${hash.slice(0, 12)}.zip`;
    assert.match(first.stdout, /^Archived 2 files \(3\.1 MB\) of my-book in \S+\.zip \(3\.1 MB\)\.\n$/);
    assert.deepEqual(await zips(place), [name]);
    assert.deepEqual(await unzip(place, join(top, name)), contentsOf(source));
    const again = await archive(place, []);
    assert.deepEqual([again.code, /is there already/.test(again.stderr)], [1, true]);
    const nowhere = await archive(place, ["-o", "nowhere/x.zip"]);
    assert.equal(nowhere.code, 2);
    assert.equal(
      nowhere.stderr,
      "pfs: nowhere/x.zip cannot be written: there is no directory nowhere.\n  Name a file that you may write.\n",
    );
    await archive(place, ["-o", "other.zip"], { TZ: "Asia/Kathmandu" });
    const bytes = await readFile(join(top, name));
    assert.ok((await readFile(join(top, "other.zip"))).equals(bytes));
    await writeFile(join(source, "README.md"), "two");
    await pfs("import", "my-book", source);
    assert.equal((await archive(place, [])).code, 0);
    assert.equal((await zips(place)).length, 3);
    // The hash in the name is one that a past state can be asked for by.
    assert.equal((await archive(place, ["--at", hash.slice(0, 12), "-o", "other.zip", "--force"])).code, 0);
    assert.ok((await readFile(join(top, "other.zip"))).equals(bytes));
    const piped = join(top, "piped.zip");
    execFileSync(
      "sh",
      ["-c", `"$0" "$1" archive my-book --at ${hash} -o - > piped.zip`, process.execPath, PFS],
      {
        cwd: top,
        env: place.env,
      },
    );
    assert.ok((await readFile(piped)).equals(bytes));
    assert.equal((await archive(place, ["-o", "/dev/null"])).code, 0);
  }));

test("FR-013, FR-014: an archive that is not whole is made all the same, its exit code is 3, and a token yields the rest", () =>
  withAndWithoutDaemon(async (place) => {
    const { top, store, pfs } = place;
    const files = Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`d/${at}.md`, `file ${at}`]));
    const source = await importBook(place, { ...files, "large.bin": Buffer.alloc(MIB, "bad") });
    const [known] = (await pfs("ls", "my-book", "large.bin", "--json"))
      .split("\n")
      .map((line) => JSON.parse(line || "{}"));
    await writeFile(join(store, "objects", known.sha256.slice(0, 2), known.sha256), "worse");
    const found: string[] = [];
    let token: string | undefined;
    for (let part = 1; part === 1 || token !== undefined; part++) {
      const more = token === undefined ? [] : ["--resume", token];
      const { code, stdout } = await archive(place, [
        "--json",
        ...(part < 3 ? ["--timeout", "0"] : []),
        ...more,
      ]);
      assert.equal(code, 3);
      const said = JSON.parse(stdout);
      assert.equal(said.part, part);
      token = said.resume ?? undefined;
      assert.deepEqual(said.errors.length, part < 3 ? 0 : 1);
      found.push(...(await unzip(place, said.file)).keys());
    }
    assert.deepEqual(found, [
      "PARTIAL.json",
      "d/0.md",
      "PARTIAL-2.json",
      "d/1.md",
      "ERRORS-3.json",
      "d/2.md",
      "d/3.md",
      "d/4.md",
      "d/5.md",
    ]);
    const partial = await archive(place, ["--timeout", "0", "-o", "partial.zip"]);
    assert.match(partial.stderr, /^pfs: Time was up\. The rest: pfs archive my-book --resume [\w-]+\n$/);
    const damaged = await archive(place, ["-o", "damaged.zip"]);
    assert.match(
      damaged.stderr,
      /^pfs: large\.bin cannot be read: .*\npfs: ERRORS\.json in the archive names/,
    );
    assert.equal(damaged.code, 3);
    for (const [args, said] of [
      [["--scope", "some"], /There is no scope some/],
      [["--timeout", "soon"], /--timeout takes seconds/],
      [["--resume", "x"], /no token/],
    ] as const) {
      const { code, stderr } = await archive(place, args);
      assert.deepEqual([code, said.test(stderr)], [2, true], stderr);
    }
    const none = await archive(place, ["--scope", "assets"]);
    assert.deepEqual([none.code, /nothing to archive/.test(none.stderr)], [1, true]);
    assert.equal((await readdir(source)).length, 2);
    assert.ok((await zips({ ...place, top })).every((name) => !name.endsWith(".tmp")));
  }));

test("FR-011: an archive that is ended by a signal leaves nothing", () =>
  withPlace(async (place) => {
    await importBook(place, { "large.md": randomBytes(150 * MIB) });
    const running = place.start(PFS, "archive", "my-book", "-o", join(place.top, "ended.zip"));
    await eventually("the archive is being written", async () => (await zips(place)).length === 1);
    running.child.kill("SIGTERM");
    assert.equal(await running.exit, 143);
    assert.deepEqual(await zips(place), []);
  }));

test("FR-011, FR-015: .pfs/archive.zip is what the mount shows: the base, a user's view, the past; as it is when it is opened", () =>
  withPlace(async (place) => {
    const { pfs, top, store, dir, otherDir } = place;
    const source = await importBook(place, {
      "README.md": "base",
      "content/a.md": "a",
      "static/big.bin": Buffer.alloc(2 * MIB, "x\n"),
    });
    const past = join(top, "past");
    await mkdir(past);
    await pfs("mount", "my-book", dir, "-o", "agent=bob");
    await pfs("mount", "my-book", otherDir, "-o", "agent=ulla,user=ulla");
    await pfs("mount", "my-book", past, "-o", "agent=bob,at=3");
    try {
      const take = async (from: string, name = "archive.zip"): Promise<Map<string, string>> => {
        const copy = join(top, "copy.zip");
        execFileSync("cp", [join(from, ".pfs", name), copy]);
        testZip(join(from, ".pfs", name));
        return unzip(place, copy);
      };
      const textOf = (files: Map<string, string>, path: string): string =>
        Buffer.from(files.get(path)?.split(" ")[2] ?? "", "base64").toString();
      const imported = contentsOf(source);
      assert.deepEqual(await take(dir), imported);
      await pfs("archive", "my-book", "-o", join(top, "by-command.zip"));
      assert.ok(
        (await readFile(join(dir, ".pfs/archive.zip"))).equals(await readFile(join(top, "by-command.zip"))),
      );
      await writeFile(join(otherDir, "README.md"), "ulla's");
      await writeFile(join(otherDir, "mine.md"), "ulla's");
      await writeFile(join(dir, "content/b.md"), "b");
      const ofUlla = await take(otherDir);
      assert.deepEqual(
        [...ofUlla.keys()],
        ["README.md", "content/a.md", "content/b.md", "mine.md", "static/big.bin"],
      );
      assert.equal(textOf(ofUlla, "README.md"), "ulla's");
      const ofBase = await take(dir);
      assert.deepEqual(
        [textOf(ofBase, "README.md"), ofBase.has("mine.md"), textOf(ofBase, "content/b.md")],
        ["base", false, "b"],
      );
      assert.deepEqual(await take(past), imported);
      assert.deepEqual([...(await take(dir, "archive-assets.zip")).keys()], ["static/big.bin"]);
      assert.deepEqual(
        [...(await take(dir, "archive-content.zip")).keys()],
        ["README.md", "content/a.md", "content/b.md"],
      );
      // Many at once, while the book changes.
      const script = `for i in 1 2 3 4 5 6; do cp .pfs/archive.zip ${top}/many-$i.zip & echo $i > content/b.md; done; wait`;
      assert.equal((await execute("bash", ["-c", script], undefined, dir)).code, 0);
      for (let number = 1; number <= 6; number++)
        assert.match(
          textOf(await unzip(place, join(top, `many-${number}.zip`)), "content/b.md"),
          /^[b1-6]\n?$/,
        );
      assert.deepEqual(await readdir(join(store, "drafts")), []);
    } finally {
      await pfs("umount", past);
    }
  }));

test("FR-014: .pfs/archive.zip of a book with damaged files has ERRORS.json; of an empty book it is a ZIP file without files", () =>
  withPlace(async (place) => {
    const { pfs, store, dir, otherDir } = place;
    await pfs("init", "empty", "--schema", "any");
    await pfs("mount", "empty", otherDir, "-o", "agent=bob");
    assert.equal((await readFile(join(otherDir, ".pfs/archive.zip"))).length, 22);
    await importBook(place, { "a.md": "a", "large.bin": Buffer.alloc(MIB, "bad") });
    const file = JSON.parse(await pfs("ls", "my-book", "large.bin", "--json"));
    await rm(join(store, "objects", file.sha256.slice(0, 2), file.sha256));
    await pfs("mount", "my-book", dir, "-o", "agent=bob");
    const copy = join(place.top, "copy.zip");
    await cp(join(dir, ".pfs/archive.zip"), copy);
    assert.deepEqual([...(await unzip(place, copy)).keys()], ["ERRORS.json", "a.md"]);
  }));

test("FR-011: GET /books/:book/archive streams an archive; its trailers say whether it is whole", () =>
  withPlace(async (place) => {
    const { start, store, top } = place;
    await start(PFSD).until(/"started"/);
    await importBook(place, { "a.md": "a", "static/b.bin": randomBytes(3 * MIB) });
    const get = async (query: string): Promise<{ headers: string; file: string }> => {
      const file = join(top, "got.zip");
      const url = `http://pfs/books/my-book/archive${query}`;
      const { code, stdout } = await execute(
        "curl",
        ["-sS", "-D", "-", "-o", file, "--unix-socket", "pfsd.sock", url],
        undefined,
        store,
      );
      assert.equal(code, 0);
      return { headers: stdout, file };
    };
    const whole = await get("");
    assert.match(
      whole.headers,
      /200 OK[\s\S]*application\/zip[\s\S]*filename="my-book-[0-9a-f]{12}\.zip"[\s\S]*pfs-errors: 0\r\npfs-resume: \r\n/,
    );
    assert.deepEqual([...(await unzip(place, whole.file)).keys()], ["a.md", "static/b.bin"]);
    const first = await get("?timeout=0");
    const token = /pfs-resume: (\S+)/.exec(first.headers)?.[1];
    assert.deepEqual([...(await unzip(place, first.file)).keys()], ["PARTIAL.json", "a.md"]);
    const rest = await get(`?resume=${token}`);
    assert.deepEqual([...(await unzip(place, rest.file)).keys()], ["static/b.bin"]);
    assert.match((await get("?scope=some")).headers, /400/);
    assert.match((await get("?at=99999")).headers, /404/);
    // A client that goes away ends it: the daemon goes on.
    await execute(
      "bash",
      ["-c", "curl -s --unix-socket pfsd.sock http://pfs/books/my-book/archive | head -c 100 > /dev/null"],
      undefined,
      store,
    );
    assert.match((await get("?scope=assets")).headers, /200 OK/);
  }));

/** Most memory that a command used, in bytes. */
async function peakOf({ env, top }: Place, ...args: string[]): Promise<number> {
  const script =
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
  const { code, stdout, stderr } = await execute(
    "python3",
    ["-c", script, process.execPath, PFS, ...args],
    env,
    top,
  );
  assert.equal(code, 0, stderr);
  return Number(stdout) * 1024;
}

async function peakOfProcess(pid: number): Promise<number> {
  return Number(/^VmHWM:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

test("R4, SC-001: 500 files of 200 MB are archived in under 60 s and 64 MB of added memory, and a mount goes on meanwhile", () =>
  withPlace(async (place) => {
    const { pfs, top, dir, store } = place;
    await importBook(place, { "content/0.md": "one file" });
    const idle = await peakOf(place, "archive", "my-book", "-o", "/dev/null");
    const source = join(top, "source");
    const words = Buffer.from(randomBytes(300_000).toString("base64"));
    await mkdir(join(source, "static"));
    for (let number = 1; number < 500; number++) {
      const isText = number % 2 === 0;
      const path = join(source, isText ? `content/${number}.md` : `static/${number}.png`);
      await writeFile(path, isText ? words : randomBytes(400_000));
      await appendFile(path, `${number}`);
    }
    await pfs("import", "my-book", source);
    const startedMs = performance.now();
    const peak = await peakOf(place, "archive", "my-book", "-o", "big.zip");
    const seconds = (performance.now() - startedMs) / 1000;
    assert.ok(seconds < 60, `${seconds} s`);
    assert.ok(
      peak - idle < 64e6,
      `${((peak - idle) / 1e6).toFixed(1)} MB more than the idle ${(idle / 1e6).toFixed(1)} MB`,
    );
    testZip(join(top, "big.zip"));

    await pfs("mount", "my-book", dir, "-o", "agent=bob");
    const pid = (await place.status()).pid as number;
    const before = await peakOfProcess(pid);
    const copying = cp(join(dir, ".pfs/archive.zip"), join(top, "copy.zip")).then(() => true);
    let reads = 0;
    while (!(await Promise.race([copying, readFile(join(dir, "content/0.md")).then(() => false)]))) reads++;
    assert.ok(reads > 20, `${reads} reads while it was made`);
    const added = (await peakOfProcess(pid)) - before;
    assert.ok(added < 64e6, `${(added / 1e6).toFixed(1)} MB added`);
    assert.ok((await readFile(join(top, "copy.zip"))).equals(await readFile(join(top, "big.zip"))));
    await eventually(
      "what was made is gone",
      async () => (await readdir(join(store, "drafts"))).length === 0,
    );

    // Killed in the middle of one: the next start clears what is left of it.
    const cut = execute("cp", [join(dir, ".pfs/archive-content.zip"), join(top, "cut.zip")]);
    await eventually("it is being made", async () => (await readdir(join(store, "drafts"))).length === 1);
    process.kill(pid, "SIGKILL");
    assert.notEqual((await cut).code, 0);
    await place.start(PFSD).until(/"started"/);
    assert.deepEqual(await readdir(join(store, "drafts")), []);
  }));
