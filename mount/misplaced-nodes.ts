/**
 * Owns which nodes one kernel may have found by a name that is another file's: it has moved a hard-linked scratch file there, of
 * which the book has made a copy, and had not heard yet of the copy. Must never tell the kernel anything.
 */
import { decodeGetxattr } from "./kernel/decode-attributes.ts";
import { OPCODE } from "./kernel/protocol.ts";
import type { Request } from "./kernel/request.ts";

/** What a kernel asks of the node that it has found by a name, unless somebody has that node open. */
const ASKED_BY_NAME: ReadonlySet<number> = new Set([
  OPCODE.OPEN,
  OPCODE.GETATTR,
  OPCODE.SETATTR,
  OPCODE.READLINK,
  OPCODE.GETXATTR,
  OPCODE.LISTXATTR,
  OPCODE.SETXATTR,
  OPCODE.REMOVEXATTR,
]);
/** Threads of which it is remembered that they have looked again; one that is forgotten looks once more. */
const MAX_THREADS = 1024;

interface Misplaced {
  /** What the kernel is told because of it. */
  readonly telling: object;
  /** Threads that have been refused since, and so have looked the name up again. */
  readonly refused: Set<number>;
}

export class MisplacedNodes {
  /** Until the kernel forgets the node: a thread may take long from finding it to asking. */
  readonly #nodes = new Map<number, Misplaced>();

  /** Almost always. */
  get isEmpty(): boolean {
    return this.#nodes.size === 0;
  }

  /** The kernel is going to be told, as `telling`, to look again at the name by which it finds `nodeid`. */
  add(nodeid: number, telling: object): void {
    this.#nodes.set(nodeid, { telling, refused: new Set() });
  }

  /** The kernel does not know `nodeid` any more. */
  forget(nodeid: number): void {
    this.#nodes.delete(nodeid);
  }

  /**
   * What the kernel must have been told before this request is refused with ESTALE, on which it looks the name up again, for once;
   * undefined if the request surely means the node that it names.
   */
  refuse(request: Request, isOpen: (nodeid: number) => boolean): object | undefined {
    const { opcode, nodeid, pid } = request;
    if (!ASKED_BY_NAME.has(opcode) || isAskedByKernel(request)) return undefined;
    const node = this.#nodes.get(nodeid);
    if (node === undefined || node.refused.has(pid)) return undefined;
    // Of open files the kernel asks without a name, and looks nothing up again.
    if (opcode !== OPCODE.OPEN && isOpen(nodeid)) return undefined;
    if (node.refused.size >= MAX_THREADS) node.refused.clear();
    node.refused.add(pid);
    return node.telling;
  }
}

/** Its outcome does not make the kernel look anything up again. */
function isAskedByKernel(request: Request): boolean {
  return (
    request.pid === 0 || (request.opcode === OPCODE.GETXATTR && isSecurity(decodeGetxattr(request).name))
  );
}

/** What the kernel asks of a file that it is about to change. Source: linux/security/commoncap.c, cap_inode_need_killpriv */
function isSecurity(name: string): boolean {
  return name.startsWith("security.");
}
