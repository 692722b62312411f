/**
 * Owns the numbers by which one kernel knows control nodes: made when a node is first looked up, given up with the
 * kernel's FORGET, never given again to another node as long as anyone could remember. Must never ask a node anything.
 */
import type { ControlNode } from "./control-node.ts";

/** Node id and inode number of `.pfs`; 1 is the root. */
export const CONTROL_NODEID = 2;
const FIRST_NODEID = 3;
/** From here on node ids are the book's files. */
const END_NODEID = 2 ** 32;

/** A node that the kernel knows, or is about to be told of. */
export interface KnownControl {
  readonly nodeid: number;
  readonly parent: number;
  /** From `.pfs` on, with `/` between names; "" for `.pfs` itself. */
  readonly path: string;
  node: ControlNode;
  lookups: number;
}

export class ControlNodes {
  readonly #byNodeid = new Map<number, KnownControl>();
  readonly #byPath = new Map<string, KnownControl>();
  #last = FIRST_NODEID - 1;

  constructor(root: ControlNode) {
    this.#add({ nodeid: CONTROL_NODEID, parent: 1, path: "", node: root, lookups: 0 });
  }

  get(nodeid: number): KnownControl | undefined {
    return this.#byNodeid.get(nodeid);
  }

  /** The node at a path, under the number that the kernel knows it by if it does. */
  bind(parent: KnownControl, name: string, node: ControlNode): KnownControl {
    const path = pathIn(parent, name);
    const known = this.#byPath.get(path);
    if (known !== undefined && known.node.kind === node.kind) {
      known.node = node;
      return known;
    }
    return this.#add({ nodeid: this.#free(), parent: parent.nodeid, path, node, lookups: 0 });
  }

  /** The path means nothing any more: what is at it later is another node. */
  unbind(parent: KnownControl, name: string): void {
    this.#byPath.delete(pathIn(parent, name));
  }

  remember(nodeid: number): void {
    const known = this.#byNodeid.get(nodeid);
    if (known !== undefined) known.lookups++;
  }

  forget(nodeid: number, count: number): void {
    const known = this.#byNodeid.get(nodeid);
    if (known === undefined || nodeid === CONTROL_NODEID) return;
    known.lookups -= count;
    if (known.lookups > 0) return;
    this.#byNodeid.delete(nodeid);
    if (this.#byPath.get(known.path) === known) this.#byPath.delete(known.path);
  }

  /** Lets the next new node have the lowest free number, as it is after all of them were given once. */
  startOver(): void {
    this.#last = FIRST_NODEID - 1;
  }

  /** How many nodes are known besides `.pfs`. */
  get count(): number {
    return this.#byNodeid.size - 1;
  }

  #add(known: KnownControl): KnownControl {
    this.#byNodeid.set(known.nodeid, known);
    this.#byPath.set(known.path, known);
    return known;
  }

  #free(): number {
    do {
      if (++this.#last === END_NODEID) this.startOver();
    } while (this.#byNodeid.has(this.#last));
    return this.#last;
  }
}

/** The path of a name in a known directory. */
export function pathIn(parent: KnownControl, name: string): string {
  return parent.path === "" ? name : `${parent.path}/${name}`;
}

/**
 * The inode number of a control path, of which listings can tell without anything being looked up. It is made of the path,
 * so that it outlives FORGET: programs that walk a tree compare the numbers that they saw. That two paths may share one
 * is no harm, as nothing here has two names.
 */
export function inodeOf(path: string): number {
  if (path === "") return CONTROL_NODEID;
  // FNV-1a. Source: http://www.isthe.com/chongo/tech/comp/fnv/
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(path)) hash = Math.imul(hash ^ byte, 0x01000193);
  return FIRST_NODEID + ((hash >>> 0) % (END_NODEID - FIRST_NODEID));
}
