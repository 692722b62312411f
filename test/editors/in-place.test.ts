// Programs that change a file "in place" by writing another and renaming it over: sed, perl, ed, ex, patch, sort, GNU and all.

import { test } from "node:test";
import { assertSaves, type Case, LESSON, TEXT } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };
const DIFF = `--- a/${LESSON}
+++ b/${LESSON}
@@ -1,3 +1,4 @@
-one
+ONE
 two
 three
+four
`;
const LINES = { [LESSON]: "one\ntwo\nthree\n" };

const everywhere: Case[] = [
  { title: "sed -i", run: `sed -i 's/last/LAST/' ${LESSON}`, log: UPDATE },
  {
    title: "sed -i of a file that does not change: the same bytes again",
    run: `sed -i 's/nothing/x/' ${LESSON}`,
    log: { [LESSON]: ["attributes"] },
  },
  { title: "sed -i with a backup named x~", run: `sed -i~ 's/last/LAST/' ${LESSON}`, log: UPDATE },
  {
    title: "sed -i of five files",
    files: Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`0${n}-lesson.md`, `${TEXT}${n}`])),
    run: `sed -i 's/last/LAST/' *.md`,
    log: Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`0${n}-lesson.md`, ["update"]])),
  },
  {
    title: "sed -n -i with w to another file",
    run: `sed -n -i -e 'p;s/last/LAST/w 02-found.md' ${LESSON}`,
    log: { "02-found.md": ["create"], [LESSON]: ["attributes"] },
  },
  { title: "perl -pi -e", run: `perl -pi -e 's/last/LAST/' ${LESSON}`, log: UPDATE },
  { title: "perl -pi~ -e", run: `perl -pi~ -e 's/last/LAST/' ${LESSON}`, log: UPDATE },
  {
    title: "perl: open, truncate, print",
    run: `perl -e 'open F, "+<", "${LESSON}"; my @l = <F>; seek F, 0, 0; truncate F, 0; print F reverse @l'`,
    log: UPDATE,
  },
  {
    title: "ed",
    files: LINES,
    run: `printf '1s/one/ONE/\\n$a\\nfour\\n.\\nw\\nq\\n' | ed -s ${LESSON}`,
    log: UPDATE,
  },
  { title: "ex", run: `printf '%%s/last/LAST/\\nx\\n' | ex -s ${LESSON}`, log: UPDATE },
  { title: "patch", files: LINES, run: `patch -s <<'END'\n${DIFF}END`, log: UPDATE },
  {
    title: "patch -b keeps x.orig",
    files: LINES,
    run: `patch -s -b -V simple -z '~' <<'END'\n${DIFF}END`,
    log: UPDATE,
  },
  {
    title: "patch -R takes it back",
    files: { [LESSON]: "ONE\ntwo\nthree\nfour\n" },
    run: `patch -s -R <<'END'\n${DIFF}END`,
    log: UPDATE,
  },
  {
    title: "patch makes and removes files",
    files: LINES,
    run: `printf -- '--- /dev/null\\n+++ b/02-new.md\\n@@ -0,0 +1 @@\\n+new\\n--- a/${LESSON}\\n+++ /dev/null\\n@@ -1,3 +0,0 @@\\n-one\\n-two\\n-three\\n' | patch -s -p1`,
    log: { "02-new.md": ["create"], [LESSON]: ["delete"] },
  },
  { title: "sort -o onto its own input", run: `sort -o ${LESSON} ${LESSON}`, log: UPDATE },
  {
    title: "shuf, cut and a pipe into a variable, then a redirection",
    run: `text=$(cut -c1-10 ${LESSON}); printf '%s\\n' "$text" > ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "python's fileinput in place",
    run: `python3 -c 'import fileinput\nfor line in fileinput.input("${LESSON}", inplace=True, backup="~"): print(line.upper(), end="")'`,
    log: UPDATE,
  },
  {
    title: "dos2unix by tr, a temporary file and mv",
    run: `tr -d '\\r' < ${LESSON} > ${LESSON}.tmp && mv ${LESSON}.tmp ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "mktemp beside the file, then mv",
    run: `t=$(mktemp .${LESSON}.XXXXXX); chmod 644 $t; tr a-z A-Z < ${LESSON} > $t; mv $t ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "git's own editing of a file that is no repository",
    files: LINES,
    run: `git apply <<'END'\n${DIFF}END`,
    log: UPDATE,
  },
];

/** Where x.bak has no place in the schema, it is a decoration of x and stays scratch. */
const decorated: Case[] = [
  { title: "sed -i.bak", run: `sed -i.bak 's/last/LAST/' ${LESSON}`, log: UPDATE },
  { title: "perl -pi.bak -e", run: `perl -pi.bak -e 's/last/LAST/' ${LESSON}`, log: UPDATE },
  {
    title: "patch -b keeps x.orig as scratch",
    files: LINES,
    run: `patch -s -b <<'END'\n${DIFF}END`,
    log: UPDATE,
  },
  {
    title: "patch that fails keeps x.rej and x.orig as scratch",
    files: { [LESSON]: "else\n" },
    run: `! patch -s <<'END'\n${DIFF}END`,
    log: {},
    volatile: /rej$/,
  },
];

test("S1, I1: in place: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", everywhere));
test("S1, I1: in place: as on an ordinary file system, and logged (profile docusaurus)", (t) =>
  assertSaves(t, "docusaurus", [...everywhere, ...decorated]));
test("S1, I1: in place: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", [...everywhere, ...decorated]));
