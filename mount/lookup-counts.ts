/**
 * Owns a table of how often one kernel looked each node id up, in few bytes: the kernel may know every file of a book. Open
 * addressing with linear probing; a removed entry is closed up, so that there are no gravestones. Must never hold 0.
 */
const SMALLEST = 1024;
/** Fullest part of the table before it grows. */
const FULLEST = 0.7;
const EMPTY = 0;
const TWO_32 = 0x1_0000_0000;

export class LookupCounts {
  /** Node ids; EMPTY where there is none. A power of two long. */
  #keys = new Float64Array(SMALLEST);
  #counts = new Uint32Array(SMALLEST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(nodeid: number): boolean {
    return this.#keys[this.#slotOf(nodeid)] === nodeid;
  }

  /** 0 for a node id that is not there. */
  get(nodeid: number): number {
    const slot = this.#slotOf(nodeid);
    return this.#keys[slot] === nodeid ? (this.#counts[slot] as number) : 0;
  }

  /** `count` is at least 1. */
  set(nodeid: number, count: number): void {
    const slot = this.#slotOf(nodeid);
    this.#counts[slot] = count;
    if (this.#keys[slot] === nodeid) return;
    this.#keys[slot] = nodeid;
    if (++this.#size > this.#keys.length * FULLEST) this.#resize(this.#keys.length * 2);
  }

  delete(nodeid: number): void {
    let gap = this.#slotOf(nodeid);
    if (this.#keys[gap] !== nodeid) return;
    this.#size--;
    const mask = this.#keys.length - 1;
    // Whatever may not be found any more beyond the gap moves into it.
    for (let slot = (gap + 1) & mask; this.#keys[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = this.#homeOf(this.#keys[slot] as number);
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      this.#keys[gap] = this.#keys[slot] as number;
      this.#counts[gap] = this.#counts[slot] as number;
      gap = slot;
    }
    this.#keys[gap] = EMPTY;
    if (this.#size < this.#keys.length * FULLEST * 0.25 && this.#keys.length > SMALLEST)
      this.#resize(this.#keys.length / 2);
  }

  /** All node ids, in no order. */
  keys(): number[] {
    return Array.from(this.#keys).filter((key) => key !== EMPTY);
  }

  #resize(length: number): void {
    const [keys, counts] = [this.#keys, this.#counts];
    this.#keys = new Float64Array(length);
    this.#counts = new Uint32Array(length);
    for (let slot = 0; slot < keys.length; slot++) {
      const key = keys[slot] as number;
      if (key === EMPTY) continue;
      const to = this.#slotOf(key);
      this.#keys[to] = key;
      this.#counts[to] = counts[slot] as number;
    }
  }

  /** Where a node id is, or would be put. */
  #slotOf(nodeid: number): number {
    const mask = this.#keys.length - 1;
    let slot = this.#homeOf(nodeid);
    while (this.#keys[slot] !== nodeid && this.#keys[slot] !== EMPTY) slot = (slot + 1) & mask;
    return slot;
  }

  #homeOf(nodeid: number): number {
    // Node ids are random but for a few; both halves are mixed all the same (Fibonacci hashing).
    const mixed = Math.imul((nodeid % TWO_32) ^ Math.floor(nodeid / TWO_32), 0x9e3779b1);
    return (mixed >>> 8) & (this.#keys.length - 1);
  }
}
