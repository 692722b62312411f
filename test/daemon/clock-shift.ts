// Preloaded into a process (`NODE_OPTIONS=--import`): its clock is PFS_TEST_CLOCK_MS milliseconds fast, or slow where that is negative.

const shiftMs = Number(process.env.PFS_TEST_CLOCK_MS ?? 0);
const Real = Date;

class Shifted extends Real {
  constructor(...given: []) {
    if (given.length > 0) super(...given);
    else super(Real.now() + shiftMs);
  }

  static override now(): number {
    return Real.now() + shiftMs;
  }
}

globalThis.Date = Shifted as DateConstructor;
