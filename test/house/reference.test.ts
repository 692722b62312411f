// README's reference for scripts holds every route of the socket, every variable that the code reads, and every command.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const readme = readFileSync(join(ROOT, "README.md"), "utf8");

function read(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT }).map((file) => readFileSync(join(ROOT, file), "utf8"));
}

test("README names every route of the control socket", () => {
  const routes = read("daemon/control/*.ts").flatMap((text) =>
    [...text.matchAll(/method: "([A-Z]+)",\s+path: "([^"]+)"/g)].map(
      ([, method, path]) => `${method} ${path}`,
    ),
  );
  assert.ok(routes.length > 10, `${routes.length}`);
  assert.deepEqual(
    routes.filter((route) => !readme.includes(`\`${route}\``)),
    [],
  );
});

test("README names every variable of the environment that the code reads", () => {
  const names = read("{bin,daemon,lib,mount,schema}/**/*.{ts,js}").flatMap((text) =>
    [...text.matchAll(/\benv\.([A-Z_]+)\b/g)].map(([, name = ""]) => name),
  );
  assert.ok(names.includes("PFS_STORE"));
  assert.deepEqual(
    names.filter((name) => !readme.includes(`\`${name}\``)),
    [],
  );
});

test("the manual page names every variable of README's table that is pfs's own, and DATABASE_URL", () => {
  const names = [...readme.matchAll(/^\| `(PFS_[A-Z_]+|DATABASE_URL)` \|/gm)].map(([, name = ""]) => name);
  assert.ok(names.length > 10);
  const [page = ""] = read("daemon/cli/man.ts");
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page)),
    [],
  );
});

test("each line of SECURITY.md names tests that are there", () => {
  const lines = readFileSync(join(ROOT, "SECURITY.md"), "utf8")
    .split("\n")
    .filter((line) => /^\| (?!promise)/.test(line));
  assert.ok(lines.length > 30);
  const files = new Set(globSync("**/*.test.ts", { cwd: join(ROOT, "test") }));
  for (const line of lines) {
    const named = [...(line.split(" | ").at(-1) ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    assert.ok(named.length > 0, line);
    assert.deepEqual(
      named.filter((name) => !files.has(name)),
      [],
      line,
    );
  }
});

test("README and the help name every command", () => {
  const commands = read("daemon/cli/*.ts").flatMap((text) =>
    [...text.matchAll(/\.command\("([a-z-]+)"\)/g)].map(([, name]) => name),
  );
  assert.ok(commands.length > 10);
  assert.deepEqual(
    commands.filter((name) => !["", "remote "].some((of) => readme.includes(`\`pfs ${of}${name}`))),
    [],
  );
});
