// What programs are told when the schema has no place for a name: EINVAL in their own words, an entry in .pfs/errors.jsonl,
// a refused row in the log, and nothing changed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { assertSaves, type Case, LESSON } from "./editing.ts";

const INVALID = "Invalid argument";
const FORBIDDEN = "Operation not permitted";

/** A script that must fail with these words. */
function fails(script: string, words: string): string {
  return `! ( ${script} ) 2> "$HOME/said"; grep -q ${JSON.stringify(words)} "$HOME/said"`;
}

interface Refused {
  readonly title: string;
  readonly script: string;
  readonly words: string;
  /** The path of the log's refused row, and its operation. */
  readonly name: string;
  readonly operation: string;
  readonly code: string;
  /** How often the program tries. */
  readonly times?: number;
}

const schema = { words: INVALID, code: "SCHEMA_VIOLATION" };
const refused: Refused[] = [
  { title: "a redirection", script: "echo x > notes.txt", name: "notes.txt", operation: "create", ...schema },
  { title: "cp", script: `cp ${LESSON} lesson.md`, name: "lesson.md", operation: "create", ...schema },
  {
    title: "mv",
    script: `mv ${LESSON} 1-lesson.md`,
    name: "1-lesson.md",
    operation: "create",
    ...schema,
    // How coreutils puts EINVAL of a rename.
    words: "to a subdirectory of itself",
    // EINVAL of renameat2(2) might mean its flags, so it tries without.
    times: 2,
  },
  { title: "mkdir", script: "mkdir 01-Deeper", name: "01-Deeper", operation: "create", ...schema },
  { title: "touch", script: "touch README.md", name: "README.md", operation: "create", ...schema },
  {
    title: "ln -s",
    script: `ln -s ${LESSON} 02-link.md`,
    name: "02-link.md",
    operation: "create",
    ...schema,
  },
  {
    title: "ln",
    script: `ln ${LESSON} 02-link.md`,
    name: "02-link.md",
    operation: "create",
    words: FORBIDDEN,
    code: "NOT_PERMITTED",
  },
  { title: "python", script: `python3 -c 'open("x.py", "w")'`, name: "x.py", operation: "create", ...schema },
];

const cases: Case[] = refused.map(({ title, script, words, name, operation, code, times = 1 }) => ({
  title: `R1: ${title} is told ${words}`,
  onlyHere: true,
  run: fails(script, words),
  // The same again at once is counted.
  log: { [name]: [`refused ${operation}`] },
  async after({ dir, book }) {
    const lines = (await readFile(join(book?.dir ?? "", ".pfs/errors.jsonl"), "utf8")).trimEnd().split("\n");
    const path = `${dir.slice((book?.dir.length ?? 0) + 1)}/${name}`;
    const entry = lines.map((line) => JSON.parse(line)).find((refusal) => refusal.path === path);
    assert.equal(entry?.code, code);
    assert.equal(entry.count, times);
    assert.equal(entry.agent, "test-agent");
    assert.notEqual(entry.command, "");
    assert.notEqual(entry.hint, null);
  },
}));

const whole: Case[] = [
  {
    title: "R1: rsync of a file without a place leaves nothing behind and brings the rest",
    onlyHere: true,
    run: `mkdir "$HOME/in"; echo x > "$HOME/in/no.txt"; echo y > "$HOME/in/02-yes.md"; ! rsync -r "$HOME/in/" ./ 2> "$HOME/said"; grep -q "${INVALID}" "$HOME/said"; test "$(ls -A)" = "$(printf '${LESSON}\\n02-yes.md')"`,
    log: "any",
  },
  {
    title: "R1: unzip and tar bring what has a place and name what has none",
    onlyHere: true,
    run: `mkdir "$HOME/in"; cd "$HOME/in"; echo x > no.txt; echo y > 02-yes.md; tar cf ../a.tar no.txt 02-yes.md; cd "$OLDPWD"; ! tar xf "$HOME/a.tar" 2> "$HOME/said"; grep -q "no.txt.*${INVALID}" "$HOME/said"; test -f 02-yes.md`,
    log: { "no.txt": ["refused create"], "02-yes.md": ["create"] },
  },
];

test("S1, I1: refusals: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", [...cases, ...whole]));
