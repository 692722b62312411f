// Completion in real shells in a terminal, and what they are told; the manual page in groff.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execute, PFS, type Place, withPlace } from "../daemon/harness.ts";
import { Terminal } from "../editors/terminal.ts";

/** Starts of each shell without anybody's own settings, with the completion of pfs. */
const SHELLS: Readonly<Record<string, string>> = {
  bash: "bash --norc --noprofile -i",
  zsh: "zsh -f -i",
  fish: "fish --no-config -i",
};
const SETUPS: Readonly<Record<string, string>> = {
  bash: 'PS1="ready> "; source <(pfs completion bash)',
  zsh: 'PS1="ready> "; autoload -U compinit; compinit -u -D; source <(pfs completion zsh)',
  fish: "function fish_prompt; echo -n 'ready> '; end; pfs completion fish | source",
};

/** A directory for PATH with `pfs` in it. */
function withProgram({ top, env }: Place): void {
  const folder = join(top, "bin");
  mkdirSync(folder);
  writeFileSync(join(folder, "pfs"), `#!/bin/sh\nexec ${process.execPath} ${PFS} "$@"\n`);
  chmodSync(join(folder, "pfs"), 0o755);
  Object.assign(env, { PATH: `${folder}:${env.PATH}`, HOME: top, TERM: "xterm", XDG_CONFIG_HOME: top });
}

for (const shell of Object.keys(SHELLS)) {
  test(`completion: ${shell} completes commands, options, books and files`, () =>
    withPlace(async (place) => {
      const { pfs, top, env } = place;
      withProgram(place);
      await pfs("init", "only-book", "--schema", "any");
      mkdirSync(join(top, "work", "somewhere-else"), { recursive: true });
      const start = {
        command: SHELLS[shell] as string,
        cwd: join(top, "work"),
        env,
        socket: join(top, "tmux"),
      };
      const terminal = await Terminal.start(start);
      try {
        await terminal.type(SETUPS[shell] as string);
        await terminal.keys("Enter");
        await terminal.shows(/^ready> *$/m);
        const lines: [typed: string, shown: RegExp][] = [
          ["pfs moun", /ready> pfs mount $/m],
          ["pfs mount only", /ready> pfs mount only-book $/m],
          ["pfs mount only-book some", /ready> pfs mount only-book somewhere-else\/? ?$/m],
          ["pfs verify --no-r", /ready> pfs verify --no-rehash $/m],
          ["pfs completion fi", /ready> pfs completion fish $/m],
        ];
        for (const [typed, shown] of lines) {
          await terminal.type(typed);
          await terminal.keys("Tab");
          // What tmux captures has no spaces at the ends of lines.
          await terminal.shows(new RegExp(shown.source.replace(/ \?\$$| \$$/, "\\s*$"), "m"));
          await terminal.keys("C-c");
          await terminal.shows(/^ready> *$/m);
          await terminal.keys("C-l");
        }
      } finally {
        await terminal.close();
      }
    }));
}

test("completion: shells are told what fits, nothing where nothing does, and never a failure", () =>
  withPlace(async ({ pfs, run, env }) => {
    await pfs("init", "my-book");
    const words = async (...typed: string[]): Promise<string[]> =>
      (await pfs("complete", "--", ...typed))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => line.split("\t")[0] as string);
    const all = await words("");
    for (const name of ["mount", "gc", "doctor", "help"]) assert.ok(all.includes(name), name);
    assert.ok(!all.includes("complete"));
    assert.deepEqual(await words("mou"), ["mount"]);
    assert.deepEqual(await words("--js"), ["--json"]);
    assert.deepEqual(await words("--store", ""), [":files"]);
    assert.deepEqual(await words("--store", "/x", "gc", "--d"), ["--dry-run"]);
    assert.deepEqual(await words("help", "gc"), ["gc"]);
    assert.deepEqual(await words("mount", ""), ["my-book"]);
    assert.deepEqual(await words("mount", "my-book", ""), [":files"]);
    assert.deepEqual(await words("mount", "my-book", "-o", "check=s"), ["check=seen"]);
    assert.deepEqual(await words("archive", "my-book", "--json", ""), []);
    assert.deepEqual(await words("service", "un"), ["uninstall"]);
    assert.ok((await words("remote", "")).includes("add"));
    assert.deepEqual(await words("no-such-command", ""), []);
    env.PFS_STORE = "/nonexistent/store";
    assert.deepEqual(await words("mount", ""), []);
    assert.equal((await run("completion", "tcsh")).code, 2);
  }));

test("man: the manual page names every command, and groff has nothing to say against it", () =>
  withPlace(async ({ pfs, top }) => {
    const page = await pfs("man");
    assert.doesNotMatch(page, /[^\0-\x7f]/);
    const file = join(top, "pfs.1");
    writeFileSync(file, page);
    const made = await execute("groff", ["-man", "-ww", "-Tutf8", file]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    const help = await pfs("--help");
    const names = [...help.matchAll(/^ {2}([a-z][a-z-]*)\b.* {2}/gm)].map(([, name]) => name);
    assert.ok(names.length > 30);
    // groff prints bold letters twice.
    const text = made.stdout.replace(/.\x08/gu, "").replace(/[\u2010\u2212]/g, "-");
    for (const name of names.filter((each) => each !== "help" && each !== "pfs"))
      assert.match(text, new RegExp(`^ {3}pfs ${name} `, "m"));
  }));
