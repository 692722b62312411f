// What the rules for a machine's other users say of a request to mount.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type AccessRequest, type AccessRule, admitMount } from "../../schema/access.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseAgentName, parseBookId, parseUserId } from "../../schema/ids.ts";

const [mine, other] = [parseBookId("my-book"), parseBookId("other-book")];
const [alice, bob] = [parseUserId("alice"), parseUserId("bob")];
const [ann, ben] = [parseAgentName("ann"), parseAgentName("ben")];
const rules: readonly AccessRule[] = [
  { unixUser: "ann", bookIds: [mine], userIds: [alice], agents: [ann] },
  { unixUser: "ann", bookIds: undefined, userIds: [bob], agents: [ben, ann] },
];
const REQUEST: AccessRequest = { bookId: mine, userId: alice, agent: undefined, allowOther: false };

test("one rule must admit book, user and agent together; without an agent its first one answers", () => {
  const asked = (request: Partial<AccessRequest>): string => admitMount(rules, { ...REQUEST, ...request });
  assert.equal(asked({}), "ann");
  assert.equal(asked({ userId: bob }), "ben");
  assert.equal(asked({ userId: bob, bookId: other, agent: ann }), "ann");
  const refused: Partial<AccessRequest>[] = [
    { bookId: other },
    { agent: ben },
    { userId: undefined },
    { userId: parseUserId("carol") },
    { allowOther: true },
  ];
  for (const request of refused) {
    const isRefusal = (error: unknown) => error instanceof PfsError && error.code === "NOT_PERMITTED";
    assert.throws(() => asked(request), isRefusal, JSON.stringify(request));
  }
  assert.throws(() => admitMount([], REQUEST), /may mount nothing here/);
});
