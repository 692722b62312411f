// What the commands print and how they end: sentences for people, JSON for scripts, exit codes for shells.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execute, LESSON, PFS, type Place, SAMPLE, withPlace } from "./harness.ts";

const COMMANDS = [
  "init",
  "import",
  "export",
  "ls",
  "mount",
  "umount",
  "up",
  "stop",
  "status",
  "top",
  "log",
  "conflicts",
  "resolve",
  "show",
  "diff",
  "restore",
  "manifest",
  "validate",
  "verify",
];

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

test("--help names every command, each command's --help has its arguments, --version is the package's", () =>
  withPlace(async ({ pfs, run }) => {
    const help = await pfs("--help");
    for (const name of COMMANDS) assert.match(help, new RegExp(`^ {2}${name}\\b`, "m"));
    const [mount, log] = await Promise.all([pfs("mount", "--help"), pfs("log", "--help")]);
    assert.match(mount, /^Usage: pfs mount \[options\] <book> <dir>\n/);
    assert.match(log, /Examples:\n {2}pfs log\n/);
    assert.equal(await pfs("help", "log"), log);
    assert.doesNotMatch(await pfs("verify", "--help"), /default: \[\]/);
    assert.match(await pfs("--version"), /^\d+\.\d+\.\d+\n$/);
    const nothing = await run();
    assert.equal(nothing.code, 2);
    assert.match(nothing.stderr, /^Usage: pfs /);
  }));

test("what is not understood ends with 2, what fails with 1, each with a sentence and what to do", () =>
  withPlace(async ({ run, pfs, top }) => {
    await pfs("init", "my-book");
    const cases: [code: number, said: RegExp, ...args: string[]][] = [
      [2, /^pfs: unknown command 'statu'\n\(Did you mean status\?\)\n/, "statu"],
      [2, /^pfs: unknown command 'statu'\n\(Did you mean status\?\)\n/, "help", "statu"],
      [2, /^pfs: missing required argument 'book'\n {2}`pfs init --help` says what it takes\.\n$/, "init"],
      [2, /^pfs: "My Book" is not a book id\.\n {2}A book id is 3 to 50 /, "init", "My Book"],
      [
        2,
        /^pfs: There is no built-in schema named "loose"\.\n {2}The built-in ones are /,
        "init",
        "abc",
        "--schema",
        "loose",
      ],
      [2, /^pfs: The schema \.\/none\.json cannot be read: /, "init", "abc", "--schema", "./none.json"],
      [
        2,
        /^pfs: The mount option "colour=x" is not known\.\n {2}Known are agent=NAME/,
        "mount",
        "my-book",
        top,
        "-o",
        "colour=x",
      ],
      [
        1,
        /^pfs: "system" is not an agent: .*\n {2}Name one, /,
        "mount",
        "my-book",
        top,
        "-o",
        "agent=system",
      ],
      [1, /^pfs: The book my-book is already in the store .*\.\n {2}Choose another name/, "init", "my-book"],
      [1, /^pfs: There is no book abc in the store .*\.\n {2}It holds: my-book\.\n$/, "ls", "abc"],
      [1, /^pfs: There is no directory .*nowhere\.\n/, "import", "abc", join(top, "nowhere")],
      [1, /^pfs: The log of my-book has nothing about nothing\.md\.\n/, "log", "nothing.md"],
      [
        2,
        /^pfs: --since takes an ISO time such as .* or an age such as 2h, not noon\.\n/,
        "log",
        "--since",
        "noon",
      ],
      [1, /^pfs: There is neither a book nor a directory nodir\.\n {2}`pfs ls` /, "validate", "nodir"],
      [1, /^pfs: There is no directory .*nodir\.\n/, "validate", "./nodir"],
      [1, /^pfs: Cannot unmount .*: nothing is mounted there\.\n {2}`pfs status` /, "umount", top],
      [
        1,
        /^pfs: Cannot mount .*: there is no such directory\.\n {2}Make it with `mkdir -p '\/.*\/no such dir'`\.\n$/,
        "mount",
        "my-book",
        join(top, "no such dir"),
      ],
      [2, /^pfs: too many arguments for 'status'.* got 1: a\\u\{1\}b\.\n/, "status", "a\u0001b"],
    ];
    for (const [code, said, ...args] of cases) {
      const outcome = await run(...args);
      assert.match(outcome.stderr, said);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ""], args.join(" "));
    }
  }));

test("errors with --json are one object with code, message and hint, on standard error", () =>
  withPlace(async ({ run }) => {
    for (const [code, ...args] of [
      ["NOT_FOUND", "ls", "abc"],
      ["USAGE", "init", "A B"],
      ["USAGE", "frob"],
      ["NOT_FOUND", "verify"],
    ]) {
      const { stderr, stdout } = await run(...args, "--json");
      const { error } = JSON.parse(stderr);
      assert.deepEqual([error.code, stdout], [code, ""]);
      assert.deepEqual(Object.keys(error), ["code", "message", "hint"]);
      assert.ok(error.message.length > 5);
    }
  }));

test("R7: nothing mounts for `system` or for nobody, wherever the name comes from", () =>
  withPlace(async ({ pfs, env, dir }) => {
    await pfs("init", "my-book");
    for (const name of ["system", "System", "", "  "]) {
      const named = { ...env, PFS_AGENT_ID: name };
      const { code, stderr } = await execute(process.execPath, [PFS, "mount", "my-book", dir], named);
      assert.equal(code, 1);
      assert.match(stderr, /every change needs one who answers for it/);
    }
    for (const name of [" x", "a\u0001b", "x".repeat(201)]) {
      const named = { ...env, PFS_AGENT_ID: name };
      for (const args of [
        ["mount", "my-book", dir],
        ["import", "my-book", dir],
        ["import", "my-book", dir, "--agent", name],
        ["mount", "my-book", dir, "-o", `agent=${name}`],
      ]) {
        const { code, stderr } = await execute(process.execPath, [PFS, ...args], named);
        assert.deepEqual([code, /^pfs: The agent name /.test(stderr)], [2, true], "malformed, not refused");
      }
    }
    for (const args of [
      ["import", "my-book", dir, "--agent", ""],
      ["mount", "my-book", dir, "-o", "agent="],
    ]) {
      assert.equal((await execute(process.execPath, [PFS, ...args], env)).code, 1);
    }
    const named = { ...env, PFS_AGENT_ID: "claude-7" };
    const { stdout } = await execute(process.execPath, [PFS, "mount", "my-book", dir], named);
    assert.match(stdout, /agent claude-7\)/);
  }));

test("status, ls, log and verify with --json have the fields that scripts rely on, with a daemon and without", () =>
  withPlace(async ({ pfs, dir, status, store }) => {
    await pfs("import", "my-book", SAMPLE);
    const expectations = async (pid: number | null): Promise<void> => {
      const now = await status();
      assert.deepEqual(Object.keys(now).sort(), [
        "cache",
        "check",
        "config",
        "conflicts",
        "drafts",
        "head",
        "http",
        "mounts",
        "pid",
        "retention",
        "seq",
        "started_at",
        "store",
        "sync",
        "version",
      ]);
      assert.equal(now.seq, 40);
      assert.equal(now.pid === null, pid === null);
      const [{ size_bytes: sizeBytes, ...book } = {}] = jsonLines(await pfs("ls", "--json"));
      assert.deepEqual(book, { book: "my-book", profile: "strict", files: 40 });
      assert.ok(Number(sizeBytes) > 10_000);
      const [file] = jsonLines(await pfs("ls", "my-book", LESSON, "--json"));
      assert.deepEqual(Object.keys(file ?? {}), ["path", "sha256", "size", "mode", "mtime", "file_id"]);
      assert.equal(file?.mode, "100644");
      const rows = jsonLines(await pfs("log", "--json"));
      assert.deepEqual(
        rows.map(({ seq }) => seq),
        Array.from({ length: 40 }, (_, index) => 40 - index),
      );
      assert.equal(await pfs("verify", "--json"), "");
    };
    await expectations(null);
    await pfs("mount", "my-book", dir, "-o", "ro,agent=alice");
    await expectations(1);
    assert.deepEqual((await status()).mounts, [
      {
        directory: dir,
        book: "my-book",
        agent: "alice",
        options: "ro",
        user: null,
        position: null,
        position_time: null,
      },
    ]);
    const stopped = jsonLines(await pfs("stop", "--json"));
    assert.deepEqual(Object.keys(stopped[0] ?? {}), ["store", "pid"]);
    assert.deepEqual(jsonLines(await pfs("stop", "--json")), [{ store, pid: null }]);
  }));

test("import takes all or nothing, says why, and shows no progress bar outside of a terminal", () =>
  withPlace(async (place) => {
    const { run, pfs, top } = place;
    const source = join(top, "source");
    await mkdir(join(source, "docs"), { recursive: true });
    await writeFile(join(source, "docs/01 intro.md"), "# Intro\n");
    await writeFile(join(source, "docs/.01.md.swp"), "swap");
    const refused = await run("import", "my-book", source, "--schema", "strict");
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^pfs: A file has no place in the profile strict:\n {2}docs\/01 intro\.md: /,
    );
    assert.equal((await run("ls", "my-book")).code, 1);
    const imported = await run("import", "my-book", source, "--schema", "any");
    assert.deepEqual([imported.code, imported.stderr], [0, ""]);
    assert.match(imported.stdout, /Left out docs\/\.01\.md\.swp: scratch/);
    const again = await run("import", "my-book", source, "--schema", "strict");
    assert.equal(again.code, 2);
    assert.match(again.stderr, /has the schema any, not strict\.\n/);
    assert.equal(await pfs("ls", "my-book"), "docs/01 intro.md\n");
  }));

test("import with a schema file holds what it says against the book's, with a daemon and without", () =>
  withPlace(async ({ run, pfs, top, dir }) => {
    const source = join(top, "source");
    await mkdir(source);
    await writeFile(join(source, "a.md"), "a");
    const schema = (name: string, patterns: string[], more: object = {}): string => {
      const file = join(top, `${name}.json`);
      writeFileSync(file, JSON.stringify({ name: "mine", patterns, ...more }));
      return file;
    };
    const first = schema("first", ["*.md"]);
    await pfs("import", "my-book", source, "--schema", first);
    for (const when of ["without a daemon", "with a daemon"]) {
      await pfs("import", "my-book", source, "--schema", first);
      await pfs("import", "my-book", source, "--schema", schema("same", ["*.md"], { symlinks: false }));
      for (const other of [
        schema("other", ["*.md", "*.txt"]),
        schema("links", ["*.md"], { symlinks: true }),
      ]) {
        const refused = await run("import", "my-book", source, "--schema", other);
        assert.equal(refused.code, 2, when);
        assert.match(
          refused.stderr,
          /^pfs: The book my-book has another schema of the name mine than .*"\*\.md"/,
        );
      }
      if (when === "without a daemon") await pfs("mount", "my-book", dir);
    }
  }));

test("what is read-only or odd comes through import and export as it was", () =>
  withPlace(async ({ pfs, top }) => {
    const source = join(top, "source");
    await mkdir(join(source, "empty"), { recursive: true });
    await writeFile(join(source, "run.sh"), "#!/bin/sh\r\n");
    await chmod(join(source, "run.sh"), 0o755);
    await writeFile(join(source, "large.bin"), Buffer.alloc(300_000, 7));
    await writeFile(join(source, "nothing"), "");
    await symlink("run.sh", join(source, "link"));
    assert.match(await pfs("import", "my-book", source), /its schema is any, because /);
    await pfs("export", "my-book", join(top, "copy"));
    const listing = "find . ! -type d -printf '%p %m %T@ %l\\n' | sort";
    const [before, after] = await Promise.all(
      [source, join(top, "copy")].map((cwd) => execute("sh", ["-c", listing], process.env, cwd)),
    );
    assert.equal(after?.stdout, before?.stdout);
    assert.deepEqual(await readFile(join(top, "copy/large.bin")), Buffer.alloc(300_000, 7));
    assert.deepEqual((await readdir(join(top, "copy"))).sort(), [
      "empty",
      "large.bin",
      "link",
      "nothing",
      "run.sh",
    ]);
  }));

test("FR-010: validate reports every violation with a suggestion, of a book and of a directory", () =>
  withPlace(async ({ run, pfs, top }) => {
    const source = join(top, "site");
    await mkdir(join(source, "01-Part/01-Chapter"), { recursive: true });
    await writeFile(join(source, "01-Part/01-Chapter/1-intro.md"), "");
    await writeFile(join(source, "01-Part/01-Chapter/02-more.md"), "");
    const strict = await run("validate", source, "--into", "content");
    assert.equal(strict.code, 1);
    assert.match(strict.stdout, /^An import without --schema would choose docusaurus, because /);
    assert.match(
      strict.stdout,
      /1-intro\.md: .* Did you mean content\/01-Part\/01-Chapter\/01-intro\.md\?\n/,
    );
    const loose = await run("validate", source, "--into", "content", "--schema", "docusaurus", "--json");
    assert.deepEqual([loose.code, loose.stdout, loose.stderr], [0, "", ""]);
    await pfs("import", "my-book", source, "--into", "content");
    assert.match(await pfs("validate", "my-book"), /^Every path of my-book fits the schema docusaurus\.\n$/);
    const [violation] = jsonLines((await run("validate", "my-book", "--schema", "strict", "--json")).stdout);
    assert.deepEqual(Object.keys(violation ?? {}), ["path", "reason", "suggestion"]);
  }));

test("verify names a damaged file and ends with 1; export names it too", () =>
  withPlace(async ({ run, pfs, top, store }) => {
    await mkdir(join(top, "source"));
    await writeFile(join(top, "source/large.bin"), Buffer.alloc(300_000, 7));
    await pfs("import", "my-book", join(top, "source"));
    const [file] = jsonLines(await pfs("ls", "my-book", "--json"));
    const hash = String(file?.sha256);
    const object = join(store, "objects", hash.slice(0, 2), hash);
    await chmod(object, 0o600);
    await writeFile(object, Buffer.alloc(300_000, 8));
    const { code, stdout } = await run("verify");
    assert.equal(code, 1);
    assert.match(stdout, /^error (R2|B1) .*large\.bin|^error (R2|B1) [0-9a-f]{64}/m);
    const exported = await run("export", "my-book", join(top, "copy"));
    assert.equal(exported.code, 1);
    assert.match(exported.stderr, /large\.bin/);
  }));

test("log finds a file by its path in the book, in a mount, or from within the mount", () =>
  withPlace(async (place: Place) => {
    const { pfs, dir, env, top } = place;
    await pfs("import", "my-book", SAMPLE);
    await pfs("import", "other-book", SAMPLE);
    await pfs("mount", "my-book", dir, "-o", "agent=alice");
    await writeFile(join(dir, LESSON), "new\n");
    const expected = await pfs("log", "my-book", LESSON);
    assert.match(expected, /update .*\(alice, /);
    assert.equal(expected.trimEnd().split("\n").length, 2);
    const from = async (cwd: string, path: string): Promise<string> =>
      (await execute(process.execPath, [PFS, "log", path], env, cwd)).stdout;
    await symlink(dir, join(top, "link"));
    assert.equal(await pfs("log", join(dir, LESSON)), expected);
    assert.equal(await from(top, `mount/${LESSON}`), expected);
    assert.equal(await from(top, `link/${LESSON}`), expected);
    assert.equal(await from(dir, LESSON), expected);
    assert.equal(
      await from(join(dir, "content/01-Foundations"), "01-Plain-Text/01-why-plain-text.md"),
      expected,
    );
    assert.match(await from(dir, "static/img"), /static\/img\/timeline\.png/);
    const unclear = await place.run("log", LESSON);
    assert.equal(unclear.code, 2);
    assert.match(unclear.stderr, /Name the book first: pfs log BOOK .*my-book, other-book\.\n$/);
  }));

test("many commands at once without a daemon take turns", () =>
  withPlace(async ({ run, pfs }) => {
    const names = ["book-a", "book-b", "book-c", "book-d"];
    const outcomes = await Promise.all(names.map((name) => run("init", name)));
    assert.deepEqual(
      outcomes.map(({ code, stderr }) => [code, stderr]),
      names.map(() => [0, ""]),
    );
    assert.equal(jsonLines(await pfs("ls", "--json")).length, 4);
  }));
