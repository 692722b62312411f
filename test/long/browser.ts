/** Owns a headless Chromium for a test: a profile of its own in a temporary directory, and no talk with the outside. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";

const EXECUTABLE = "/usr/bin/chromium";
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts it. Everything it writes is below `home`, which must not be there yet. The caller closes it. */
export async function openBrowser(home: string): Promise<BrowserContext> {
  mkdirSync(home);
  const env = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return await chromium.launchPersistentContext(join(home, "profile"), {
    executablePath: EXECUTABLE,
    args: ARGS,
    viewport: { width: 1200, height: 900 },
    env: { ...env, HOME: home, TMPDIR: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
  });
}
