/** Owns the proof that mount options are understood or refused by name, never ignored. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PfsError } from "../../schema/errors.ts";
import { DEFAULT_MODE, formatMountMode, parseMountOptions } from "../../schema/mount-options.ts";

const refusal = (code: string, reason: RegExp) => (error: unknown) =>
  error instanceof PfsError && error.code === code && reason.test(`${error.message} ${error.hint}`);

const NONE = { ...DEFAULT_MODE, agent: undefined, allowOther: false };

describe("mount options", () => {
  test("agent, ro and allow_other are understood", () => {
    assert.deepEqual(parseMountOptions(""), NONE);
    assert.deepEqual(parseMountOptions("agent=claude-7,ro,allow_other"), {
      ...NONE,
      agent: "claude-7",
      readOnly: true,
      allowOther: true,
    });
    assert.equal(parseMountOptions("ro,rw").readOnly, false);
    assert.equal(parseMountOptions("rw,ro").readOnly, true);
    assert.equal(parseMountOptions("agent=a=b").agent, "a=b");
  });

  test("user, check, delete and at are understood; without them it is the base, seen, revert, now", () => {
    assert.deepEqual(parseMountOptions("user=alice,agent=claude-7,check=require,delete=hide,allow_other"), {
      agent: "claude-7",
      userId: "alice",
      check: "require",
      deleteMode: "hide",
      sync: "background",
      readOnly: false,
      allowOther: true,
      at: undefined,
      transport: "kernel",
    });
    assert.deepEqual(
      [NONE.userId, NONE.check, NONE.deleteMode, NONE.at],
      [undefined, "seen", "revert", undefined],
    );
    for (const check of ["seen", "require", "off"] as const)
      assert.equal(parseMountOptions(`check=${check}`).check, check);
    assert.equal(parseMountOptions("user=bob").deleteMode, "revert");
    assert.equal(
      parseMountOptions("user,user=bob,users").userId,
      "bob",
      "`user` alone is a word of mount(8)",
    );
  });

  test("sync=strict and sync=background are understood; `sync` alone is a word of mount(8)", () => {
    assert.equal(parseMountOptions("sync=strict,sync,user=bob").sync, "strict");
    assert.equal(parseMountOptions("sync=background").sync, "background");
    assert.equal(parseMountOptions("sync").sync, "background");
  });

  test("transport=fuse-native means check=off, and goes with nothing that asks who somebody is", () => {
    assert.equal(parseMountOptions("").transport, "kernel");
    for (const text of ["transport=fuse-native", "check=off,transport=fuse-native"]) {
      const { transport, check } = parseMountOptions(text);
      assert.deepEqual([transport, check], ["fuse-native", "off"]);
    }
    for (const [text, reason] of [
      ["transport=fuse-native,check=seen", /goes with check=off only/],
      ["transport=fuse-native,allow_other", /does not go with allow_other/],
      ["transport=tcp", /transport needs kernel or fuse-native.*"tcp"/],
      ["transport", /transport needs/],
    ] as const)
      assert.throws(() => parseMountOptions(text), refusal("USAGE", reason), text);
  });

  test("at takes a hash or its beginning, a position, an ISO time, an age, and makes the mount read-only", () => {
    const hash = "0123456789abcdef".repeat(4);
    const times = ["2026-11-28", "2026-11-28T17:24", "2026-11-28T17:24:09.123Z", "2026-11-28T17:24:09+01:00"];
    for (const at of [hash, hash.slice(0, 8), "0", "4711", ...times, "30s", "5m", "2h", "14d", "3w"]) {
      const options = parseMountOptions(`at=${at},rw`);
      assert.equal(options.at, at);
      assert.equal(options.readOnly, true, at);
    }
    for (const at of [
      "",
      "yesterday",
      "0123abc",
      "-1",
      "2h30",
      "h",
      "2026-1",
      "DEADBEEF",
      `${hash}0`,
      "../x",
      "2 h",
    ]) {
      assert.throws(() => parseMountOptions(`at=${at}`), refusal("USAGE", /at needs .*at=2h/), at);
    }
  });

  test("a wrong value is refused with what it could be", () => {
    for (const [option, reason] of [
      ["check=maybe", /check needs one of seen, require and off.*"maybe"/],
      ["check=", /check needs/],
      ["sync=always", /sync needs background or strict.*"always"/],
      ["check", /check needs/],
      ["user=alice,delete=never", /delete needs revert or hide.*"never"/],
      ["delete=hide", /only beside user=/],
      ["delete=revert", /only beside user=/],
      ["user=", /not a user id/],
      ["user=__base__", /not a user id/],
      ["user=a b", /not a user id/],
      ["at", /at needs/],
      ["check=off,check=off", /check is given twice/],
      ["user=a,user=b", /user is given twice/],
    ] as const)
      assert.throws(() => parseMountOptions(option), refusal("USAGE", reason), option);
  });

  test("a mode is shown as it would be given, defaults left out", () => {
    for (const text of [
      "rw",
      "ro",
      "rw,check=require",
      "rw,user=alice",
      "ro,user=alice,check=off,delete=hide,at=2h",
      "rw,user=alice,delete=hide,sync=strict",
      "ro,at=00112233",
      "rw,check=off,transport=fuse-native",
    ]) {
      assert.equal(formatMountMode(parseMountOptions(text)), text);
    }
    assert.equal(formatMountMode(parseMountOptions("check=seen,user=bob,delete=revert")), "rw,user=bob");
  });

  test("the ordinary words of mount(8) and fstab(5) pass", () => {
    const words =
      "defaults,rw,noatime,nosuid,nodev,noexec,_netdev,nofail,noauto,user,x-systemd.automount,x-systemd.requires=a,comment=x,";
    assert.deepEqual(parseMountOptions(words), NONE);
  });

  test("everything else is named and refused, with the known ones listed", () => {
    for (const option of [
      "foo",
      "agents=x",
      "RO",
      "ro=1",
      "allow_other=1",
      "users=alice",
      "constructor=x",
      "checks=off",
      "noatime=1",
      " ro",
      "fd=3",
    ]) {
      assert.throws(
        () => parseMountOptions(`noatime,${option}`),
        refusal("USAGE", new RegExp(`"${option}".*agent=NAME`)),
        option,
      );
    }
    assert.throws(() => parseMountOptions("agent=a,agent=b"), refusal("USAGE", /twice/));
    assert.throws(() => parseMountOptions("agent"), refusal("USAGE", /needs a name/));
  });

  test("R7: a mount for system or for nobody is refused", () => {
    for (const text of ["agent=", "agent=system", "ro,agent=SYSTEM", "agent= "]) {
      assert.throws(() => parseMountOptions(text), refusal("AGENT_REQUIRED", /agent/));
    }
  });
});
