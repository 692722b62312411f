// What /readyz says of a daemon in which something does not answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CountedDifference } from "../../daemon/check-notes.ts";
import type { Daemon } from "../../daemon/daemon.ts";
import { HealthChecks } from "../../daemon/health.ts";
import { LastVerify, outcomeOf } from "../../daemon/last-verify.ts";

function daemonWith(parts: {
  call?: () => Promise<unknown>;
  directories?: string[];
  found?: CountedDifference[];
}): Daemon {
  const { call = async () => ({ seq: 7 }), directories = [], found = [] } = parts;
  const list = () => directories.map((directory) => ({ directory }));
  return {
    host: { call },
    mounts: { list },
    lastVerify: new LastVerify(),
    checks: { ofStore: () => found },
  } as unknown as Daemon;
}

test("health: a daemon is ready while its store is open, its mounts answer and no verify has found an error", async () => {
  const daemon = daemonWith({ directories: ["/"] });
  const checks = new HealthChecks(daemon);
  assert.deepEqual(await checks.ready(), {
    status: "pass",
    reason: "Everything answers.",
    checks: [
      { name: "store", pass: true, reason: "The store is open, its log at position 7." },
      { name: "mounts", pass: true, reason: "1 of 1 mounts answer." },
      { name: "verify", pass: true, reason: "The store was not verified since the daemon was started." },
      { name: "check", pass: true, reason: "No check in the background has found anything." },
    ],
  });
  daemon.lastVerify.note(outcomeOf([{ rule: "orphan", severity: "warning" }]));
  assert.equal((await checks.ready()).status, "pass");
  daemon.lastVerify.note(outcomeOf([{ rule: "R6", severity: "error" }]));
  const broken = await checks.ready();
  assert.match(broken.reason, /^`pfs verify` has found 1 error\(s\) at \d{4}-/);
  assert.equal(broken.status, "fail");
});

test("health: what the check in the background has found is counted, and no file of it named", async () => {
  const first = "The bytes of a.md do not match their hash.";
  const daemon = daemonWith({ found: [{ book: undefined, kind: "bytes", count: 3, first }] });
  const { status, reason } = await new HealthChecks(daemon).ready();
  assert.equal(status, "fail");
  assert.equal(
    reason,
    "The check in the background has found 3 difference(s): `pfs status` names them and what to do.",
  );
});

test("health: an owner that fails, one that never answers and a mount that is gone are told apart", async () => {
  const failing = daemonWith({ call: () => Promise.reject(new Error("The daemon is stopping.")) });
  assert.equal((await new HealthChecks(failing).ready()).reason, "The daemon is stopping.");
  const silent = daemonWith({ call: () => new Promise(() => undefined), directories: ["/none/there"] });
  const { reason, status } = await new HealthChecks(silent).ready();
  assert.equal(status, "fail");
  assert.equal(reason, "The store's owner does not answer. 1 of 1 mounts do not answer.");
});
