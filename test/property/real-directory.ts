// A directory of this machine's file system as the thing that random operations are done to, through node:fs.
// Must never be asked for what node:fs cannot do: rename flags, extended attributes.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { isScratchName } from "../../schema/scratch.ts";
import { bytesOf, type Entry, type Operation, type Outcome, type Subject } from "./tree-operations.ts";

/** What is left out because it differs by design: a directory does not cross the border of scratch. */
export const LEFT_OUT = "left out";

export class RealDirectory implements Subject {
  readonly #root: string;
  readonly #digest: (bytes: Uint8Array) => string;
  readonly #open = new Map<number, number>();

  constructor(root: string, digest: (bytes: Uint8Array) => string) {
    this.#root = root;
    this.#digest = digest;
  }

  run(operation: Operation): Outcome {
    try {
      return this.#run(operation) ?? "ok";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? `${error}`;
    }
  }

  closeAll(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  snapshot(): Map<string, Entry> {
    const found = new Map<string, Entry>();
    const visit = (directory: string): void => {
      for (const name of readdirSync(join(this.#root, directory))) {
        const path = directory === "" ? name : `${directory}/${name}`;
        const stat = lstatSync(join(this.#root, path));
        const type = stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "file";
        found.set(path, { ...this.#entry(type, path), mode: stat.mode & 0o7777 });
        if (stat.isDirectory()) visit(path);
      }
    };
    visit("");
    return found;
  }

  #entry(type: Entry["type"], path: string): Omit<Entry, "mode"> {
    const at = join(this.#root, path);
    const content =
      type === "file"
        ? readFileSync(at)
        : type === "symlink"
          ? readlinkSync(at, { encoding: "buffer" })
          : undefined;
    const digest = content === undefined ? "" : this.#digest(content);
    return { type, content: digest, uid: 0, links: 1, mtime: undefined, xattr: undefined };
  }

  #run(operation: Operation): Outcome | undefined {
    switch (operation.do) {
      case "create": {
        const fd = openSync(this.#walk(operation.path), "wx+", 0o600);
        fchmodSync(fd, operation.mode);
        this.#take(operation.slot, fd);
        return undefined;
      }
      case "open":
        this.#take(
          operation.slot,
          openSync(this.#walk(operation.path), constants.O_RDWR | constants.O_NOFOLLOW),
        );
        return undefined;
      case "read": {
        const fd = this.#handle(operation.slot);
        const bytes = Buffer.alloc(fstatSync(fd).size);
        readSync(fd, bytes, 0, bytes.byteLength, 0);
        return this.#digest(bytes);
      }
      case "flush":
        this.#handle(operation.slot);
        return undefined;
      case "close":
        closeSync(this.#handle(operation.slot));
        this.#open.delete(operation.slot);
        return undefined;
      case "write":
        writeSync(this.#handle(operation.slot), bytesOf(operation), 0, operation.size, operation.offset);
        return undefined;
      case "truncateHandle":
        ftruncateSync(this.#handle(operation.slot), operation.size);
        return undefined;
      case "truncate":
        truncateSync(this.#withoutLink(operation.path, "ELOOP"), operation.size);
        return undefined;
      case "unlink":
        unlinkSync(this.#walk(operation.path));
        return undefined;
      case "makeDirectory":
        mkdirSync(this.#walk(operation.path));
        chmodSync(join(this.#root, operation.path), 0o755);
        return undefined;
      case "removeDirectory":
        rmdirSync(this.#walk(operation.path));
        return undefined;
      case "rename": {
        const from = this.#walk(operation.path);
        const to = this.#walk(operation.to);
        const isDirectory = lstatSync(from).isDirectory();
        if (isDirectory && isScratch(operation.path) !== isScratch(operation.to)) return LEFT_OUT;
        renameSync(from, to);
        return undefined;
      }
      case "symlink":
        symlinkSync(operation.path, this.#walk(operation.to));
        return undefined;
      case "chmod":
        chmodSync(this.#withoutLink(operation.path, "EOPNOTSUPP"), operation.mode);
        return undefined;
      case "touch": {
        const at = this.#walk(operation.path);
        if (lstatSync(at).isFile()) utimesSync(at, operation.seconds, operation.seconds);
        return undefined;
      }
      case "settle":
        return undefined;
      default:
        throw new Error(`${operation.do} is not for a real directory`);
    }
  }

  /** The path on this machine; as with openat2(RESOLVE_NO_SYMLINKS), no directory on the way may be a symlink. */
  #walk(path: string): string {
    let at = this.#root;
    for (const step of path.split("/").slice(0, -1)) {
      at = join(at, step);
      const stat = lstatSync(at);
      if (stat.isSymbolicLink()) throw Object.assign(new Error(path), { code: "ELOOP" });
      if (!stat.isDirectory()) throw Object.assign(new Error(path), { code: "ENOTDIR" });
    }
    return join(this.#root, path);
  }

  #withoutLink(path: string, code: string): string {
    const at = this.#walk(path);
    if (lstatSync(at).isSymbolicLink()) throw Object.assign(new Error(path), { code });
    return at;
  }

  #take(slot: number, fd: number): void {
    const before = this.#open.get(slot);
    if (before !== undefined) closeSync(before);
    this.#open.set(slot, fd);
  }

  #handle(slot: number): number {
    const fd = this.#open.get(slot);
    if (fd === undefined) throw Object.assign(new Error("no handle"), { code: "EBADF" });
    return fd;
  }
}

function isScratch(path: string): boolean {
  return path.split("/").some(isScratchName);
}
