// Commands in messages can be pasted: a shell reads a path as it was.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { shellWord } from "../../schema/shell-word.ts";

test("a shell reads a word as the path that it was made of; plain paths stay as they are", () => {
  const paths = ["/mnt/my book", "it's", 'a"b$HOME`id`\\', "~", "*", "#x", "", "ünï", "a;b&c|d<e>(f)", "a=b"];
  const command = `printf '%s\\n' ${paths.map(shellWord).join(" ")}`;
  assert.deepEqual(
    execFileSync("sh", ["-c", command], { encoding: "utf8" }),
    paths.map((path) => `${path}\n`).join(""),
  );
  for (const path of ["/home/alice/my-book", "content/01-A/02-b.md", "01_x.md", "user@host:x"]) {
    assert.equal(shellWord(path), path);
  }
});
