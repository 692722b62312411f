// Which features are agreed on with which kernel.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InitOffer } from "../../../mount/kernel/decode-connection.ts";
import { type InitOutcome, negotiate } from "../../../mount/kernel/init.ts";
import { INIT_FLAG, INIT_FLAG2 } from "../../../mount/kernel/protocol.ts";

const UP_TO_31 = 0x07ffffff;
const UP_TO_38 = 0x7fffffff;
/** What Linux 6.18 offers in flags2, passthrough included. */
const FLAGS2_45 = 0x5fd;

function offer(minor: number, flags: number, flags2 = 0): InitOffer {
  return { major: 7, minor, maxReadaheadBytes: 131072, flags, flags2 };
}

function agree(given: InitOffer): Extract<InitOutcome, { kind: "agreed" }> {
  const outcome = negotiate(given);
  assert.equal(outcome.kind, "agreed");
  return outcome as Extract<InitOutcome, { kind: "agreed" }>;
}

describe("INIT", () => {
  it("7.31 (Linux 5.4): the old flags, no flags2", () => {
    const { answer, features } = agree(offer(31, UP_TO_31, FLAGS2_45));
    assert.equal(answer.minor, 31);
    assert.equal(answer.flags2, 0, "flags2 means nothing without INIT_EXT");
    assert.deepEqual(features, {
      minor: 31,
      maxWriteBytes: 1024 * 1024,
      maxReadaheadBytes: 131072,
      atomicTruncate: true,
      readdirplus: true,
      parallelDirectoryOperations: true,
      noOpen: true,
      noOpendir: true,
      explicitInvalidation: true,
      killPrivileges: false,
      noFlush: false,
      tmpfile: false,
      statx: false,
      copyFileRange64: false,
      expireOnly: false,
      resend: false,
      directMaps: false,
    });
  });

  it("7.38 (Linux 6.2): set-id bits, NOFLUSH, tmpfile, expiry", () => {
    const { answer, features } = agree(
      offer(38, UP_TO_38, INIT_FLAG2.HAS_EXPIRE_ONLY | INIT_FLAG2.SECURITY_CTX),
    );
    assert.equal(answer.flags & INIT_FLAG.INIT_EXT, INIT_FLAG.INIT_EXT);
    assert.equal(answer.flags2, INIT_FLAG2.HAS_EXPIRE_ONLY);
    const { killPrivileges, noFlush, tmpfile, statx, expireOnly } = features;
    assert.deepEqual(
      { killPrivileges, noFlush, tmpfile, statx, expireOnly },
      {
        killPrivileges: true,
        noFlush: true,
        tmpfile: true,
        statx: false,
        expireOnly: true,
      },
    );
  });

  it("7.45 (Linux 6.18): statx, wide copies, requests sent again; no passthrough", () => {
    const { answer, features } = agree(offer(45, UP_TO_38, FLAGS2_45));
    assert.equal(
      answer.flags2,
      INIT_FLAG2.HAS_EXPIRE_ONLY | INIT_FLAG2.HAS_RESEND | INIT_FLAG2.DIRECT_IO_ALLOW_MMAP,
    );
    const { resend, statx, copyFileRange64 } = features;
    assert.deepEqual([resend, statx, copyFileRange64], [true, true, true]);
  });

  it("a newer minor version is answered with ours", () => {
    assert.equal(agree(offer(99, UP_TO_38, 0xffffffff)).answer.minor, 45);
  });

  it("nothing is taken that was not offered, and nothing that would change what close, locks or modes mean, or hold pages locked while a request waits", () => {
    const { answer, features } = agree(offer(45, 0, 0xffffffff));
    assert.deepEqual([answer.flags, answer.flags2, answer.maxPages], [0, 0, 0]);
    assert.equal(features.maxWriteBytes, 128 * 1024);
    const everything = agree(offer(45, 0x7fffffff, 0xffffffff)).answer;
    const refused =
      INIT_FLAG.WRITEBACK_CACHE |
      INIT_FLAG.POSIX_LOCKS |
      INIT_FLAG.FLOCK_LOCKS |
      INIT_FLAG.POSIX_ACL |
      INIT_FLAG.DONT_MASK |
      INIT_FLAG.EXPORT_SUPPORT |
      INIT_FLAG.SETXATTR_EXT |
      INIT_FLAG.CACHE_SYMLINKS |
      INIT_FLAG.AUTO_INVAL_DATA;
    assert.equal(everything.flags & refused, 0);
    assert.equal(everything.maxPages, 256);
  });

  it("readahead: what is offered, up to 1 MiB", () => {
    const large = { ...offer(45, UP_TO_38), maxReadaheadBytes: 8 * 1024 * 1024 };
    assert.equal(agree(large).features.maxReadaheadBytes, 1024 * 1024);
  });

  it("a newer major version is asked to begin again with 7; an older kernel is refused in a sentence", () => {
    const newer = negotiate({ ...offer(1, 0), major: 8 });
    assert.equal(newer.kind === "ask-again" && newer.answer.major, 7);
    for (const old of [{ ...offer(0, 0), major: 6 }, offer(30, 0)]) {
      const outcome = negotiate(old);
      assert.match(outcome.kind === "refused" ? outcome.reason : "", /7\.31 \(Linux 5\.4\) is the oldest/);
    }
  });
});
