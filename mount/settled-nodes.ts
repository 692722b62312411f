/**
 * Owns whether what one kernel shows of its nodes by itself (pages, size) is sure to be what the files hold: what it is being
 * told of them, who may be writing into their pages, which attributes it may have thrown away. Must never know what a file
 * holds.
 */

/** An open file that can be written through, and the thread that uses it. */
interface Writer {
  readonly actor: { readonly tid: number };
}

interface Asked {
  readonly nodeid: number;
  /** {@link NEVER} if they may have been thrown away already. */
  readonly turn: number;
}

const NEVER = -1;
/**
 * Linux notes that a node's attributes may be believed a moment before it takes over their size (fs/fuse/inode.c,
 * fuse_change_attributes_i): whoever asks in between is told the old one. So attributes of a node that it was told of are to
 * be believed only when it has had them before, at the latest this long ago.
 */
const DOUBT_MS = 1000;
/** Threads of which it is remembered which node's attributes they got last. */
const MAX_ASKED = 1024;

export class SettledNodes {
  /** How many notifications are on their way. */
  readonly #telling = new Map<number, number>();
  readonly #writers = new Map<number, Writer[]>();
  /** By thread; the one that asked last is the last. */
  readonly #asked = new Map<number, Asked>();
  /** Nodes that the kernel was told of: when it was first given their attributes since; undefined: it was not. */
  readonly #doubtful = new Map<number, number | undefined>();
  /** Moves whenever something may begin or end that makes the kernel throw attributes away which it gets meanwhile. */
  #turn = 0;

  /** The kernel is going to be told of a node. */
  telling(nodeid: number): void {
    this.#turn++;
    this.#telling.set(nodeid, (this.#telling.get(nodeid) ?? 0) + 1);
    this.#doubtful.set(nodeid, undefined);
  }

  /** It has been, as once announced by {@link telling}. */
  told(nodeid: number): void {
    this.#turn++;
    const left = (this.#telling.get(nodeid) ?? 0) - 1;
    if (left > 0) this.#telling.set(nodeid, left);
    else this.#telling.delete(nodeid);
    if (this.#doubtful.has(nodeid)) this.#doubtful.set(nodeid, undefined);
  }

  /** The kernel does not know `nodeid` any more. */
  forget(nodeid: number): void {
    if (this.#doubtful.size > 0) this.#doubtful.delete(nodeid);
  }

  /** Whether the attributes of a node that the kernel is given now are to be believed later, too. */
  believes(nodeid: number, nowMs = performance.now()): boolean {
    if (this.#doubtful.size === 0 || !this.#doubtful.has(nodeid)) return true;
    const firstMs = this.#doubtful.get(nodeid);
    if (firstMs === undefined || nowMs - firstMs <= DOUBT_MS) return false;
    this.#doubtful.delete(nodeid);
    return true;
  }

  writerCame(nodeid: number, writer: Writer): void {
    this.#turn++;
    const writers = this.#writers.get(nodeid);
    if (writers === undefined) this.#writers.set(nodeid, [writer]);
    else writers.push(writer);
  }

  writerWent(nodeid: number, writer: Writer): void {
    const left = this.#writers.get(nodeid)?.filter((other) => other !== writer) ?? [];
    if (left.length > 0) this.#writers.set(nodeid, left);
    else this.#writers.delete(nodeid);
  }

  /** A thread gets a node's attributes: the kernel drops them if the node is changed or told of before it has them. */
  gaveAttributes(tid: number, nodeid: number, nowMs = performance.now()): void {
    // Nothing has ever happened that would matter.
    if (this.#turn === 0) return;
    if (this.#doubtful.has(nodeid)) this.#doubtful.set(nodeid, this.#doubtful.get(nodeid) ?? nowMs);
    this.#asked.delete(tid);
    if (this.#asked.size >= MAX_ASKED) this.#asked.delete(this.#asked.keys().next().value as number);
    this.#asked.set(tid, { nodeid, turn: this.isSettledFor(tid, nodeid) ? this.#turn : NEVER });
  }

  /** Whether the kernel is sure to have taken over the attributes of a node, its size, that this thread got last, if it did. */
  hasAttributes(tid: number, nodeid: number): boolean {
    const asked = this.#asked.size === 0 ? undefined : this.#asked.get(tid);
    return asked?.nodeid !== nodeid || asked.turn === this.#turn;
  }

  /** The same, of a thread that has come to open the node. */
  takeAttributes(tid: number, nodeid: number): boolean {
    const has = this.hasAttributes(tid, nodeid);
    if (this.#asked.size > 0) this.#asked.delete(tid);
    return has;
  }

  /** Whether nothing of a node is on its way to the kernel, and nobody may be writing into its pages. */
  isSettled(nodeid: number): boolean {
    return !this.#telling.has(nodeid) && !this.#writers.has(nodeid);
  }

  /** The same, but for what this thread itself may write: it does one thing at a time. */
  isSettledFor(tid: number, nodeid: number): boolean {
    if (this.#telling.has(nodeid)) return false;
    return this.#writers.get(nodeid)?.every(({ actor }) => actor.tid === tid) ?? true;
  }
}
