// C1: answers are kept back until the other mounts' kernels know, never longer, and never for what need not be known.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Deliveries } from "../../mount/deliveries.ts";
import { Reply } from "../../mount/kernel/reply.ts";
import type { Answer, KernelLink } from "../../mount/kernel-link.ts";
import { ParkedAnswers } from "../../mount/parked-answers.ts";

function setup() {
  const deliveries = new Deliveries();
  const [cause, target] = [{}, {}];
  const sent: Answer[] = [];
  const link: KernelLink = {
    notify: () => assert.fail("no notification"),
    answer: (answer) => sent.push(answer),
  };
  const parked = new ParkedAnswers(cause, deliveries, link);
  const request = { uniqueLo: 6, uniqueHi: 1, opcode: 25 };
  const reply = new Reply(0);
  reply.start(request);
  reply.ok();
  return { deliveries, cause, target, sent, parked, request, reply };
}

test("C1: nothing on its way, nothing kept back", () => {
  const { parked, request, reply } = setup();
  assert.equal(parked.afterDelivery(request, reply, "all"), true);
});

test("C1: a close is answered once the last notification is delivered", () => {
  const { deliveries, cause, target, sent, parked, request, reply } = setup();
  const tickets = [deliveries.issue(target, cause, "inode"), deliveries.issue(target, cause, "entry")];
  assert.equal(parked.afterDelivery(request, reply, "all"), false);
  reply.error(5);
  deliveries.delivered(tickets[1] as number);
  assert.equal(sent.length, 0);
  deliveries.delivered(tickets[0] as number);
  assert.equal(sent.length, 1);
  const [answer] = sent as [Answer];
  assert.equal(answer.length, 16);
  assert.equal(answer.buffer.readInt32LE(4), 0, "the answer as it was when it was kept back");
  assert.equal(answer.buffer.readBigUInt64LE(8), 0x1_0000_0006n);
  assert.equal(deliveries.isIdle, true);
});

test("C1: an operation that holds a directory's lock waits for no name", () => {
  const { deliveries, cause, target, sent, parked, request, reply } = setup();
  deliveries.issue(target, cause, "entry");
  assert.equal(parked.afterDelivery(request, reply, "inode"), true);
  const inode = deliveries.issue(target, cause, "inode");
  assert.equal(parked.afterDelivery(request, reply, "inode"), false);
  deliveries.delivered(inode);
  assert.equal(sent.length, 1);
});

test("C1: what others caused is not waited for", () => {
  const { deliveries, target, parked, request, reply } = setup();
  deliveries.issue(target, {}, "inode");
  deliveries.issue(target, undefined, "inode");
  assert.equal(parked.afterDelivery(request, reply, "all"), true);
});

test("C1: a mount that goes away is not waited for", () => {
  const { deliveries, cause, target, sent, parked, request, reply } = setup();
  deliveries.issue(target, cause, "inode");
  assert.equal(parked.afterDelivery(request, reply, "all"), false);
  deliveries.abandon(target);
  assert.equal(sent.length, 1);
});

test("an interrupted answer is sent at once, as it is, and once only", () => {
  const { deliveries, cause, target, sent, parked, request, reply } = setup();
  const ticket = deliveries.issue(target, cause, "inode");
  parked.afterDelivery(request, reply, "all");
  assert.equal(parked.interrupt({ uniqueLo: 8, uniqueHi: 1 }), false);
  assert.equal(parked.interrupt(request), true);
  assert.equal((sent[0] as Answer).buffer.readInt32LE(4), 0);
  deliveries.delivered(ticket);
  assert.equal(sent.length, 1);
  assert.equal(parked.count, 0);
});

test("tickets that nobody knows are ignored", () => {
  const { deliveries } = setup();
  deliveries.delivered(42);
  assert.equal(deliveries.isIdle, true);
});
