// Settled nodes: when what a kernel shows by itself is sure to be what a file holds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SettledNodes } from "../../mount/settled-nodes.ts";

const [NODE, OTHER, TID, NEXT] = [7, 8, 100, 101];

test("W1: a node is settled unless its kernel is being told of it", () => {
  const settled = new SettledNodes();
  assert.equal(settled.isSettled(NODE), true);
  settled.telling(NODE);
  settled.telling(NODE);
  settled.told(NODE);
  assert.deepEqual([settled.isSettled(NODE), settled.isSettledFor(TID, NODE)], [false, false]);
  assert.equal(settled.isSettled(OTHER), true);
  settled.told(NODE);
  assert.deepEqual([settled.isSettled(NODE), settled.isSettledFor(TID, NODE)], [true, true]);
});

test("W1: a node is settled unless somebody has it open who can write; for a thread, unless another one has", () => {
  const settled = new SettledNodes();
  const [mine, others] = [{ actor: { tid: TID } }, { actor: { tid: NEXT } }];
  settled.writerCame(NODE, mine);
  assert.deepEqual([settled.isSettled(NODE), settled.isSettledFor(TID, NODE)], [false, true]);
  settled.writerCame(NODE, others);
  assert.equal(settled.isSettledFor(TID, NODE), false);
  settled.writerWent(NODE, mine);
  assert.deepEqual([settled.isSettledFor(TID, NODE), settled.isSettledFor(NEXT, NODE)], [false, true]);
  settled.writerWent(NODE, others);
  assert.equal(settled.isSettled(NODE), true);
});

test("W1: attributes count as thrown away if anything came between their answer and the opening", () => {
  const settled = new SettledNodes();
  settled.gaveAttributes(TID, NODE);
  assert.equal(settled.hasAttributes(TID, NODE), true);
  settled.telling(NODE);
  settled.gaveAttributes(TID, NODE);
  assert.equal(settled.hasAttributes(TID, NODE), false, "while it is being told");
  settled.told(NODE);
  assert.equal(settled.hasAttributes(TID, NODE), false);
  assert.deepEqual([settled.hasAttributes(NEXT, NODE), settled.hasAttributes(TID, OTHER)], [true, true]);
  settled.gaveAttributes(TID, NODE);
  assert.equal(settled.hasAttributes(TID, NODE), true, "it got them again");
  settled.telling(OTHER);
  assert.equal(settled.takeAttributes(TID, NODE), false, "the turn is one for all nodes");
  assert.equal(settled.takeAttributes(TID, NODE), true, "it would ask again");
});

test("C1: attributes of a node that the kernel was told of are believed once it has had them for a second", () => {
  const settled = new SettledNodes();
  assert.equal(settled.believes(NODE, 0), true);
  settled.telling(NODE);
  assert.equal(settled.believes(NODE, 10), false);
  settled.told(NODE);
  const given = [2000, 3000, 3001, 3002].map((ms) => {
    const believed = settled.believes(NODE, ms);
    settled.gaveAttributes(TID, NODE, ms);
    return believed;
  });
  assert.deepEqual(given, [false, false, true, true], "counted from the first that it got after it was told");
  settled.telling(NODE);
  assert.equal(settled.believes(OTHER, 4000), true);
  settled.forget(NODE);
  assert.equal(settled.believes(NODE, 4000), true, "it knows nothing of it");
  settled.told(NODE);
  assert.equal(settled.believes(NODE, 4000), true);
});

test("W1: threads that asked for attributes long ago are forgotten, the others are not", () => {
  const settled = new SettledNodes();
  settled.telling(NODE);
  for (let tid = 1; tid <= 1025; tid++) settled.gaveAttributes(tid, NODE);
  assert.deepEqual([settled.hasAttributes(1, NODE), settled.hasAttributes(2, NODE)], [true, false]);
});
