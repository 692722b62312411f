// The dashboard and the alert rules: Prometheus' own tool reads them, and every metric that they name is one of the daemon's.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isErrorCode } from "../../schema/errors.ts";
import { parseExposition } from "./exposition.ts";
import { execute, PFS, ROOT, withPlace } from "./harness.ts";

const FOLDER = join(ROOT, "monitoring");

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

const panels: readonly Panel[] = JSON.parse(readFileSync(join(FOLDER, "dashboard.json"), "utf8")).panels;
const rules = readFileSync(join(FOLDER, "alerts.yml"), "utf8");

test("promtool: the alert rules are valid, and each fires when it is to and not otherwise", async () => {
  for (const [action, file] of [
    ["check", "alerts.yml"],
    ["test", "alerts.test.yml"],
  ] as const) {
    const { code, stdout, stderr } = await execute("promtool", [action, "rules", file], process.env, FOLDER);
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.match(stdout, /SUCCESS/);
  }
  const named = [...rules.matchAll(/alert: (\w+)/g)].map(([, name = ""]) => name);
  assert.ok(named.length > 5);
  const tests = readFileSync(join(FOLDER, "alerts.test.yml"), "utf8");
  assert.deepEqual(
    named.filter((name) => !tests.includes(`alertname="${name}"`)),
    [],
  );
});

test("promtool: what the dashboard asks for can be asked for", async () => {
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  assert.ok(queries.length > 15);
  const asRules = queries.map((expr, at) => ({
    record: `query:${at}`,
    expr: expr.replaceAll("$__rate_interval", "5m"),
  }));
  // JSON is YAML.
  const file = JSON.stringify({ groups: [{ name: "dashboard", rules: asRules }] });
  await withPlace(async ({ top }) => {
    const written = await execute("sh", [
      "-c",
      'printf %s "$1" > "$2" && promtool check rules "$2"',
      "sh",
      file,
      join(top, "queries.yml"),
    ]);
    assert.equal(written.code, 0, written.stdout + written.stderr);
    assert.match(written.stdout, new RegExp(`SUCCESS: ${queries.length} rules found`));
  });
});

test("every metric and code that dashboard and alerts name is one of the daemon's", () =>
  withPlace(async ({ start, pfs, dir }) => {
    const daemon = start(PFS, "up", "--http", "0");
    const line = await daemon.until(/^Metrics and health are at /);
    await daemon.until(/^Serving the store/);
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    await execute("sh", ["-c", `echo x > ${dir}/a.md`]);
    await pfs("verify");
    const text = await (await fetch(`${/http:\/\/\S+(?=\/\.$)/.exec(line)?.[0]}/metrics`)).text();
    const known = new Set<string>();
    for (const [name, { type }] of parseExposition(text)) {
      if (type === "histogram")
        for (const suffix of ["bucket", "sum", "count"]) known.add(`${name}_${suffix}`);
      else known.add(name);
    }
    const named = [rules, ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))].flatMap(
      (each) => each.match(/\bpfs_\w+/g) ?? [],
    );
    assert.ok(new Set(named).size > 20);
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
    );
    const codes = [...rules.matchAll(/code="(\w+)"/g)].map(([, code = ""]) => code);
    assert.ok(codes.length > 1 && codes.every(isErrorCode));
  }));
