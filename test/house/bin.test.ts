// The commands in bin/: which Node they run in and which code, and that they can be read by a Node of long ago.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { PROJECT_ROOT, readProjectFile } from "./project-files.ts";

/** Makes the Node that runs pose as an older one, except where the environment says that it did so before. */
const POSE = `if (!process.env.POSED) {
  process.env.POSED = "1";
  Object.defineProperty(process.versions, "node", { value: "20.20.2" });
}`;
const SAY = `console.log(FROM, process.argv.slice(2).join(" "));`;
const WAIT = `process.on("SIGTERM", () => process.exit(7)); process.on("SIGINT", () => console.log("interrupted"));
setInterval(() => {}, 1000); console.log("ready");`;

interface Package {
  readonly source?: string;
  readonly built?: string;
  readonly ownNode?: boolean;
}

/** Calls `use` with the path of `pfs.js` in a package that holds these parts. */
async function withPackage(parts: Package, use: (pfs: string, pose: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    cpSync(join(PROJECT_ROOT, "bin"), join(root, "bin"), { recursive: true });
    write(join(root, "package.json"), `{ "type": "module" }`);
    write(join(root, "pose.cjs"), POSE);
    if (parts.source !== undefined) write(join(root, "daemon/cli/main.ts"), parts.source);
    if (parts.built !== undefined) write(join(root, "dist/daemon/cli/main.js"), parts.built);
    if (parts.ownNode === true) {
      mkdirSync(join(root, "node_modules/node/bin"), { recursive: true });
      symlinkSync(process.execPath, join(root, "node_modules/node/bin/node"));
    }
    await use(join(root, "bin/pfs.js"), join(root, "pose.cjs"));
  } finally {
    rmSync(root, { recursive: true });
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function runNode(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { encoding: "utf8" });
}

test("bin: a checkout runs its source, even when a build is there", async () => {
  const source = SAY.replace("FROM", `"source" as string`);
  await withPackage({ source, built: SAY.replace("FROM", `"built"`) }, async (pfs) => {
    assert.equal(runNode(pfs, "log", "--json").stdout, "source log --json\n");
  });
});

test("bin: an installed package runs its build", async () => {
  await withPackage({ built: SAY.replace("FROM", `"built"`) }, async (pfs) => {
    assert.equal(runNode(pfs, "log").stdout, "built log\n");
  });
});

test("bin: an older Node is told in one sentence which it is, which is needed and what to do", async () => {
  await withPackage({ built: SAY.replace("FROM", `"built"`) }, async (pfs, pose) => {
    const { status, stdout, stderr } = runNode("-r", pose, pfs, "log");
    assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
    assert.match(stderr, /^pfs needs Node 22\.18 or newer, this is Node 20\.20\.2: install .*\.\n$/);
  });
});

test("bin: in a checkout without its own Node, an older Node is told to run npm ci", async () => {
  await withPackage({ source: SAY.replace("FROM", `"source"`) }, async (pfs, pose) => {
    const { status, stderr } = runNode("-r", pose, pfs, "log");
    assert.equal(status, 1);
    assert.match(stderr, /run `npm ci` in /);
  });
});

test("bin: in a checkout with its own Node, an older Node hands over, with arguments and exit code", async () => {
  const source = `${SAY.replace("FROM", `"source"`)} process.exitCode = 3;`;
  await withPackage({ source, ownNode: true }, async (pfs, pose) => {
    const { status, stdout } = runNode("-r", pose, pfs, "log", "a b");
    assert.deepEqual({ status, stdout }, { status: 3, stdout: "source log a b\n" });
  });
});

test("bin: having handed over, it passes signals on and ends by the signal that ended the other", async () => {
  await withPackage({ source: WAIT, ownNode: true }, async (pfs, pose) => {
    const child = spawn(process.execPath, ["-r", pose, pfs], {
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    await once(child.stdout, "data");
    child.kill("SIGINT");
    assert.equal(`${(await once(child.stdout, "data"))[0]}`, "interrupted\n");
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [7, null]);
  });
  const dies = `process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);`;
  await withPackage({ source: dies, ownNode: true }, async (pfs, pose) => {
    const child = spawn(process.execPath, ["-r", pose, pfs], { stdio: "ignore" });
    assert.deepEqual(await once(child, "exit"), [null, "SIGTERM"]);
  });
});

test("bin: holds nothing that a Node 12 cannot read", () => {
  for (const path of ["bin/pfs.js", "bin/pfsd.js", "bin/launch.js"]) {
    const text = readProjectFile(path);
    const options = { target: ts.ScriptTarget.ES2019, module: ts.ModuleKind.ESNext, removeComments: false };
    const lowered = ts.transpileModule(text, { compilerOptions: options }).outputText;
    const unchanged = ts.transpileModule(text, {
      compilerOptions: { ...options, target: ts.ScriptTarget.ESNext },
    });
    assert.equal(lowered, unchanged.outputText, path);
    assert.doesNotMatch(text, /["']node:/, path);
  }
});
