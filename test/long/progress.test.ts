// On a terminal import, export, clone, pull, sync and prefetch show how far they are, the last four with a daemon and without, and
// nothing of it stays; in a pipe they show nothing. Who looks away ends nothing.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import type { DaemonStatus } from "../../daemon/daemon-status.ts";
import { openSocketAddress } from "../../daemon/store-socket.ts";
import { shellWord } from "../../schema/shell-word.ts";
import { eventually, execute, PFS, type Place, withPlace } from "../daemon/harness.ts";

/** So many that what is asked takes longer than is waited before anything is shown. */
const FILES = 3000;

const FAST_CLOCK = `--import=${new URL("../daemon/clock-rate.ts", import.meta.url).href}`;

/** What a terminal is sent. */
async function inTerminal({ env }: Place, ...words: string[]): Promise<string> {
  const typed = [process.execPath, PFS, ...words].map(shellWord).join(" ");
  const { code, stdout } = await execute("script", ["-qec", typed, "/dev/null"], {
    ...env,
    TERM: "xterm",
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} ${FAST_CLOCK}`,
  });
  assert.equal(code, 0, stdout);
  return stdout;
}

function makeFiles(directory: string, text: string): void {
  mkdirSync(directory, { recursive: true });
  for (let at = 0; at < FILES; at++) writeFileSync(join(directory, `${at}.md`), `${text} ${at}\n`);
}

/** Makes a book of many files and shares it. */
async function shareFiles({ top, pfs }: Place): Promise<{ source: string; remote: string }> {
  const source = join(top, "source");
  const remote = `file://${join(top, "remote")}`;
  makeFiles(source, "one");
  await pfs("import", "my-book", source, "--schema", "any");
  await pfs("remote", "add", "my-book", remote);
  await pfs("push", "my-book");
  return { source, remote };
}

test("import and export show how far they are on a terminal, and nothing of it stays", () =>
  withPlace(async (place) => {
    const [source, target] = ["source", "target"].map((name) => join(place.top, name)) as [string, string];
    makeFiles(source, "one");
    assert.match(
      await inTerminal(place, "import", "my-book", source, "--schema", "any"),
      /\rImporting \[#*\.*\] \d+\/3000\u001b\[K[\s\S]*\r\u001b\[K[^\u001b]*Imported 3,000 files [^\u001b]*$/,
    );
    assert.match(
      await inTerminal(place, "export", "my-book", target),
      /\rExporting \[#*\.*\] \d+\/3000\u001b\[K[\s\S]*\r\u001b\[K[^\u001b]*3,000 files [^\u001b]*$/,
    );
  }));

test("clone, pull, sync and prefetch show how far they are on a terminal, and nothing in a pipe", () =>
  withPlace((a) =>
    withPlace(
      async (b) => {
        const { source, remote } = await shareFiles(a);
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

test("a clone that nobody waits for any more is finished by the daemon, which syncs the book from then on", () =>
  withPlace((a) =>
    withPlace(
      async (b) => {
        const { remote } = await shareFiles(a);
        await b.pfs("init", "other", "--schema", "any");
        await b.pfs("mount", "other", b.dir);
        const address = openSocketAddress(b.store);
        const asked = request({ socketPath: address.path, method: "POST", path: "/clone", agent: false });
        asked.end(JSON.stringify({ book: "my-book", log: remote, blobs: remote }));
        const [response] = (await once(asked, "response")) as [IncomingMessage];
        const [first] = (await once(response, "data")) as [Buffer];
        assert.match(
          first.toString(),
          /"type":"progress"/,
          "it had been over before anybody could look away",
        );
        response.destroy();
        address.close();
        await eventually("the daemon syncs it", async () => {
          const { sync } = JSON.parse(await b.pfs("status", "--json")) as DaemonStatus;
          return sync.some(({ book }) => book === "my-book");
        });
        assert.equal((await b.pfs("ls", "my-book")).trim().split("\n").length, FILES);
      },
      { env: { PFS_AGENT_ID: "bob" } },
    ),
  ));
