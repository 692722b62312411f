// What a kernel does around the worktree, so far as identities go: it knows names by node ids (dentries), moves them itself
// at rename, and asks again only when it is told to. Keeps the two maps of a mount's session, exceptions only. Fails as
// soon as a name or an open file that it knows would mean another file than the book's.

import assert from "node:assert/strict";
import { type Actor, type Change, FileType, type Identity, type Node } from "../../lib/node.ts";
import type { OpenFile } from "../../lib/worktree/open-file.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { Errno, errnoOf, PfsError, PosixError } from "../../schema/errors.ts";
import { type FileId, newFileId } from "../../schema/ids.ts";
import { actorNamed, contentOf } from "../lib/book-fixture.ts";
import { bytesOf, type Entry, type Operation, type Outcome, type Subject } from "./tree-operations.ts";

const NS = 7;
const errnoNames = new Map<number, string>(Object.entries(Errno).map(([name, number]) => [number, name]));

interface Handle {
  readonly nodeid: number;
  readonly file: OpenFile;
}

export class KernelModel implements Subject {
  readonly #worktree: Worktree;
  readonly #origin = { mount: "model" };
  readonly #actor: Actor;
  readonly #files = new Map<number, FileId>();
  readonly #nodeids = new Map<FileId, number>();
  /** Directory's node id and name → node id; 0 for a name that is known to be absent. */
  readonly #dentries = new Map<string, number>();
  readonly #open = new Map<number, Handle>();
  #invalidations: Change[] = [];
  readonly #stopListening: () => void;
  readonly #digest: (bytes: Uint8Array) => string;

  /** `hidesBase`: as a mount of an overlay with `delete=hide`. */
  constructor(
    worktree: Worktree,
    digest: (bytes: Uint8Array) => string,
    { hidesBase = false }: { hidesBase?: boolean } = {},
  ) {
    this.#actor = { ...actorNamed("alice", this.#origin), hidesBase };
    this.#worktree = worktree;
    this.#digest = digest;
    this.#stopListening = worktree.onChange((change, origin) => {
      if (origin !== this.#origin) this.#invalidations.push(change);
    });
  }

  run(operation: Operation): Outcome {
    try {
      return this.#run(operation) ?? "ok";
    } catch (error) {
      if (error instanceof PosixError || error instanceof PfsError)
        return errnoNames.get(errnoOf(error)) ?? `${error}`;
      throw error;
    } finally {
      this.#applyInvalidations();
      this.#assertKnown();
    }
  }

  closeAll(): void {
    for (const slot of [...this.#open.keys()]) this.#close(slot);
    this.#assertKnown();
  }

  /** Unmounts: the next kernel knows nothing. */
  leave(): void {
    this.closeAll();
    this.#stopListening();
  }

  snapshot(): Map<string, Entry> {
    return snapshotOf(this.#worktree, this.#digest);
  }

  isOpen(slot: number): boolean {
    return this.#open.has(slot);
  }

  #run(operation: Operation): Outcome | undefined {
    const worktree = this.#worktree;
    const actor = this.#actor;
    switch (operation.do) {
      case "create": {
        const place = this.#walk(operation.path);
        const file = worktree.create(this.#id(place.parent), place.name, operation.mode, actor);
        const nodeid = this.#nodeidOf(file.fileId);
        this.#dentries.set(key(place.parent, place.name), nodeid);
        this.#take(operation.slot, { nodeid, file });
        return undefined;
      }
      case "open": {
        const nodeid = this.#file(operation.path);
        this.#take(operation.slot, { nodeid, file: worktree.open(this.#id(nodeid)) });
        return undefined;
      }
      case "read":
        return this.#digest(contentOf(this.#handle(operation.slot).file));
      case "flush":
        this.#handle(operation.slot).file.commit(actor, { durable: false });
        return undefined;
      case "close":
        this.#handle(operation.slot);
        this.#close(operation.slot);
        return undefined;
      case "write":
        this.#handle(operation.slot).file.write(operation.offset, bytesOf(operation), actor);
        return undefined;
      case "truncateHandle":
        this.#handle(operation.slot).file.truncate(operation.size, actor);
        return undefined;
      case "truncate":
        worktree.setAttributes(this.#id(this.#file(operation.path)), { size: operation.size }, actor);
        return undefined;
      case "unlink":
      case "removeDirectory": {
        const { parent, name } = this.#walk(operation.path);
        const remove = operation.do === "unlink" ? worktree.unlink : worktree.removeDirectory;
        const identities = remove.call(worktree, this.#id(parent), name, actor);
        this.#dentries.set(key(parent, name), 0);
        this.#apply(identities);
        return undefined;
      }
      case "makeDirectory": {
        const { parent, name } = this.#walk(operation.path);
        const node = worktree.makeDirectory(this.#id(parent), name, 0o755, actor);
        this.#dentries.set(key(parent, name), this.#nodeidOf(node.fileId));
        return undefined;
      }
      case "rename":
        this.#rename(operation);
        return undefined;
      case "link": {
        const source = this.#present(operation.path);
        const { parent, name } = this.#walk(operation.to);
        const node = worktree.link(this.#id(source), this.#id(parent), name, actor);
        this.#dentries.set(key(parent, name), this.#nodeidOf(node.fileId));
        return undefined;
      }
      case "symlink": {
        const { parent, name } = this.#walk(operation.to);
        const node = worktree.makeSymlink(this.#id(parent), name, Buffer.from(operation.path), actor);
        this.#dentries.set(key(parent, name), this.#nodeidOf(node.fileId));
        return undefined;
      }
      case "chmod": {
        const nodeid = this.#present(operation.path);
        if (this.#type(nodeid) === FileType.symlink) return "EOPNOTSUPP";
        worktree.setAttributes(this.#id(nodeid), { mode: operation.mode }, actor);
        return undefined;
      }
      case "chown":
        worktree.setAttributes(this.#id(this.#present(operation.path)), { uid: operation.uid }, actor);
        return undefined;
      case "touch": {
        const nodeid = this.#present(operation.path);
        if (this.#type(nodeid) !== FileType.file) return undefined;
        const mtime = { seconds: operation.seconds, nanoseconds: NS };
        worktree.setAttributes(this.#id(nodeid), { mtime }, actor);
        return undefined;
      }
      case "setXattr": {
        const nodeid = this.#present(operation.path);
        if (this.#type(nodeid) === FileType.symlink) return undefined;
        const flags = { create: false, replace: false };
        worktree.setXattr(this.#id(nodeid), "user.test", Buffer.from(operation.value), flags, actor);
        return undefined;
      }
      case "settle":
        worktree.settle(0);
        return undefined;
    }
  }

  #rename({ path, to, flag }: Operation & { do: "rename" }): void {
    const from = this.#walk(path);
    const target = this.#walk(to);
    const flags = { noReplace: flag === "noReplace", exchange: flag === "exchange" };
    const source = this.#child(from.parent, from.name);
    const replaced = this.#child(target.parent, target.name);
    const identities = this.#worktree.rename(
      { parent: this.#id(from.parent), name: from.name },
      { parent: this.#id(target.parent), name: target.name },
      flags,
      this.#actor,
    );
    // As vfs_rename(): two names of one file stay.
    if (source === replaced) return;
    this.#dentries.set(key(target.parent, target.name), source);
    this.#dentries.set(key(from.parent, from.name), flags.exchange ? replaced : 0);
    this.#apply(identities);
  }

  #apply(identities: readonly Identity[]): void {
    const moved = identities.map(({ from, to }) => ({ nodeid: this.#nodeids.get(from) ?? from, from, to }));
    const known = moved.filter(
      ({ nodeid, from }) => this.#files.get(nodeid) === from || !this.#files.has(nodeid),
    );
    for (const { nodeid, from } of known) {
      this.#files.delete(nodeid);
      this.#nodeids.delete(from);
    }
    for (const { nodeid, to } of known) {
      this.#files.set(nodeid, to);
      this.#nodeids.set(to, nodeid);
    }
  }

  #applyInvalidations(): void {
    const changes = this.#invalidations;
    this.#invalidations = [];
    for (const change of changes) {
      if (change.type === "entry") this.#dentries.delete(key(this.#nodeidOf(change.parent), change.name));
    }
  }

  /** Every name and every open file that the kernel knows means what the book means. */
  #assertKnown(): void {
    for (const [dentry, nodeid] of this.#dentries) {
      const [parent, name] = split(dentry);
      if (this.#worktree.parentOf(this.#id(parent)) === undefined) {
        this.#dentries.delete(dentry);
        continue;
      }
      const found = this.#worktree.lookup(this.#id(parent), name)?.fileId;
      assert.equal(nodeid === 0 ? undefined : this.#id(nodeid), found, `what the kernel knows as ${name}`);
    }
    for (const [slot, { nodeid, file }] of this.#open) {
      assert.equal(file.fileId, this.#id(nodeid), `the file open in slot ${slot}`);
      const node = this.#worktree.get(file.fileId);
      assert.equal(node?.size, file.size, `the size of the file open in slot ${slot}`);
    }
  }

  #id(nodeid: number): FileId {
    return this.#files.get(nodeid) ?? (nodeid as FileId);
  }

  #nodeidOf(fileId: FileId): number {
    const exception = this.#nodeids.get(fileId);
    if (exception !== undefined) return exception;
    if (!this.#files.has(fileId)) return fileId;
    const fresh = newFileId();
    this.#files.set(fresh, fileId);
    this.#nodeids.set(fileId, fresh);
    return fresh;
  }

  #take(slot: number, handle: Handle): void {
    if (this.#open.has(slot)) this.#close(slot);
    this.#open.set(slot, handle);
  }

  #close(slot: number): void {
    const { file } = this.#handle(slot);
    this.#open.delete(slot);
    try {
      file.commit(this.#actor, { durable: false });
    } finally {
      file.release(this.#actor);
    }
  }

  #handle(slot: number): Handle {
    const handle = this.#open.get(slot);
    if (handle === undefined) throw new PosixError("EBADF");
    return handle;
  }

  /** Node id of a name; 0 when it is absent. */
  #child(parent: number, name: string): number {
    const dentry = key(parent, name);
    const cached = this.#dentries.get(dentry);
    if (cached !== undefined) return cached;
    const node = this.#worktree.lookup(this.#id(parent), name);
    const nodeid = node === undefined ? 0 : this.#nodeidOf(node.fileId);
    this.#dentries.set(dentry, nodeid);
    return nodeid;
  }

  #walk(path: string): { parent: number; name: string } {
    const names = path.split("/");
    const name = names.pop() as string;
    let parent: number = this.#worktree.rootId;
    for (const step of names) {
      const child = this.#child(parent, step);
      if (child === 0) throw new PosixError("ENOENT");
      const type = this.#type(child);
      if (type === FileType.symlink) throw new PosixError("ELOOP");
      if (type !== FileType.directory) throw new PosixError("ENOTDIR");
      parent = child;
    }
    return { parent, name };
  }

  #present(path: string): number {
    const { parent, name } = this.#walk(path);
    const child = this.#child(parent, name);
    if (child === 0) throw new PosixError("ENOENT");
    return child;
  }

  #file(path: string): number {
    const nodeid = this.#present(path);
    const type = this.#type(nodeid);
    if (type === FileType.directory) throw new PosixError("EISDIR");
    if (type === FileType.symlink) throw new PosixError("ELOOP");
    return nodeid;
  }

  #type(nodeid: number): number {
    return (this.#worktree.get(this.#id(nodeid))?.mode ?? 0) & FileType.mask;
  }
}

function key(parent: number, name: string): string {
  return `${parent} ${name}`;
}

function split(dentry: string): [number, string] {
  const space = dentry.indexOf(" ");
  return [Number(dentry.slice(0, space)), dentry.slice(space + 1)];
}

/** The whole tree as a new kernel would see it. */
export function snapshotOf(worktree: Worktree, digest: (bytes: Uint8Array) => string): Map<string, Entry> {
  const found = new Map<string, Entry>();
  const visit = (directory: FileId, prefix: string): void => {
    const children: { name: string; node: Node }[] = [];
    worktree.list(directory, 0, (name, node) => children.push({ name, node }) > 0);
    for (const { name, node } of children) {
      assert.deepEqual(worktree.lookup(directory, name), node, `${prefix}${name}: listed as it is looked up`);
      assert.deepEqual(worktree.get(node.fileId)?.mode, node.mode);
      found.set(prefix + name, entryOf(worktree, node, digest));
      if ((node.mode & FileType.mask) === FileType.directory) visit(node.fileId, `${prefix}${name}/`);
    }
  };
  visit(worktree.rootId, "");
  return found;
}

function entryOf(worktree: Worktree, node: Node, digest: (bytes: Uint8Array) => string): Entry {
  const type = node.mode & FileType.mask;
  const shared = {
    mode: node.mode & 0o7777,
    uid: node.uid,
    links: node.nlink,
    mtime: `${BigInt(node.mtimeSeconds) * 1_000_000_000n + BigInt(node.mtimeNanoseconds)}`,
    xattr: worktree.getXattr(node.fileId, "user.test"),
  };
  const xattr = shared.xattr === undefined ? undefined : Buffer.from(shared.xattr).toString();
  if (type === FileType.directory) return { ...shared, xattr, type: "directory", content: "" };
  if (type === FileType.symlink) {
    return { ...shared, xattr, type: "symlink", content: digest(worktree.readSymlink(node.fileId)) };
  }
  const file = worktree.open(node.fileId);
  try {
    const bytes = contentOf(file);
    assert.equal(bytes.byteLength, node.size);
    return { ...shared, xattr, type: "file", content: digest(bytes) };
  } finally {
    file.release(actorNamed("alice"));
  }
}
