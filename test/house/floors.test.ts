// House rule: the floors of ARCHITECTURE.md. Imports go only down.

import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import { listSourceFiles } from "./project-files.ts";
import { readSyntax } from "./source-syntax.ts";

const FLOORS = ["schema", "lib", "mount", "daemon"];
const OTHER_FOLDERS = ["bin", "test", "examples"];
/**
 * Where the mount thread's code begins: mount/kernel/ holds code for both threads and is judged as far as it is used;
 * mount/fuse-native/ runs in the main thread and in a process of its own.
 */
const MOUNT_THREAD = /^(mount\/(?!kernel\/|fuse-native\/)|daemon\/mount-thread\.ts$)/;
const MOUNTING = "mount/kernel/mounting.ts";

const files = listSourceFiles();
const edges = files.flatMap((from) =>
  readSyntax(from)
    .imports.filter((name) => name.startsWith("."))
    .map((name) => ({ from, to: posix.join(posix.dirname(from), name) })),
);

function topOf(path: string): string {
  return path.split("/")[0] ?? "";
}

function listEdges(isWrong: (edge: { from: string; to: string }) => boolean): string[] {
  return edges.filter(isWrong).map(({ from, to }) => `${from} imports ${to}`);
}

test("floors: the files are there to be judged", () => {
  assert.ok(edges.length > 10);
});

test("floors: every source file is on one floor", () => {
  const homeless = files.filter((path) => ![...FLOORS, ...OTHER_FOLDERS].includes(topOf(path)));
  assert.deepEqual(homeless, []);
});

test("floors: imports go only down", () => {
  const height = (path: string): number => FLOORS.indexOf(topOf(path));
  const upwards = listEdges(({ from, to }) => FLOORS.includes(topOf(from)) && height(to) > height(from));
  assert.deepEqual(upwards, []);
});

test("floors: nothing outside of test/ imports test/, and a floor imports floors only", () => {
  const strays = listEdges(
    ({ from, to }) => topOf(from) !== "test" && FLOORS.includes(topOf(from)) !== FLOORS.includes(topOf(to)),
  );
  assert.deepEqual(
    strays.filter((edge) => !/^bin\/\S+ imports bin\//.test(edge)),
    [],
  );
});

test("floors: the kernel transport knows nothing of books", () => {
  const known = /^(mount\/kernel\/|schema\/|lib\/libc(-sockets)?\.ts$)/;
  assert.deepEqual(
    listEdges(({ from, to }) => from.startsWith("mount/kernel/") && !known.test(to)),
    [],
  );
});

test("floors: the book knows nothing of remotes, and remotes nothing of syncing", () => {
  const isOuter = (path: string): boolean => /^lib\/(remote|sync)\//.test(path);
  const book = listEdges(({ from, to }) => from.startsWith("lib/") && !isOuter(from) && isOuter(to));
  const remotes = listEdges(({ from, to }) => from.startsWith("lib/remote/") && to.startsWith("lib/sync/"));
  assert.deepEqual([...book, ...remotes], []);
});

test("floors: zod comes from schema/zod.ts, which loads it late and in part", () => {
  const direct = files.filter((path) => readSyntax(path).runtimeImports.some((name) => /^zod\b/.test(name)));
  assert.deepEqual(direct, []);
});

test("floors: the mount thread never awaits", () => {
  const judged = listReachable(files.filter((path) => MOUNT_THREAD.test(path)));
  const waiting = judged.flatMap((path) => readSyntax(path).asyncLines.map((line) => `${path}:${line}`));
  assert.deepEqual(waiting, []);
});

/** The files of mount/ that run when these are imported; what is there for mounting runs in the main thread. */
function listReachable(roots: readonly string[]): string[] {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path) || path === MOUNTING) return;
    reached.add(path);
    const next = readSyntax(path).runtimeImports.filter((name) => name.startsWith("."));
    for (const name of next) {
      const target = posix.join(posix.dirname(path), name);
      if (target.startsWith("mount/") && files.includes(target)) visit(target);
    }
  };
  for (const root of roots) visit(root);
  return [...reached];
}
