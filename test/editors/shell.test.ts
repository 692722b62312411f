// What a shell and the small programs around it do to files: redirections, tee, truncate, dd, install, mv, cp, touch.

import { test } from "node:test";
import { assertSaves, type Case, LESSON, TEXT } from "./editing.ts";

const UPDATE = { [LESSON]: ["update"] };
const CREATE = { "02-new.md": ["create"] };

const redirections: Case[] = [
  { title: "echo > an existing file", run: `echo new > ${LESSON}`, log: UPDATE },
  { title: "echo > a new file", run: `echo new > 02-new.md`, log: CREATE },
  { title: "printf >> appends", run: `printf more >> ${LESSON}`, log: UPDATE },
  { title: "a here-document through cat", run: `cat > 02-new.md <<'END'\none\r\ntwo\nEND`, log: CREATE },
  {
    title: "cat a > b",
    files: { [LESSON]: TEXT, "02-other.md": "x" },
    run: `cat ${LESSON} > 02-other.md`,
    log: { "02-other.md": ["update"] },
  },
  {
    title: "dash, not bash",
    run: `sh -c 'echo new > ${LESSON}; echo more >> ${LESSON}; cat ${LESSON} > 02-new.md'`,
    log: { [LESSON]: ["update", "update"], "02-new.md": ["create"] },
  },
  { title: ": > empties a file", run: `: > ${LESSON}`, log: UPDATE },
  { title: ": > makes an empty file", run: `: > 02-new.md`, log: CREATE },
  {
    title: "a group of builtins writes one version",
    run: `{ echo one; echo two; printf three; } > ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "a loop of appends is one version each",
    run: `for i in 1 2 3; do echo $i >> ${LESSON}; done`,
    log: { [LESSON]: ["update", "update", "update"] },
  },
  {
    title: "exec 3> keeps a file open over several writes",
    run: `exec 3> ${LESSON}; echo one >&3; echo two >&3; exec 3>&-`,
    // Each echo closes its own duplicate after it wrote.
    log: { [LESSON]: ["update", "update"] },
  },
  {
    title: "<> opens for both",
    run: `exec 3<> ${LESSON}; read -r line <&3; echo over >&3; exec 3>&-`,
    log: UPDATE,
  },
  {
    title: "set -C refuses what is there",
    run: `set -C; ! echo x > ${LESSON}; echo x > 02-new.md`,
    log: CREATE,
  },
  {
    title: "sponge: read all, then write",
    run: `text=$(grep -v last ${LESSON}; echo .); printf %s "\${text%.}" > ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "grep > x.tmp && mv",
    run: `grep -v last ${LESSON} > ${LESSON}.tmp && mv ${LESSON}.tmp ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "tee",
    run: `echo new | tee ${LESSON} > 02-new.md; echo more | tee -a ${LESSON} > "$HOME/out"`,
    log: { [LESSON]: ["update", "update"], "02-new.md": ["create"] },
  },
];

/**
 * A program that is started closes such descriptors while it holds a lock of its process that most of /proc/<pid> waits
 * for: whoever serves these closes must not.
 */
const closedByExec: Case[] = ["", "x", "x".repeat(200_000)].map((bytes) => ({
  title: `a descriptor with ${bytes.length} bytes written that exec closes is a save`,
  run: `python3 -c 'import os
fd = os.open("${LESSON}", os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
os.write(fd, b"x" * ${bytes.length})
os.execvp("true", ["true"])'`,
  log: UPDATE,
}));

const programs: Case[] = [
  {
    title: "truncate shrinks, grows and makes files",
    run: `truncate -s 5 ${LESSON}; truncate -s +20 ${LESSON}; truncate -s 4096 02-new.md`,
    log: { [LESSON]: ["update", "update"], "02-new.md": ["create"] },
  },
  {
    title: "dd conv=notrunc writes into the middle",
    run: `printf XYZ | dd of=${LESSON} bs=1 seek=4 conv=notrunc status=none`,
    log: UPDATE,
  },
  {
    title: "dd oflag=append conv=notrunc",
    run: `printf end | dd of=${LESSON} oflag=append conv=notrunc status=none`,
    log: UPDATE,
  },
  {
    title: "dd with fsync and a hole",
    run: `printf end | dd of=02-new.md bs=1 seek=70000 conv=fsync status=none`,
    log: CREATE,
  },
  {
    title: "install",
    run: `install -m 644 ${LESSON} 02-new.md; echo more >> ${LESSON}; install -m 755 -p ${LESSON} 02-new.md`,
    log: { [LESSON]: ["update"], "02-new.md": ["create", "update", "attributes"] },
  },
  {
    title: "cp makes a file, cp over it is an update",
    run: `cp ${LESSON} 02-new.md; echo more >> ${LESSON}; cp ${LESSON} 02-new.md`,
    log: { [LESSON]: ["update"], "02-new.md": ["create", "update"] },
  },
  {
    title: "cp -a keeps time and mode: one create",
    run: `chmod 755 ${LESSON}; touch -d '2020-02-02 02:02:02.123456789' ${LESSON}; cp -a ${LESSON} 02-new.md`,
    log: { [LESSON]: ["attributes", "attributes"], "02-new.md": ["create"] },
  },
  {
    title: "cp --backup renames the old one away",
    run: `echo new > "$HOME/x"; cp --backup=simple --suffix='~' "$HOME/x" ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "cp --remove-destination",
    run: `echo new > "$HOME/x"; cp --remove-destination "$HOME/x" ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "mv within a directory keeps the file",
    run: `mv ${LESSON} 02-moved.md`,
    log: { [LESSON]: ["rename"], "02-moved.md": ["rename"] },
    moved: { [LESSON]: "02-moved.md" },
  },
  {
    title: "mv onto another file: that one is gone",
    files: { [LESSON]: TEXT, "02-other.md": "x" },
    run: `mv -f ${LESSON} 02-other.md`,
    log: { [LESSON]: ["rename"], "02-other.md": ["rename"] },
    moved: { [LESSON]: "02-other.md", "02-other.md": null },
  },
  {
    title: "mv from another file system over a lesson",
    run: `echo new > "$HOME/x"; touch -d '2020-02-02' "$HOME/x"; mv "$HOME/x" ${LESSON}`,
    log: UPDATE,
  },
  {
    title: "mv to another file system is a delete",
    run: `mv ${LESSON} "$HOME/x"; grep -q last "$HOME/x"`,
    log: { [LESSON]: ["delete"] },
  },
  { title: "rm", run: `rm ${LESSON}`, log: { [LESSON]: ["delete"] } },
  {
    title: "touch changes the time alone, touch of a new file makes it",
    run: `touch ${LESSON}; touch -d 2020-02-02 02-new.md`,
    log: { [LESSON]: ["attributes"], "02-new.md": ["create"] },
  },
  {
    title: "chmod +x is kept by the book, chmod g-r is not",
    run: `chmod +x ${LESSON}; chmod g-r ${LESSON}`,
    log: { [LESSON]: ["attributes"] },
  },
  {
    title: "split and cat together again",
    files: { [LESSON]: "a\nb\nc\n" },
    run: `split -l 1 -d --additional-suffix=-part.md ${LESSON} ''; cat 0?-part.md > ${LESSON}`,
    log: {
      "00-part.md": ["create"],
      "01-part.md": ["create"],
      "02-part.md": ["create"],
      [LESSON]: ["attributes"],
    },
  },
  {
    title: "two files change places through a third name",
    files: { [LESSON]: "a", "02-other.md": "b" },
    run: `mv ${LESSON} swap~; mv 02-other.md ${LESSON}; mv swap~ 02-other.md`,
    // What was scratch for a while comes back as a new file.
    log: { [LESSON]: ["delete", "rename"], "02-other.md": ["rename", "create"] },
    moved: { [LESSON]: null, "02-other.md": LESSON },
  },
];

test("S1, I1: the shell: as on an ordinary file system, and logged (profile any)", (t) =>
  assertSaves(t, "any", [...redirections, ...closedByExec, ...programs]));
test("S1, I1: the shell: as on an ordinary file system, and logged (profile strict)", (t) =>
  assertSaves(t, "strict", [...redirections, ...closedByExec, ...programs]));
