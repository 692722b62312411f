// `pfs top` in a terminal, and colours: on a terminal only, and never against NO_COLOR.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shellWord } from "../../schema/shell-word.ts";
import { Terminal } from "../editors/terminal.ts";
import { execute, PFS, type Place, withPlace } from "./harness.ts";

const command = (...words: string[]): string => [process.execPath, PFS, ...words].map(shellWord).join(" ");

/** What a terminal gets of a command. */
async function inTerminal({ env }: Place, words: string[], more: NodeJS.ProcessEnv = {}): Promise<string> {
  const typed = ["-qec", command(...words), "/dev/null"];
  return (await execute("script", typed, { ...env, TERM: "xterm", ...more })).stdout;
}

test("top shows the mounts and what is saved as it happens, and leaves the terminal as it was", () =>
  withPlace(async (place) => {
    const { pfs, run, dir, top, env } = place;
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    const shell = `sh -c ${shellWord(`echo before; ${command("top", "--delay", "0.2")}; echo after $?; read line`)}`;
    const terminal = await Terminal.start({ command: shell, cwd: top, env, socket: join(top, "tmux") });
    try {
      await terminal.shows(/^pfs top[\s\S]*Everything answers\.[\s\S]*my-book {2}rw/);
      writeFileSync(join(dir, "saved-now"), "x");
      await terminal.shows(/^last changes\n +(just now|\d+ seconds? ago) +create +saved-now {2}\(/m);
      await terminal.keys("q");
      await terminal.shows(/^before\nafter 0\n/);
    } finally {
      await terminal.close();
    }
    const piped = await run("top");
    assert.deepEqual([piped.code, piped.stdout], [2, ""]);
    assert.match(piped.stderr, /^pfs: `pfs top` needs a terminal\.\n {2}`pfs status` /);
    assert.match((await run("top", "--delay", "x")).stderr, /^pfs: --delay takes seconds/);
  }));

test("status, log and doctor are in colour on a terminal, not with NO_COLOR, nor in a pipe", () =>
  withPlace(async (place) => {
    const { pfs, dir } = place;
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    writeFileSync(join(dir, "a"), "x");
    const green = "\u001b[32m";
    assert.ok((await inTerminal(place, ["status"])).includes(`health  ${green}Everything answers.`));
    assert.ok((await inTerminal(place, ["doctor"])).includes(`${green}pass`));
    assert.match(await inTerminal(place, ["log"]), /\u001b\[2m\(.*\)/);
    for (const word of ["status", "log"]) {
      assert.ok(!(await inTerminal(place, [word], { NO_COLOR: "1" })).includes("\u001b"), word);
      assert.ok(!(await pfs(word)).includes("\u001b"), word);
    }
  }));
