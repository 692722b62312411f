// Makes the store of a release that the tests of upgrading keep (schema-N.tar.gz): `node test/releases/make.ts`, for an earlier
// commit with its bin/pfs.js as the argument. Must never use anything of the release but its commands and mounts.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";

/** The store's rows say so of its remote; the test, which unpacks both elsewhere, puts its own place there. */
const TOP = join(tmpdir(), "pfs-release");
const CHAPTER = "content/01-Part/01-Chapter";
const LESSON = "1\n2\n3\n";

const command = process.argv[2] ?? join(import.meta.dirname, "../../bin/pfs.js");
const [store, base, alice, source] = ["store", "base", "alice", "source"].map((name) => join(TOP, name)) as [
  string,
  string,
  string,
  string,
];
const env = { ...process.env, PFS_STORE: store };
const pfs = (...args: string[]): string =>
  execFileSync(process.execPath, [command, ...args], { env, encoding: "utf8" });
const write = (top: string, name: string, text: string): void => {
  mkdirSync(join(top, name, ".."), { recursive: true });
  writeFileSync(join(top, name), text);
};

mkdirSync(TOP);
try {
  for (const directory of [base, alice]) mkdirSync(directory);
  for (const name of ["1-saved", "2-moved", "3-removed", "4-user", "5-conflict", "6-hidden", "7-later"])
    write(source, `${CHAPTER}/0${name}.md`, `# ${name}\n`);
  write(source, `${CHAPTER}/05-conflict.md`, LESSON);
  write(source, "content/02-Part/01-Chapter/01-covered.md", "# Covered\n");
  write(source, "static/img/large.png", "large ".repeat(40_000));
  pfs("import", "my-book", source, "--agent", "ann");
  pfs("mount", "my-book", base, "-o", "agent=ann");
  pfs("mount", "my-book", alice, "-o", "user=alice,agent=alice,delete=hide");
  try {
    for (const text of ["again\n", "and again\n"]) appendFileSync(join(base, CHAPTER, "01-saved.md"), text);
    renameSync(join(base, CHAPTER, "02-moved.md"), join(base, CHAPTER, "12-moved.md"));
    rmSync(join(base, CHAPTER, "03-removed.md"));
    write(base, `${CHAPTER}/.01-saved.md.swp`, "scratch\n");
    appendFileSync(join(alice, CHAPTER, "04-user.md"), "of alice\n");
    write(alice, `${CHAPTER}/08-new.md`, "# Of alice alone\n");
    pfs("remote", "add", "my-book", `file://${TOP}/remote`);
    pfs("push", "my-book");

    if (/^ {2}retention /m.test(pfs("--help"))) pfs("retention", "my-book", "--move", "--older-than", "0s");

    // What follows waits to be pushed, as the remote is away.
    renameSync(join(TOP, "remote"), join(TOP, "away"));
    appendFileSync(join(base, CHAPTER, "07-later.md"), "not pushed\n");
    rmSync(join(alice, CHAPTER, "06-hidden.md"));
    renameSync(join(alice, "content/02-Part"), join(alice, "content/03-Part"));
    // Not this process: whatever it starts closes what it has open.
    const save =
      "import os,sys; fd=os.open(sys.argv[1],os.O_RDWR); os.write(fd,b'one\\n2\\n3\\n'); print(1,flush=True); input()";
    const writer = spawn("python3", ["-c", save, join(base, CHAPTER, "05-conflict.md")]);
    const closed = once(writer, "close");
    await once(writer.stdout, "data");
    const brought = join(TOP, "brought");
    write(brought, `${CHAPTER}/05-conflict.md`, "1\n2\nthree\n");
    pfs("import", "my-book", brought, "--agent", "ben");
    writer.stdin.end("\n");
    await closed;

    for (const [name, top] of [
      ["base", base],
      ["alice", alice],
      ["conflict", join(base, ".pfs/conflicts/1")],
    ] as const) {
      const sums = execFileSync(
        "bash",
        [
          "-c",
          "find . -path ./.pfs -prune -o -type f -not -name info.json -print | LC_ALL=C sort | xargs sha256sum",
        ],
        { cwd: top },
      );
      writeFileSync(join(TOP, `${name}.sums`), sums);
    }
  } finally {
    // As a crash leaves it.
    const { pid } = JSON.parse(pfs("status", "--json"));
    process.kill(pid, "SIGKILL");
    for (const directory of [base, alice]) execFileSync("umount", ["-l", directory]);
  }
  renameSync(join(TOP, "away"), join(TOP, "remote"));
  const database = new Sqlite(join(store, "pfs.db"), { readonly: true });
  const version = database.pragma("user_version", { simple: true });
  database.close();
  const pack = join(import.meta.dirname, `schema-${version}.tar.gz`);
  const order = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"];
  const without = ["--exclude=pfsd.log*", "--exclude=*.sock"];
  const parts = ["store", "remote", "base.sums", "alice.sums", "conflict.sums"];
  execFileSync("tar", ["-C", TOP, ...order, ...without, "-I", "gzip -9n", "-cf", pack, ...parts]);
  console.log(`${pack}: ${readFileSync(pack).length} bytes`);
} finally {
  rmSync(TOP, { recursive: true });
}
