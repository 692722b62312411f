// A plain in-memory file system, as simple as can be: what the worktree must look like after any operations on a book of
// profile `any`. Knows of scratch only what SEMANTICS.md tells users: hard links, and directories that do not cross over.

import { isScratchName } from "../../schema/scratch.ts";
import { bytesOf, type Entry, type Operation, type Outcome, type Subject } from "./tree-operations.ts";

interface Inode {
  type: "file" | "directory" | "symlink";
  bytes: Buffer;
  readonly names: Map<string, Inode>;
  mode: number;
  uid: number;
  links: number;
  mtime: string | undefined;
  xattr: string | undefined;
}

interface Place {
  readonly directory: Inode;
  readonly name: string;
  readonly found: Inode | undefined;
  readonly isScratch: boolean;
}

class Refused extends Error {}

function refuse(errno: string): never {
  throw new Refused(errno);
}

export class PosixModel implements Subject {
  readonly #root = this.#inode("directory", 0o755);
  readonly #open = new Map<number, Inode>();
  readonly #digest: (bytes: Uint8Array) => string;

  constructor(digest: (bytes: Uint8Array) => string) {
    this.#digest = digest;
  }

  run(operation: Operation): Outcome {
    try {
      return this.#run(operation) ?? "ok";
    } catch (error) {
      if (error instanceof Refused) return error.message;
      throw error;
    }
  }

  closeAll(): void {
    this.#open.clear();
  }

  snapshot(): Map<string, Entry> {
    const found = new Map<string, Entry>();
    const visit = (directory: Inode, prefix: string): void => {
      for (const [name, inode] of directory.names) {
        const { type, bytes, mode, uid, mtime, xattr } = inode;
        const subdirectories = [...inode.names.values()].filter((child) => child.type === "directory").length;
        const links = type === "directory" ? 2 + subdirectories : inode.links;
        const content = type === "directory" ? "" : this.#digest(bytes);
        found.set(prefix + name, { type, content, mode, uid, links, mtime, xattr });
        visit(inode, `${prefix}${name}/`);
      }
    };
    visit(this.#root, "");
    return found;
  }

  #run(operation: Operation): Outcome | undefined {
    switch (operation.do) {
      case "create": {
        const place = this.#walk(operation.path);
        if (place.found !== undefined) refuse("EEXIST");
        this.#open.set(operation.slot, this.#add(place, "file", operation.mode));
        return undefined;
      }
      case "open":
        this.#open.set(operation.slot, this.#file(operation.path));
        return undefined;
      case "read":
        return this.#digest(this.#handle(operation.slot).bytes);
      case "flush":
        this.#handle(operation.slot);
        return undefined;
      case "close":
        this.#handle(operation.slot);
        this.#open.delete(operation.slot);
        return undefined;
      case "write": {
        const inode = this.#handle(operation.slot);
        const bytes = bytesOf(operation);
        if (bytes.byteLength === 0) return undefined;
        resize(inode, Math.max(inode.bytes.byteLength, operation.offset + bytes.byteLength));
        inode.bytes.set(bytes, operation.offset);
        return undefined;
      }
      case "truncateHandle":
        resize(this.#handle(operation.slot), operation.size);
        return undefined;
      case "truncate":
        resize(this.#file(operation.path), operation.size);
        return undefined;
      case "unlink": {
        const place = this.#walk(operation.path);
        if (this.#present(place).type === "directory") refuse("EISDIR");
        this.#remove(place);
        return undefined;
      }
      case "makeDirectory": {
        const place = this.#walk(operation.path);
        if (place.found !== undefined) refuse("EEXIST");
        this.#add(place, "directory", 0o755);
        return undefined;
      }
      case "removeDirectory": {
        const place = this.#walk(operation.path);
        const inode = this.#present(place);
        if (inode.type !== "directory") refuse("ENOTDIR");
        if (inode.names.size > 0) refuse("ENOTEMPTY");
        this.#remove(place);
        return undefined;
      }
      case "rename":
        this.#rename(operation);
        return undefined;
      case "link":
        this.#link(operation);
        return undefined;
      case "symlink": {
        const place = this.#walk(operation.to);
        if (place.found !== undefined) refuse("EEXIST");
        this.#add(place, "symlink", 0o777).bytes = Buffer.from(operation.path);
        return undefined;
      }
      case "chmod": {
        const inode = this.#present(this.#walk(operation.path));
        if (inode.type === "symlink") refuse("EOPNOTSUPP");
        inode.mode = operation.mode;
        return undefined;
      }
      case "chown":
        this.#present(this.#walk(operation.path)).uid = operation.uid;
        return undefined;
      case "touch": {
        const inode = this.#present(this.#walk(operation.path));
        if (inode.type === "file") inode.mtime = `${BigInt(operation.seconds) * 1_000_000_000n + 7n}`;
        return undefined;
      }
      case "setXattr": {
        const inode = this.#present(this.#walk(operation.path));
        if (inode.type !== "symlink") inode.xattr = operation.value;
        return undefined;
      }
      case "settle":
        return undefined;
    }
  }

  #rename({ path, to, flag }: Operation & { do: "rename" }): void {
    const source = this.#walk(path);
    const target = this.#walk(to);
    const moved = this.#present(source);
    const replaced = target.found;
    if (flag === "noReplace" && replaced !== undefined) refuse("EEXIST");
    if (flag === "exchange" && replaced === undefined) refuse("ENOENT");
    if (replaced === moved) return;
    if (moved.type === "directory" && contains(moved, target.directory)) refuse("EINVAL");
    if (flag === "exchange" && replaced !== undefined) {
      if (replaced.type === "directory" && contains(replaced, source.directory)) refuse("EINVAL");
      this.#exchange(source, target, moved, replaced);
      return;
    }
    if (replaced?.type === "directory" && contains(replaced, source.directory)) refuse("ENOTEMPTY");
    if (replaced !== undefined) refuseWrongType(moved, replaced);
    if (moved.type === "directory" && source.isScratch !== target.isScratch) refuse("EXDEV");
    if (replaced !== undefined) this.#remove(target);
    source.directory.names.delete(source.name);
    target.directory.names.set(target.name, crossing(moved, source, target));
  }

  #exchange(source: Place, target: Place, moved: Inode, replaced: Inode): void {
    const crosses = source.isScratch !== target.isScratch;
    if (crosses && (moved.type === "directory" || replaced.type === "directory")) refuse("EXDEV");
    target.directory.names.set(target.name, crossing(moved, source, target));
    source.directory.names.set(source.name, crossing(replaced, target, source));
  }

  #link({ path, to }: Operation & { do: "link" }): void {
    const source = this.#walk(path);
    const inode = this.#present(source);
    const place = this.#walk(to);
    if (place.found !== undefined) refuse("EEXIST");
    if (inode.type === "directory" || !source.isScratch || !place.isScratch) refuse("EPERM");
    inode.links++;
    place.directory.names.set(place.name, inode);
  }

  #add({ directory, name }: Place, type: Inode["type"], mode: number): Inode {
    const inode = this.#inode(type, mode);
    directory.names.set(name, inode);
    return inode;
  }

  #inode(type: Inode["type"], mode: number): Inode {
    const names = new Map<string, Inode>();
    return {
      type,
      bytes: Buffer.alloc(0),
      names,
      mode,
      uid: 1000,
      links: 1,
      mtime: undefined,
      xattr: undefined,
    };
  }

  #remove({ directory, name }: Place): void {
    const inode = directory.names.get(name);
    if (inode !== undefined) inode.links--;
    directory.names.delete(name);
  }

  #walk(path: string): Place {
    const names = path.split("/");
    const name = names.pop() as string;
    let directory = this.#root;
    for (const step of names) {
      const found = directory.names.get(step);
      if (found === undefined) return refuse("ENOENT");
      if (found.type === "symlink") return refuse("ELOOP");
      if (found.type !== "directory") return refuse("ENOTDIR");
      directory = found;
    }
    const isScratch = [...names, name].some(isScratchName);
    return { directory, name, found: directory.names.get(name), isScratch };
  }

  #present({ found }: Place): Inode {
    return found ?? refuse("ENOENT");
  }

  #file(path: string): Inode {
    const inode = this.#present(this.#walk(path));
    if (inode.type === "directory") refuse("EISDIR");
    if (inode.type === "symlink") refuse("ELOOP");
    return inode;
  }

  #handle(slot: number): Inode {
    return this.#open.get(slot) ?? refuse("EBADF");
  }
}

/** A scratch file of several names that becomes a file of the book leaves the others where they are: it is copied. */
function crossing(inode: Inode, from: Place, to: Place): Inode {
  if (!from.isScratch || to.isScratch || inode.links === 1 || inode.type === "directory") return inode;
  inode.links--;
  return { ...inode, bytes: Buffer.from(inode.bytes), links: 1, xattr: undefined };
}

function refuseWrongType(moved: Inode, replaced: Inode): void {
  if (moved.type === "directory") {
    if (replaced.type !== "directory") refuse("ENOTDIR");
    if (replaced.names.size > 0) refuse("ENOTEMPTY");
  } else if (replaced.type === "directory") {
    refuse("EISDIR");
  }
}

function contains(directory: Inode, inode: Inode): boolean {
  if (directory === inode) return true;
  return [...directory.names.values()].some((child) => contains(child, inode));
}

function resize(inode: Inode, size: number): void {
  const bytes = Buffer.alloc(size);
  inode.bytes.copy(bytes, 0, 0, size);
  inode.bytes = bytes;
  inode.mtime = undefined;
}
