// The mount thread's loop, over sockets in the place of /dev/fuse: serves, hears the doorbell, waits, survives.

import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { Doorbell } from "../../lib/doorbell.ts";
import { closeFd, readFd, setNonBlocking, writeFd } from "../../lib/libc.ts";
import { createSocketPair } from "../../lib/libc-sockets.ts";
import { Device } from "../../mount/kernel/device.ts";
import { OPCODE } from "../../mount/kernel/protocol.ts";
import { Loop } from "../../mount/loop.ts";
import { withTestBook } from "./test-book.ts";

/** The kernel's end of a device: sends GETATTR of the root, takes the answers. */
class FakeKernel {
  readonly device: Device;
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(4096);
  #unique = 0;

  constructor() {
    const [ours, theirs] = createSocketPair();
    for (const fd of [ours, theirs]) setNonBlocking(fd);
    this.device = new Device(theirs);
    this.#fd = ours;
  }

  ask(opcode: number = OPCODE.GETATTR): void {
    const message = Buffer.alloc(56);
    message.writeUInt32LE(message.length, 0);
    message.writeUInt32LE(opcode, 4);
    message.writeUInt32LE(++this.#unique, 8);
    message.writeUInt32LE(1, 16);
    assert.equal(writeFd(this.#fd, message, message.length), message.length);
  }

  /** Bytes of the answer, a negative errno if there is none. */
  take(): number {
    return readFd(this.#fd, this.#buffer, this.#buffer.length);
  }

  close(): void {
    closeFd(this.#fd);
  }
}

const GETATTR_ANSWER_BYTES = 16 + 104;

for (const isAtRest of [false, true])
  test(`the loop serves all its mounts, and calls beforeWaiting only when nothing waits; at rest: ${isAtRest}`, () => {
    withTestBook((book) => {
      const [doorbell, kernels] = [new Doorbell(), [new FakeKernel(), new FakeKernel()]];
      const log: string[] = [];
      let turn = 0;
      const loop = new Loop({
        doorbell,
        isAtRest: () => isAtRest,
        onDoorbell: () => log.push("bell"),
        onFault: (error) => assert.fail(String(error)),
        beforeWaiting() {
          turn++;
          for (const kernel of kernels) {
            if (turn > 1 && turn < 4) assert.equal(kernel.take(), GETATTR_ANSWER_BYTES);
            if (turn < 3) kernel.ask();
          }
          log.push(`rest ${turn}`);
          if (turn === 3) doorbell.ring();
          if (turn === 4) loop.stop();
          return turn === 4 ? 0 : -1;
        },
      });
      for (const { device } of kernels)
        loop.add({ device, session: book.mount().session, onEnd: () => assert.fail() });
      while (loop.run());
      assert.deepEqual(log, ["rest 1", "rest 2", "rest 3", "bell", "rest 4"]);
      for (const kernel of kernels) kernel.close();
      for (const { device } of kernels) device.close();
      doorbell.close();
    });
  });

/** A loop without mounts, that calls `resting` each millisecond. */
function idleLoop(doorbell: Doorbell, resting: () => void): Loop {
  return new Loop({
    doorbell,
    isAtRest: () => true,
    onDoorbell: () => assert.fail(),
    onFault: (error) => assert.fail(String(error)),
    beforeWaiting() {
      resting();
      return 1;
    },
  });
}

test("the loop wakes up by itself when beforeWaiting asked for it", () => {
  const doorbell = new Doorbell();
  let calls = 0;
  const loop = idleLoop(doorbell, () => {
    if (++calls === 3) loop.stop();
  });
  while (loop.run());
  assert.equal(calls, 3);
  doorbell.close();
});

test("the loop lets Node's event loop have a turn about once a second, and goes on where it was", () => {
  const doorbell = new Doorbell();
  let isEnding = false;
  const loop = idleLoop(doorbell, () => {
    if (isEnding) loop.stop();
  });
  assert.equal(loop.run(), true);
  assert.equal(loop.run(), true);
  isEnding = true;
  assert.equal(loop.run(), false);
  doorbell.close();
});

test("a device that fails ends its own mount only; what is thrown in a callback ends nothing", () => {
  withTestBook((book) => {
    const [doorbell, broken, working] = [new Doorbell(), new FakeKernel(), new FakeKernel()];
    const [faults, ended] = [[] as string[], [] as string[]];
    let turn = 0;
    const loop = new Loop({
      doorbell,
      isAtRest: () => false,
      onDoorbell() {
        throw new Error("in onDoorbell");
      },
      onFault: (error, operation) => faults.push(`${operation}: ${(error as Error).message}`),
      beforeWaiting() {
        if (turn === 0) {
          turn++;
          broken.device.close();
          doorbell.ring();
          working.ask(4999);
          return 0;
        }
        const taken = working.take();
        // On a busy machine a turn of Node's event loop may come before the answer.
        if (taken === -constants.errno.EAGAIN) return 0;
        turn++;
        if (turn === 2) {
          assert.equal(taken, 16);
          working.ask();
          throw new Error("in beforeWaiting");
        }
        assert.equal(taken, GETATTR_ANSWER_BYTES);
        loop.stop();
        return 0;
      },
    });
    const sessions = [book.mount().session, book.mount().session] as const;
    loop.add({ device: broken.device, session: sessions[0], onEnd: () => ended.push("broken") });
    loop.add({ device: working.device, session: sessions[1], onEnd: () => ended.push("working") });
    while (loop.run());
    assert.deepEqual(ended, ["broken"]);
    assert.equal(faults.length, 3, faults.join("\n"));
    assert.match(faults.join("\n"), /doorbell: in onDoorbell/);
    assert.match(faults.join("\n"), /rest: in beforeWaiting/);
    loop.remove(sessions[1]);
    for (const kernel of [broken, working]) kernel.close();
    working.device.close();
    doorbell.close();
  });
});
