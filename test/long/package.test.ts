// The published package: packed, installed in an empty directory and used there, as its users do. Owns no other promise
// than that nothing is missing in the package which the checkout has.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const LESSON = "content/01-Foundations/01-Plain-Text/01-why-plain-text.md";
const TEXT = "---\ntitle: Why\n---\n\nSaved through the package.\r\n";

let home = "";
let installed = "";

/** Runs a program with Node 24 first on the path and a store of its own; returns what it prints. */
function runIn(folder: string, [program = "", ...args]: readonly string[]): string {
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path, PFS_STORE: join(home, "store") };
  return execFileSync(program, args, {
    cwd: folder,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function pfs(...args: string[]): string {
  return runIn(installed, [join(installed, "node_modules/.bin/pfs"), ...args]);
}

before(() => {
  home = mkdtempSync(join(tmpdir(), "pfs-test-"));
  installed = join(home, "installed");
  mkdirSync(installed);
  runIn(ROOT, ["npm", "pack", "--pack-destination", home]);
  const archive = readdirSync(home).find((name) => name.endsWith(".tgz"));
  assert.ok(archive !== undefined, "npm pack made no archive");
  runIn(installed, ["npm", "install", join(home, archive)]);
});

after(() => {
  rmSync(home, { recursive: true, force: true });
});

test("package: it holds compiled code and the SQL of every migration, and no sources", () => {
  const folder = join(installed, "node_modules/pfs");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (name) => !name.startsWith("node_modules"),
  );
  assert.deepEqual(
    files.filter((name) => name.endsWith(".ts") || name.startsWith("test")),
    [],
  );
  const migrations = readdirSync(join(ROOT, "schema/migrations")).filter((name) => name.endsWith(".sql"));
  assert.ok(migrations.length > 0);
  assert.deepEqual(
    migrations.filter((name) => !files.includes(`dist/schema/migrations/${name}`)),
    [],
  );
});

test("package: pfs --version says the package's version", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.ok(pfs("--version").includes(version));
});

test("package: a book is made, mounted, saved to and read back", () => {
  const book = join(home, "book");
  mkdirSync(book);
  pfs("init", "my-book", "--schema", "strict");
  pfs("import", "my-book", join(ROOT, "examples/sample-book"));
  pfs("mount", "my-book", book, "-o", "agent=package-test");
  try {
    writeFileSync(join(book, LESSON), TEXT);
    assert.equal(readFileSync(join(book, LESSON), "utf8"), TEXT);
    assert.match(pfs("log", "my-book", LESSON), /package-test/);
    pfs("umount", book);
    pfs("mount", "my-book", book, "-o", "agent=package-test");
    assert.equal(readFileSync(join(book, LESSON), "utf8"), TEXT);
  } finally {
    pfs("stop");
  }
  assert.deepEqual(readdirSync(book), []);
  pfs("verify");
});

test("package: without fuse-native its transport is refused with what to install; installed beside it, a book mounts by it", () => {
  const book = join(home, "native");
  mkdirSync(book);
  pfs("init", "native-book", "--schema", "any");
  const mount = (): string => pfs("mount", "native-book", book, "--transport", "fuse-native");
  const refusal = /fuse-native is not installed[\s\S]*`(npm install --prefix \S+ fuse-native@\d+)`/;
  const { stderr } = failureOf(mount);
  const [, hint = ""] = refusal.exec(stderr) ?? [];
  assert.notEqual(hint, "", stderr);
  // From any directory.
  runIn(home, hint.split(" "));
  try {
    mount();
    writeFileSync(join(book, "a.md"), TEXT);
    assert.equal(readFileSync(join(book, "a.md"), "utf8"), TEXT);
    assert.match(pfs("ls", "native-book"), /a\.md/);
  } finally {
    pfs("stop");
  }
  assert.deepEqual(readdirSync(book), []);
});

function failureOf(action: () => string): { readonly stderr: string } {
  try {
    return assert.fail(`it printed ${action()}`);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return error as { readonly stderr: string };
  }
}
