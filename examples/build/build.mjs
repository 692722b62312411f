// Builds a site from a mounted book, and only if there is something to build. Owns the site's copy of the book, and a file
// that says which state of it was built last; must never write to the mount.
//
//   node build.mjs MOUNT [COMMAND…]        in the site's directory; COMMAND is `npx docusaurus build` unless given
//
// See README.md beside it.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const COPY = "book-copy";
const STATE = ".last-built.json";
const OUTPUT = "build";
const NOT_THE_SITE = new Set([COPY, STATE, OUTPUT, "node_modules"]);

const [mount, ...words] = process.argv.slice(2);
if (mount === undefined) {
  console.error("Usage: node build.mjs MOUNT [COMMAND…]");
  process.exit(2);
}
const command = words.length > 0 ? words : ["npx", "docusaurus", "build"];

/** `copied`: the manifest hash of the copy; `built` and `site`: what the output was built from. */
const state = existsSync(STATE) ? JSON.parse(readFileSync(STATE, "utf8")) : {};

/** Whole or not at all, so that a kill leaves the old state or the new one. */
function keep(changes) {
  Object.assign(state, changes);
  writeFileSync(`${STATE}.new`, `${JSON.stringify(state)}\n`);
  renameSync(`${STATE}.new`, STATE);
}

/** Brings the copy up to date: what changed comes from the very state that the plan is of, whatever is saved meanwhile. */
function copyChanges() {
  const isThere = existsSync(COPY) && Boolean(state.copied);
  const plan = JSON.parse(readFileSync(join(mount, ".pfs/plan", isThere ? state.copied : "all"), "utf8"));
  if (plan.status === "unchanged") return;
  // A copy that is interrupted, or whose state the book does not know any more, is made anew.
  keep({ copied: null });
  if (!isThere || plan.warning) rmSync(COPY, { recursive: true, force: true });
  const past = join(mount, ".pfs/at", plan.manifest_hash);
  // Deletions first: a file may have become a directory.
  for (const { path, change } of plan.files) {
    if (change === "deleted") rmSync(join(COPY, path), { force: true });
  }
  for (const { path, change } of plan.files) {
    if (change === "deleted") continue;
    rmSync(join(COPY, path), { recursive: true, force: true });
    cpSync(join(past, path), join(COPY, path), { preserveTimestamps: true, verbatimSymlinks: true });
  }
  keep({ copied: plan.manifest_hash });
  for (const { path, change } of plan.files) console.log(`${change} ${path}`);
}

/** A hash of the site's own files, which are not in the book: its configuration, theme and dependencies. */
function hashSite(directory = ".", digest = createHash("sha256")) {
  const entries = readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.name.startsWith(".") || NOT_THE_SITE.has(path) || resolve(path) === resolve(mount)) continue;
    if (entry.isDirectory()) hashSite(path, digest);
    else if (entry.isFile()) digest.update(`${path}\0`).update(readFileSync(path)).update("\0");
  }
  return directory === "." ? digest.digest("hex") : "";
}

copyChanges();
const site = hashSite();
if (existsSync(OUTPUT) && state.built === state.copied && state.site === site) {
  console.log(`Nothing has changed since ${state.built}: no build.`);
} else {
  const [program, ...args] = command;
  const env = { ...process.env, PFS_BOOK: resolve(COPY) };
  // Until it succeeds, nothing is known of what is in the output.
  keep({ built: null });
  const { status, error } = spawnSync(program, args, { stdio: "inherit", env });
  if (error) console.error(error.message);
  if (status !== 0) process.exit(status ?? 1);
  keep({ built: state.copied, site });
  console.log(`Built ${state.built}.`);
}
