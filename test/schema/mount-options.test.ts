/** Owns the proof that mount options are understood or refused by name, never ignored. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PfsError } from "../../schema/errors.ts";
import { parseMountOptions } from "../../schema/mount-options.ts";

const refusal = (code: string, reason: RegExp) => (error: unknown) =>
  error instanceof PfsError && error.code === code && reason.test(`${error.message} ${error.hint}`);

describe("mount options", () => {
  test("agent, ro and allow_other are understood", () => {
    assert.deepEqual(parseMountOptions(""), { agent: undefined, readOnly: false, allowOther: false });
    assert.deepEqual(parseMountOptions("agent=claude-7,ro,allow_other"), {
      agent: "claude-7",
      readOnly: true,
      allowOther: true,
    });
    assert.equal(parseMountOptions("ro,rw").readOnly, false);
    assert.equal(parseMountOptions("rw,ro").readOnly, true);
    assert.equal(parseMountOptions("agent=a=b").agent, "a=b");
  });

  test("the ordinary words of mount(8) and fstab(5) pass", () => {
    const words =
      "defaults,rw,noatime,nosuid,nodev,noexec,_netdev,nofail,noauto,user,x-systemd.automount,x-systemd.requires=a,comment=x,";
    assert.deepEqual(parseMountOptions(words), { agent: undefined, readOnly: false, allowOther: false });
  });

  test("everything else is named and refused, with the known ones listed", () => {
    for (const option of [
      "foo",
      "agents=x",
      "RO",
      "ro=1",
      "allow_other=1",
      "user=alice",
      "at=2h",
      "check=off",
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
