// Every sentence and every hint that lib/verify has is said of some damage of the tests, and what repair does about the rarer
// damages (rare-damages.ts): it mends them, or names what is left.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { readLastHead } from "../../lib/last-head.ts";
import { Library } from "../../lib/library.ts";
import { StoreReader } from "../../lib/reader.ts";
import { repairStore } from "../../lib/repair.ts";
import type { KeptHead } from "../../lib/verify/heads.ts";
import { type Finding, verifyStore } from "../../lib/verify.ts";
import { damages } from "./damages.ts";
import { type RareDamage, rareDamages } from "./rare-damages.ts";
import { type TestStore, tamper, withStore } from "./test-store.ts";
import { assertReadable, fillStore } from "./verify-samples.ts";

const LIB = new URL("../../lib/", import.meta.url).pathname;
/** Messages and hints of all damages. */
const said: string[] = [];

function rulesOf(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map(({ rule }) => rule))].sort();
}

async function find(directory: string, heads: KeptHead[]): Promise<Finding[]> {
  const reader = StoreReader.open(directory);
  try {
    const found = await verifyStore(reader, { heads });
    said.push(...found.map(({ message, hint }) => `${message} ${hint}`));
    assertReadable(found);
    return found;
  } finally {
    reader.close();
  }
}

/** Calls `use` with a copy of a filled store that nobody has open and that is damaged, and what verify finds in it. */
function withDamaged(
  { prepare, harm, isHeadKept }: RareDamage,
  use: (directory: string, found: Finding[]) => Promise<void>,
): Promise<void> {
  return withStore("any", async (store: TestStore) => {
    fillStore(store);
    await prepare?.(store);
    const directory = join(store.folder, "copy");
    execFileSync("cp", ["-a", store.directory, directory]);
    Library.open(directory).close();
    const head = readLastHead(directory);
    const heads = isHeadKept && head !== undefined ? [{ head, source: "kept.json" }] : [];
    if (typeof harm === "string") tamper({ ...store, directory }, harm);
    else harm(directory);
    await use(directory, await find(directory, heads));
  });
}

for (const damage of rareDamages) {
  const { what, rules, left } = damage;
  test(`${what}: is found, and ${left.length === 0 ? "mended" : "not made up, but named"}`, () =>
    withDamaged(damage, async (directory, found) => {
      assert.deepEqual(rulesOf(found), rules, JSON.stringify(found, null, 1));
      const repaired = await repairStore(directory);
      assert.deepEqual(rulesOf(repaired.left), left, JSON.stringify(repaired, null, 1));
      if (left.length === 0) assert.ok(repaired.mended.length > 0);
      assert.deepEqual((await repairStore(directory)).mended, []);
    }));
}

/** What a file's texts have of sentences: pieces of two words or more, of SQL those in quotes. */
function sentencesOf(path: string): string[] {
  const file = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateLiteralToken(node)) texts.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return texts
    .flatMap((text) =>
      isSql(text) ? [...text.matchAll(/'([^']*)' (?:\|\||AS)/g)].map(([, piece]) => piece ?? "") : [text],
    )
    .filter((piece) => /[a-z]+ [a-z]+/.test(piece));
}

function isSql(text: string): boolean {
  return /\b(SELECT|FROM|CREATE|INSERT|UNION|AND|AS|WHERE|GROUP BY|ORDER BY)\b/.test(text);
}

test("every sentence that verify can say is said of a damage of the tests", async () => {
  for (const [what, sql] of damages)
    await withDamaged({ what, harm: sql, rules: [], left: [] }, async () => {});
  // What was changed about a row is told by tampering.ts, whose test has every way.
  const names = readdirSync(join(LIB, "verify")).filter((name) => name !== "tampering.ts");
  const paths = [join(LIB, "verify.ts"), ...names.map((name) => join(LIB, "verify", name))];
  const pieces = paths.flatMap((path) => sentencesOf(path).map((piece) => ({ path, piece })));
  assert.ok(pieces.length > 80, `${pieces.length}`);
  const all = said.join("\n");
  assert.deepEqual(
    pieces.filter(({ piece }) => !all.includes(piece)),
    [],
  );
});
