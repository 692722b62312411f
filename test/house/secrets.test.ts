// The suite's own look for secrets: whatever a file of tests or a step prints is looked through, and it finds what is there.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { execute, withPlace } from "../daemon/harness.ts";
import { PASSWORD } from "../remote/postgres-server.ts";
import { setS3Credentials } from "../remote/s3-server.ts";
import { findSecrets, SECRETS, withoutSecrets } from "../secrets.ts";
import { listSourceFiles, PROJECT_ROOT, readProjectFile } from "./project-files.ts";

/** Runs a file of tests, or a step, as the runner does it, in a process of its own: node:test runs no run within a run. */
const RUN = `const [, , root, kind, path] = process.argv;
const { runTestFile } = await import(root + "/test/runner/test-file.ts");
const { runStep } = await import(root + "/test/runner/step.ts");
const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined));
const outcome = kind === "step" ? await runStep({ title: "planted", args: [path] })
  : await runTestFile({ path, title: "planted", timeoutMs: 60_000, env, marker: "PFS_NOTHING=x" });
console.log(JSON.stringify(outcome));`;

interface Planted {
  readonly passed: number;
  readonly failures: readonly { readonly name: string; readonly details: string }[];
}

/** What comes of a program whose body is given; `secret` in it is \`SECRETS.s3Key\` and \`url\` a URL with a password. */
function plant(kind: "file" | "step", body: string): Planted {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const path = join(folder, "planted.test.mjs");
    const lines = [
      `import { test } from "node:test";`,
      `import { spawnSync } from "node:child_process";`,
      `import { SECRETS } from ${JSON.stringify(join(PROJECT_ROOT, "test/secrets.ts"))};`,
      `const secret = SECRETS.s3Key, url = "postgres://u:" + encodeURIComponent(SECRETS.databasePassword) + "@h/d";`,
      kind === "step" ? body : `test("planted", () => { ${body} });`,
    ];
    writeFileSync(path, lines.join("\n"));
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_TEST")),
    );
    // From a file: node:test gives its own -e to what it runs.
    const runner = join(folder, "run.mjs");
    writeFileSync(runner, RUN);
    const words = [runner, PROJECT_ROOT, kind, path];
    const { stdout, stderr } = spawnSync(process.execPath, words, { env, encoding: "utf8" });
    const last = stdout.trim().split("\n").at(-1) ?? "";
    assert.match(last, /^\{/, stderr);
    assert.deepEqual(findSecrets(last), [], "what is told of it has none");
    return JSON.parse(last);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("secrets: a file of tests that prints none passes", () => {
  assert.deepEqual(plant("file", `console.log("nothing"); console.error("at all");`).failures, []);
});

test("secrets: one that a file of tests, or a program of it, prints fails it, with file and line, though its tests pass", () => {
  const printed: readonly (readonly [string, string, number])[] = [
    [`console.log("one\\ntwo\\nkey=" + secret + ";");`, "s3Key", 3],
    [`console.error("at " + url);`, "databasePassword", 1],
    [
      `process.stdout.write(secret.slice(0, 20)); process.stdout.write(secret.slice(20) + "\\n");`,
      "s3Key",
      1,
    ],
    [
      `spawnSync("sh", ["-c", "echo first; echo $KEY >&2"], { stdio: "inherit", env: { ...process.env, KEY: secret } });`,
      "s3Key",
      2,
    ],
    [`console.log(Buffer.from(secret).toString("base64"));`, "s3Key", 1],
  ];
  for (const [body, name, line] of printed) {
    const { passed, failures } = plant("file", body);
    assert.equal(passed, 1, body);
    assert.deepEqual(
      failures.map((failure) => failure.name),
      ["secrets are printed"],
      body,
    );
    const place = new RegExp(`what planted printed:(\\d+) has the secret ${name}: .*\\[secret ${name}\\]`);
    const details = failures[0]?.details ?? "";
    assert.equal(Number(place.exec(details)?.[1]), line, `${body}: ${details}`);
  }
});

test("secrets: one in the message of a failed test is told, and taken out of it", () => {
  const { failures } = plant("file", `throw new Error("refused " + secret);`);
  assert.deepEqual(
    failures.map(({ name }) => name),
    ["planted", "secrets are printed"],
  );
  assert.match(failures[0]?.details ?? "", /refused \[secret s3Key\]/);
  assert.match(failures[1]?.details ?? "", /the failures of planted:\d+ has the secret s3Key/);
});

test("secrets: one that a step prints fails it, though its exit code is 0", () => {
  assert.deepEqual(plant("step", `console.log("fine");`).passed, 1);
  const { passed, failures } = plant("step", `console.log("fine"); console.log(url);`);
  assert.equal(passed, 0);
  assert.match(failures[0]?.details ?? "", /what planted printed:2 has the secret databasePassword/);
});

test("secrets: one that a command of a test prints, which the runner never sees, fails that test", async () => {
  const asked = execute("sh", ["-c", 'echo "$KEY"'], { ...process.env, KEY: `x${SECRETS.s3Key}` });
  await assert.rejects(asked, (error: Error) => {
    assert.match(error.message, /^sh -c echo "\$KEY": output:1 has the secret s3Key: x\[secret s3Key\]\n/);
    return true;
  });
});

test("secrets: one in the log of any daemon of a place fails the test, not only of the place's own store", async () => {
  const asked = withPlace(async ({ top }) => {
    const other = join(top, "a place", "its store");
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, "pfsd.log"), `first\n${SECRETS.urlPassword}\n`);
  });
  await assert.rejects(asked, /pfsd\.log:2 has the secret urlPassword/);
});

test("secrets: servers and fixtures use those that are looked for; no test has one of its own", () => {
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  assert.deepEqual([env.AWS_SECRET_ACCESS_KEY, PASSWORD], [SECRETS.s3Key, SECRETS.databasePassword]);
  const values = Object.values(SECRETS);
  assert.ok(values.length > 5 && new Set(values).size === values.length);
  for (const [name, value] of Object.entries(SECRETS)) {
    assert.ok(value.length >= 12, name);
    assert.deepEqual(findSecrets(`\n${value}`), [{ name, line: 2, text: `[secret ${name}]` }]);
    assert.equal(withoutSecrets(value), `[secret ${name}]`);
  }
  const literals = [
    /(secretAccessKey|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|PGPASSWORD|\bpassword)"?\s*[:=]\s*(["'`])(?!\$\{)[^"'`]{6,}\2/,
    // In a URL: a password, or what a parameter gives.
    /:\/\/[^\s"'`/@:]+:(?!\$\{)[^\s"'`/@]+@/,
    /\b(secret_access_key|X-Amz-Signature|password)=(?!\$\{)[^\s"'`&]{6,}/,
    // Spelled so that nothing else has it.
    /["'`/][^\s"'`]*(?<!pa)ssw[o0]rd/i,
  ];
  const own = listSourceFiles()
    .filter((path) => path.startsWith("test/") && path !== "test/secrets.ts")
    .flatMap((path) => {
      const lines = readProjectFile(path).split("\n");
      return lines.flatMap((line, at) =>
        literals.some((each) => each.test(line)) ? [`${path}:${at + 1}`] : [],
      );
    });
  assert.deepEqual(own, []);
});
