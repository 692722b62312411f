// Where the store is: what is said first wins, and as root it is the machine's.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { findStore, usualStore } from "../../daemon/store-location.ts";

test("the store is where --store says, else PFS_STORE, the configuration, /var/lib/pfs as root, else in the user's data", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const [silent, telling] = [join(folder, "silent.json"), join(folder, "telling.json")];
    writeFileSync(silent, "{}", { mode: 0o600 });
    writeFileSync(telling, '{"store": "/configured"}', { mode: 0o600 });
    const all = { PFS_CONFIG: telling, PFS_STORE: "/of/environment", XDG_DATA_HOME: "/data" };
    const unnamed = { PFS_CONFIG: silent, PFS_STORE: "", XDG_DATA_HOME: "/data" };
    assert.equal(findStore("/given", all), "/given");
    assert.equal(findStore("given", all), resolve("given"));
    assert.equal(findStore(undefined, all), "/of/environment");
    assert.equal(usualStore(all), "/configured");
    assert.equal(findStore(undefined, { ...all, PFS_STORE: "" }), "/configured");
    let user = 0;
    t.mock.method(process as { geteuid(): number }, "geteuid", () => user);
    assert.equal(findStore(undefined, unnamed), "/var/lib/pfs");
    user = 1000;
    assert.equal(findStore(undefined, unnamed), "/data/pfs");
    const usual = join(homedir(), ".local/share/pfs");
    for (const XDG_DATA_HOME of ["", undefined])
      assert.equal(findStore(undefined, { ...unnamed, XDG_DATA_HOME }), usual);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
