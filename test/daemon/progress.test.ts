// On a terminal clone, pull, sync and prefetch show how far they are, with a daemon and without, and nothing of it stays; in a
// pipe they show nothing.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shellWord } from "../../schema/shell-word.ts";
import { execute, PFS, type Place, withPlace } from "./harness.ts";

/** So many that what is asked takes longer than is waited before anything is shown. */
const FILES = 3000;

/** What a terminal is sent. */
async function inTerminal({ env }: Place, ...words: string[]): Promise<string> {
  const typed = [process.execPath, PFS, ...words].map(shellWord).join(" ");
  const { code, stdout } = await execute("script", ["-qec", typed, "/dev/null"], { ...env, TERM: "xterm" });
  assert.equal(code, 0, stdout);
  return stdout;
}

function makeFiles(directory: string, text: string): void {
  mkdirSync(directory, { recursive: true });
  for (let at = 0; at < FILES; at++) writeFileSync(join(directory, `${at}.md`), `${text} ${at}\n`);
}

test("clone, pull, sync and prefetch show how far they are on a terminal, and nothing in a pipe", () =>
  withPlace((a) =>
    withPlace(
      async (b) => {
        const source = join(a.top, "source");
        const remote = `file://${join(a.top, "remote")}`;
        makeFiles(source, "one");
        await a.pfs("import", "my-book", source, "--schema", "any");
        await a.pfs("remote", "add", "my-book", remote);
        await a.pfs("push", "my-book");
        assert.match(
          await inTerminal(b, "clone", remote, "my-book"),
          /\rCloning [\d,]+ files\u001b\[K[\s\S]*\r\u001b\[KCloned my-book: 3,000 files/,
        );
        assert.match(await inTerminal(b, "prefetch", "my-book"), /\rFetching \[#*\.*\] \d+\/3000 /);
        for (const [command, text] of [
          ["pull", "two"],
          ["sync", "three"],
        ] as const) {
          makeFiles(source, text);
          await a.pfs("import", "my-book", source);
          await a.pfs("push", "my-book");
          const shown = await inTerminal(b, command, "my-book");
          assert.match(shown, /\rPulling \[#*\.*\] \d+\/3000 changes\u001b\[K/, command);
          assert.match(shown, /\r\u001b\[Kmy-book: .*3,000 changes of others pulled/);
        }
        // A daemon tells as much.
        await withPlace(
          async (c) => {
            await c.pfs("init", "other", "--schema", "any");
            await c.pfs("mount", "other", c.dir);
            assert.match(await inTerminal(c, "clone", remote, "my-book"), /\rCloning [\d,]+ files\u001b\[K/);
            const { stdout, stderr } = await c.run("prefetch", "my-book");
            assert.ok(!(stdout + stderr).includes("\r"));
          },
          { env: { PFS_AGENT_ID: "carol" } },
        );
      },
      { env: { PFS_AGENT_ID: "bob" } },
    ),
  ));
