// `pfs log`: its filters, its order, and how it tells times.

import assert from "node:assert/strict";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execute, PFS, withPlace } from "./harness.ts";

interface Row {
  readonly seq: number;
  readonly path: string;
  readonly agent_id: string;
  readonly operation: string;
}

test("FR-024: pfs log by pattern, agent, operation, time, and oldest first; ages on a terminal, exact times with --iso", () =>
  withPlace(async ({ pfs, run, dir, otherDir, env }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, "-o", "agent=ann");
    await pfs("mount", "my-book", otherDir, "-o", "agent=bob");
    await mkdir(join(dir, "d/e"), { recursive: true });
    await writeFile(join(dir, "d/a.md"), "one");
    await writeFile(join(otherDir, "d/e/b.md"), "two");
    await writeFile(join(dir, "d/c.txt"), "three");
    await rename(join(dir, "d/c.txt"), join(dir, "d/f.txt"));
    const rows = async (...args: string[]): Promise<Row[]> => {
      const lines = (await pfs("log", "--json", ...args)).split("\n").filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line) as Row);
    };
    const paths = async (...args: string[]) => (await rows(...args)).map(({ path }) => path);
    assert.deepEqual(await paths("--path", "**/*.md"), ["d/e/b.md", "d/a.md"]);
    assert.deepEqual(await paths("my-book", "--path", "d/*", "--operation", "create"), ["d/c.txt", "d/a.md"]);
    assert.deepEqual(await paths("my-book", "--path", "d/a.md"), ["d/a.md"]);
    assert.deepEqual(await paths("my-book", "--path", "d/**", "--agent", "bob", "--since", "1h"), [
      "d/e/b.md",
    ]);
    assert.deepEqual(await rows("--until", "1h"), []);
    assert.deepEqual(await rows("--reverse"), (await rows()).reverse());
    assert.deepEqual(await rows("--reverse", "-n", "2"), (await rows("-n", "2")).reverse());
    const followed = (await rows("my-book", "d/f.txt", "--reverse")).map(({ operation }) => operation);
    assert.deepEqual(followed, ["create", "rename", "rename"]);
    assert.match(await pfs("log", "--iso", "-n", "1"), /^ +[0-9]+ {2}20[0-9-]+T[0-9:.]+Z {2}rename /);
    assert.match(await pfs("log", "-n", "1"), /^ +[0-9]+ {2}20[0-9-]+ [0-9:]{8} {2}rename /);
    const pty = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    const words = ["-c", pty, process.execPath, PFS, "log", "-n", "1"];
    const shown = await execute("python3", words, { ...env, NO_COLOR: "1" });
    assert.match(
      shown.stdout,
      /^ +[0-9]+ {2}(?:just now|[0-9]+ (?:second|minute)s? ago) +rename {6}d\/c\.txt → d\/f\.txt/,
    );
    const both = await run("log", "my-book", "d/a.md", "--path", "d/*");
    assert.match(both.stderr, /^pfs: A path and --path ask for different things/);
    const malformed = await run("log", "--path", "[");
    assert.deepEqual([malformed.code, malformed.stdout], [2, ""]);
    assert.match(malformed.stderr, /"\[" is no pattern of paths: \[ is not closed/);
    const piped = await execute("bash", ["-c", '"$0" "$1" log | head -n 1', process.execPath, PFS], env);
    assert.deepEqual([piped.code, piped.stderr], [0, ""]);
    const route = await execute("curl", [
      "-s",
      "--unix-socket",
      join(env.PFS_STORE ?? "", "pfsd.sock"),
      "http://pfs/log?book=my-book&glob=d/e/**",
    ]);
    assert.equal((JSON.parse(route.stdout) as Row).path, "d/e/b.md");
  }));
