// Reads the project's source files as syntax, for the tests of its house rules. Must never judge what it finds.

import ts from "typescript";
import { readProjectFile } from "./project-files.ts";

const TEST_FUNCTIONS = new Set(["test", "it", "describe", "suite"]);
const ESCAPES = new Set(["skip", "only", "todo"]);

/** What one file holds, as far as a house rule asks. */
export interface SourceSyntax {
  /** What its imports, re-exports, `import()` and `new URL("./…", import.meta.url)` name, as written. */
  readonly imports: readonly string[];
  /** Those of them that are still there when types are stripped. */
  readonly runtimeImports: readonly string[];
  readonly hasDefaultExport: boolean;
  readonly hasReExport: boolean;
  /** `async`, `await` and `for await`: the lines on which they are. */
  readonly asyncLines: readonly number[];
  /** Calls of `test(` and `it(`, in any form. */
  readonly testCount: number;
  /** Tests that are skipped, singled out or still to do: the lines on which they are. */
  readonly escapeLines: readonly number[];
}

const known = new Map<string, SourceSyntax>();

/** What the file at `path`, relative to the project's root, holds; it is parsed once. */
export function readSyntax(path: string): SourceSyntax {
  const syntax = known.get(path) ?? parse(path);
  known.set(path, syntax);
  return syntax;
}

function parse(path: string): SourceSyntax {
  const file = ts.createSourceFile(path, readProjectFile(path), ts.ScriptTarget.Latest, true);
  const nodes = listNodes(file);
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
  return {
    imports: nodes.flatMap((node) => importedBy(node) ?? []),
    runtimeImports: nodes.filter((node) => !isTypeOnly(node)).flatMap((node) => importedBy(node) ?? []),
    hasDefaultExport: nodes.some(
      (node) => ts.isExportAssignment(node) || hasModifier(node, ts.SyntaxKind.DefaultKeyword),
    ),
    hasReExport: nodes.some((node) => ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined),
    asyncLines: nodes.filter(isAsync).map(lineOf),
    testCount: nodes.filter((node) => ["test", "it"].includes(testFunctionOf(node) ?? "")).length,
    escapeLines: nodes.filter(isEscape).map(lineOf),
  };
}

function listNodes(root: ts.Node): ts.Node[] {
  const found: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(root);
  return found;
}

function importedBy(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return textOf(node.moduleSpecifier);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return textOf(node.arguments[0]);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return textOf(node.argument.literal);
  if (ts.isNewExpression(node) && node.expression.getText() === "URL") {
    const text = textOf(node.arguments?.[0]);
    return text !== undefined && /^\.\.?\/.*\.[jt]s$/.test(text) ? text : undefined;
  }
  return undefined;
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportDeclaration(node)) return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  return ts.isImportTypeNode(node) || (ts.isExportDeclaration(node) && node.isTypeOnly);
}

function isAsync(node: ts.Node): boolean {
  return (
    ts.isAwaitExpression(node) ||
    (ts.isForOfStatement(node) && node.awaitModifier !== undefined) ||
    hasModifier(node, ts.SyntaxKind.AsyncKeyword)
  );
}

/** `test` of `test(…)`, of `test.skip(…)` and of `t.test(…)`. */
function testFunctionOf(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  return node.expression
    .getText()
    .split(".")
    .find((part) => TEST_FUNCTIONS.has(part));
}

function isEscape(node: ts.Node): boolean {
  if (testFunctionOf(node) === undefined || !ts.isCallExpression(node)) return false;
  const names = node.expression.getText().split(".");
  const options = node.arguments
    .filter(ts.isObjectLiteralExpression)
    .flatMap(({ properties }) => [...properties]);
  return (
    names.some((name) => ESCAPES.has(name)) || options.some(({ name }) => ESCAPES.has(name?.getText() ?? ""))
  );
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind)
  );
}

function textOf(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}
