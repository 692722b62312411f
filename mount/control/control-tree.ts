/**
 * Owns `.pfs/`: which files are in it, their attributes and the snapshots that open handles read. Everything in it is
 * read-only. Must never appear in the book, nor ask the book anything but through its ControlSource.
 */
import { PosixError } from "../../schema/errors.ts";
import type { KernelAttributes } from "../kernel/attributes.ts";
import { DIRENT_TYPE } from "../kernel/protocol.ts";
import type { DirectoryRecord } from "../kernel/reply.ts";
import type { ControlFile } from "./control-file.ts";
import type { ControlSource } from "./control-source.ts";
import { readme } from "./readme.ts";
import { refusals } from "./refusals.ts";
import { status } from "./status.ts";

/** The name of the control directory in the root of every mount. */
export const CONTROL_NAME = ".pfs";
/** Node id and inode number of `.pfs`. */
export const CONTROL_NODEID = 2;

const FILES: readonly ControlFile[] = [readme, status, refusals];
const byNodeid = new Map(FILES.map((file) => [file.nodeid, file]));
const byName = new Map(FILES.map((file) => [file.name, file]));
const [FILE_MODE, DIRECTORY_MODE] = [0o100444, 0o040555];
const BLOCK_BYTES = 4096;

/** Bytes of a control file, and since when it has them. */
interface Version {
  readonly content: Buffer;
  readonly seconds: number;
}

/** An open control file: the bytes that it had when it was opened. */
export interface Snapshot extends Version {
  readonly nodeid: number;
}

export interface OpenedSnapshot {
  readonly snapshot: Snapshot;
  /** Another handle reads other bytes of the same file, so that the kernel's page cache cannot serve both. */
  readonly mixed: boolean;
}

export class ControlTree {
  readonly #source: ControlSource;
  readonly #owner: { readonly uid: number; readonly gid: number };
  readonly #madeSeconds = nowSeconds();
  /** What each file held when it was last looked at, and since when: its mtime moves only when its bytes do. */
  readonly #latest = new Map<number, Version>();
  readonly #open = new Set<Snapshot>();

  constructor(source: ControlSource, owner: { readonly uid: number; readonly gid: number }) {
    this.#source = source;
    this.#owner = owner;
  }

  /** The node id of a name in `.pfs`, undefined if there is none. */
  lookup(name: string): number | undefined {
    return byName.get(name)?.nodeid;
  }

  /** Writes the attributes of a control node as they are now. @throws PosixError ESTALE for an unknown node id */
  attributes(nodeid: number, into: KernelAttributes): void {
    if (nodeid === CONTROL_NODEID) this.#fill(into, { nodeid, size: 0, seconds: this.#madeSeconds });
    else this.#fillVersion(into, nodeid, this.#latestOf(nodeid));
  }

  /** Writes the attributes of a file as an open handle sees it. */
  attributesOf(snapshot: Snapshot, into: KernelAttributes): void {
    this.#fillVersion(into, snapshot.nodeid, snapshot);
  }

  /** @throws PosixError EISDIR, ESTALE */
  open(nodeid: number): OpenedSnapshot {
    if (nodeid === CONTROL_NODEID) throw new PosixError("EISDIR");
    const { content, seconds } = this.#latestOf(nodeid);
    let mixed = false;
    for (const other of this.#open) {
      if (other.nodeid === nodeid && other.content !== content) mixed = true;
    }
    const snapshot: Snapshot = { nodeid, content, seconds };
    this.#open.add(snapshot);
    return { snapshot, mixed };
  }

  /** Ends what `open` began. */
  release(snapshot: Snapshot): void {
    this.#open.delete(snapshot);
  }

  /** The files of `.pfs` from position `from` on, with `nextOffset` counting from 3 (1 and 2 are `.` and `..`). */
  *list(from: number): IterableIterator<DirectoryRecord> {
    for (let index = Math.max(0, from - 2); index < FILES.length; index++) {
      const { name, nodeid } = FILES[index] as ControlFile;
      yield { name, ino: nodeid, type: DIRENT_TYPE.REG, nextOffset: index + 3 };
    }
  }

  #latestOf(nodeid: number): Version {
    const file = byNodeid.get(nodeid);
    if (file === undefined) throw new PosixError("ESTALE", `There is no control file ${nodeid}.`);
    const content = file.generate(this.#source);
    const latest = this.#latest.get(nodeid);
    if (latest?.content.equals(content)) return latest;
    const version: Version = { content, seconds: nowSeconds() };
    this.#latest.set(nodeid, version);
    return version;
  }

  #fillVersion(into: KernelAttributes, nodeid: number, { content, seconds }: Version): void {
    this.#fill(into, { nodeid, size: content.length, seconds });
  }

  #fill(
    into: KernelAttributes,
    { nodeid, size, seconds }: { nodeid: number; size: number; seconds: number },
  ): void {
    const isDirectory = nodeid === CONTROL_NODEID;
    into.ino = nodeid;
    into.size = size;
    into.blocks = Math.ceil(size / BLOCK_BYTES) * (BLOCK_BYTES / 512);
    into.atimeSeconds = seconds;
    into.mtimeSeconds = seconds;
    into.ctimeSeconds = seconds;
    into.atimeNanoseconds = 0;
    into.mtimeNanoseconds = 0;
    into.ctimeNanoseconds = 0;
    into.mode = isDirectory ? DIRECTORY_MODE : FILE_MODE;
    into.nlink = isDirectory ? 2 : 1;
    into.uid = this.#owner.uid;
    into.gid = this.#owner.gid;
    into.blksize = BLOCK_BYTES;
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
