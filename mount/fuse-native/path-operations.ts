/**
 * Owns the translation of libfuse's operations on paths, as fuse-native calls them, into requests of the kernel's protocol on
 * nodes. Keeps nothing of what it was told but open files: each path is looked up anew, so that it is always that of now.
 */
import { Errno } from "../../schema/errors.ts";
import { FATTR, GETATTR_FLAG, ROOT_NODEID, STRUCT_BYTES } from "../kernel/protocol.ts";
import { type Attributes, attributes, inoOf, space } from "./answers.ts";
import { AnsweredError, type Field, type ProtocolClient } from "./protocol-client.ts";

/** Outcome and result of one operation, as fuse-native takes it: negative is an errno. */
type Done = (outcome: number, ...results: unknown[]) => void;

/** Of each name what the listing itself tells; the kernel asks for the rest. */
interface Listing {
  readonly names: string[];
  readonly stats: { readonly ino: number; readonly mode: number }[];
}

interface Found {
  readonly nodeid: number;
  readonly attributes: Attributes | undefined;
  /** All on the way to it, and itself: to be given back. */
  readonly lookups: number[];
}

/** Its node was looked up once more than was given back, so that the other side keeps it until it is closed. */
interface OpenFile {
  readonly nodeid: number;
  readonly fh: number;
}

/** What a byte becomes that is no UTF-8: which one it was is lost. */
const REPLACED = "\ufffd";
const O_RDWR_CREAT = 0o102;
/** What libfuse 2 asks for at most. */
const LIST_BYTES = 64 * 1024;
const XATTR_BYTES = 64 * 1024;
/** "Leave it as it is", of chown(2). */
const UNCHANGED_ID = 0xffff_ffff;
const MS_PER_SECOND = 1000;
const NS_PER_MS = 1_000_000;

export class PathOperations {
  readonly #client: ProtocolClient;
  readonly #open = new Map<number, OpenFile>();
  #lastDescriptor = 0;

  constructor(client: ProtocolClient) {
    this.#client = client;
  }

  /** For fuse-native. What is left out libfuse answers with ENOSYS, or without asking: flags of rename(2), holes, locks. */
  operations(): object {
    const on = (path: string, done: Done, act: (nodeid: number) => Promise<unknown>): void =>
      this.#answer(
        done,
        this.#at(path, ({ nodeid }) => act(nodeid)).then(() => [0]),
      );
    const ask = this.#client.ask.bind(this.#client);
    return {
      getattr: (path: string, done: Done) =>
        this.#answer(
          done,
          this.#at(path, async (found) => [0, await this.#attributesOf(found)]),
        ),
      fgetattr: (_path: string, descriptor: number, done: Done) =>
        this.#withFile(done, descriptor, async ({ nodeid, fh }) => {
          const answer = await ask("GETATTR", nodeid, { u32: GETATTR_FLAG.FH }, { u32: 0 }, { u64: fh });
          return [0, attributes(answer, 16)];
        }),
      readdir: (path: string, done: Done) =>
        this.#answer(
          done,
          this.#at(path, async ({ nodeid }) => {
            const { names, stats } = await this.#list(nodeid);
            return [0, names, stats];
          }),
        ),
      readlink: (path: string, done: Done) =>
        this.#answer(
          done,
          this.#at(path, async ({ nodeid }) => [0, (await ask("READLINK", nodeid)).toString()]),
        ),
      statfs: (_path: string, done: Done) =>
        this.#answer(
          done,
          ask("STATFS", ROOT_NODEID).then((answer) => [0, space(answer)]),
        ),
      truncate: (path: string, size: number, done: Done) =>
        on(path, done, (nodeid) => this.#setAttributes(nodeid, { valid: FATTR.SIZE, size })),
      ftruncate: (_path: string, descriptor: number, size: number, done: Done) =>
        this.#withFile(done, descriptor, async ({ nodeid, fh }) => {
          await this.#setAttributes(nodeid, { valid: FATTR.SIZE | FATTR.FH, size, fh });
          return [0];
        }),
      chmod: (path: string, mode: number, done: Done) =>
        on(path, done, (nodeid) => this.#setAttributes(nodeid, { valid: FATTR.MODE, mode })),
      chown: (path: string, uid: number, gid: number, done: Done) => {
        const valid = (uid === UNCHANGED_ID ? 0 : FATTR.UID) | (gid === UNCHANGED_ID ? 0 : FATTR.GID);
        on(path, done, (nodeid) => this.#setAttributes(nodeid, { valid, uid, gid }));
      },
      utimens: (path: string, atimeMs: number, mtimeMs: number, done: Done) =>
        on(path, done, (nodeid) =>
          this.#setAttributes(nodeid, { valid: FATTR.ATIME | FATTR.MTIME, atimeMs, mtimeMs }),
        ),
      open: (path: string, flags: number, done: Done) => this.#answer(done, this.#openPath(path, flags)),
      create: (path: string, mode: number, done: Done) => this.#answer(done, this.#create(path, mode)),
      read: (_path: string, descriptor: number, target: Buffer, size: number, offset: number, done: Done) =>
        this.#withFile(done, descriptor, async ({ nodeid, fh }) => {
          const where = [{ u64: fh }, { u64: offset }, { u32: size }, ...zeros(5)];
          return [(await ask("READ", nodeid, ...where)).copy(target)];
        }),
      write: (_path: string, descriptor: number, source: Buffer, size: number, offset: number, done: Done) =>
        this.#withFile(done, descriptor, async ({ nodeid, fh }) => {
          const where = [{ u64: fh }, { u64: offset }, { u32: size }, ...zeros(5)];
          const answer = await ask("WRITE", nodeid, ...where, { bytes: source.subarray(0, size) });
          return [answer.readUInt32LE(0)];
        }),
      flush: (_path: string, descriptor: number, done: Done) =>
        this.#withFile(done, descriptor, async ({ nodeid, fh }) => {
          await ask("FLUSH", nodeid, { u64: fh }, ...zeros(4));
          return [0];
        }),
      fsync: (_path: string, _dataOnly: boolean, descriptor: number, done: Done) =>
        this.#withFile(done, descriptor, async ({ nodeid, fh }) => {
          await ask("FSYNC", nodeid, { u64: fh }, ...zeros(2));
          return [0];
        }),
      release: (_path: string, descriptor: number, done: Done) =>
        this.#withFile(done, descriptor, async ({ nodeid, fh }) => {
          this.#open.delete(descriptor);
          await ask("RELEASE", nodeid, { u64: fh }, ...zeros(4));
          this.#client.forget([nodeid]);
          return [0];
        }),
      mknod: (path: string, mode: number, device: number, done: Done) =>
        this.#make(path, done, (parent, name) =>
          ask("MKNOD", parent, { u32: mode }, { u32: device }, ...zeros(2), name),
        ),
      mkdir: (path: string, mode: number, done: Done) =>
        this.#make(path, done, (parent, name) => ask("MKDIR", parent, { u32: mode }, { u32: 0 }, name)),
      symlink: (target: string, path: string, done: Done) =>
        this.#make(path, done, async (parent, name) => {
          if (target.includes(REPLACED)) throw new AnsweredError(Errno.EINVAL);
          return ask("SYMLINK", parent, name, { text: target });
        }),
      link: (from: string, to: string, done: Done) =>
        this.#answer(
          done,
          this.#at(from, ({ nodeid }) =>
            this.#in(to, async (parent, name) => {
              this.#client.forget([nodeOf(await ask("LINK", parent, { u64: nodeid }, name))]);
              return [0];
            }),
          ),
        ),
      unlink: (path: string, done: Done) => this.#remove("UNLINK", path, done),
      rmdir: (path: string, done: Done) => this.#remove("RMDIR", path, done),
      rename: (from: string, to: string, done: Done) =>
        this.#answer(
          done,
          this.#in(from, (parent, name) =>
            this.#in(to, async (newParent, newName) => {
              await ask("RENAME", parent, { u64: newParent }, name, newName);
              return [0];
            }),
          ),
        ),
      setxattr: (path: string, name: string, value: Buffer, _at: number, flags: number, done: Done) =>
        on(path, done, (nodeid) =>
          ask("SETXATTR", nodeid, { u32: value.length }, { u32: flags }, { text: name }, { bytes: value }),
        ),
      getxattr: (path: string, name: string, _at: number, done: Done) =>
        this.#answer(
          done,
          this.#at(path, async ({ nodeid }) => [
            0,
            await ask("GETXATTR", nodeid, { u32: XATTR_BYTES }, { u32: 0 }, { text: name }),
          ]),
        ),
      listxattr: (path: string, done: Done) =>
        this.#answer(
          done,
          this.#at(path, async ({ nodeid }) => {
            const names = await ask("LISTXATTR", nodeid, { u32: XATTR_BYTES }, { u32: 0 });
            return [0, names.toString().split("\0").slice(0, -1)];
          }),
        ),
      removexattr: (path: string, name: string, done: Done) =>
        on(path, done, (nodeid) => ask("REMOVEXATTR", nodeid, { text: name })),
    };
  }

  #answer(done: Done, outcome: Promise<readonly [number, ...unknown[]]>): void {
    outcome.then(
      (results) => done(...results),
      (error: unknown) => {
        if (!(error instanceof AnsweredError)) process.stderr.write(`${String(error)}\n`);
        done(-(error instanceof AnsweredError ? error.errno : Errno.EIO));
      },
    );
  }

  #withFile(
    done: Done,
    descriptor: number,
    act: (file: OpenFile) => Promise<readonly [number, ...unknown[]]>,
  ): void {
    const file = this.#open.get(descriptor);
    this.#answer(done, file === undefined ? Promise.reject(new AnsweredError(Errno.EBADF)) : act(file));
  }

  /** Looks a path up and holds it while something is done with it. */
  async #at<Result>(path: string, act: (found: Found) => Promise<Result>, isAgain = false): Promise<Result> {
    const lookups: number[] = [];
    try {
      return await act(await this.#walk(path, lookups));
    } catch (error) {
      // The name is another file's by now: as the kernel does, it is looked up once more.
      if (isAgain || !(error instanceof AnsweredError) || error.errno !== Errno.ESTALE) throw error;
    } finally {
      this.#client.forget(lookups);
    }
    return this.#at(path, act, true);
  }

  /** The same for the directory of a path, whose last name comes with it. */
  #in<Result>(path: string, act: (parent: number, name: Field) => Promise<Result>): Promise<Result> {
    const slash = path.lastIndexOf("/");
    if (path.includes(REPLACED, slash)) return Promise.reject(new AnsweredError(Errno.EINVAL));
    return this.#at(path.slice(0, slash), ({ nodeid }) => act(nodeid, { text: path.slice(slash + 1) }));
  }

  async #walk(path: string, lookups: number[]): Promise<Found> {
    let found: Found = { nodeid: ROOT_NODEID, attributes: undefined, lookups };
    for (const name of path.split("/")) {
      if (name === "") continue;
      if (name.includes(REPLACED)) throw new AnsweredError(Errno.ENOENT);
      const entry = await this.#client.ask("LOOKUP", found.nodeid, { text: name });
      const nodeid = nodeOf(entry);
      // A name that is known not to be there.
      if (nodeid === 0) throw new AnsweredError(Errno.ENOENT);
      lookups.push(nodeid);
      found = { nodeid, attributes: attributes(entry, STRUCT_BYTES.entry_out - STRUCT_BYTES.attr), lookups };
    }
    return found;
  }

  async #attributesOf(found: Found): Promise<Attributes> {
    return found.attributes ?? attributes(await this.#client.ask("GETATTR", found.nodeid, ...zeros(4)), 16);
  }

  #make(path: string, done: Done, make: (parent: number, name: Field) => Promise<Buffer>): void {
    const made = this.#in(path, async (parent, name): Promise<[number]> => {
      this.#client.forget([nodeOf(await make(parent, name))]);
      return [0];
    });
    this.#answer(done, made);
  }

  #remove(operation: "UNLINK" | "RMDIR", path: string, done: Done): void {
    const removed = this.#in(path, async (parent, name): Promise<[number]> => {
      await this.#client.ask(operation, parent, name);
      return [0];
    });
    this.#answer(done, removed);
  }

  #openPath(path: string, flags: number): Promise<[number, number]> {
    return this.#at(path, async ({ nodeid, lookups }): Promise<[number, number]> => {
      const answer = await this.#client.ask("OPEN", nodeid, { u32: flags }, { u32: 0 });
      lookups.pop();
      return [0, this.#remember({ nodeid, fh: handleOf(answer, 0) })];
    });
  }

  /** With which flags a file is created fuse-native does not say. */
  #create(path: string, mode: number): Promise<[number, number]> {
    return this.#in(path, async (parent, name): Promise<[number, number]> => {
      const answer = await this.#client.ask(
        "CREATE",
        parent,
        { u32: O_RDWR_CREAT },
        { u32: mode },
        ...zeros(2),
        name,
      );
      const nodeid = nodeOf(answer);
      const fh = handleOf(answer, STRUCT_BYTES.entry_out);
      return [0, this.#remember({ nodeid, fh })];
    });
  }

  /** 0 is none to fuse-native. */
  #remember(file: OpenFile): number {
    do this.#lastDescriptor = (this.#lastDescriptor % 0x7fff_fffe) + 1;
    while (this.#open.has(this.#lastDescriptor));
    this.#open.set(this.#lastDescriptor, file);
    return this.#lastDescriptor;
  }

  async #list(nodeid: number): Promise<Listing> {
    const fh = handleOf(await this.#client.ask("OPENDIR", nodeid, ...zeros(2)), 0);
    const listing: Listing = { names: [], stats: [] };
    try {
      for (let offset = 0; ; ) {
        const where = [{ u64: fh }, { u64: offset }, { u32: LIST_BYTES }, ...zeros(5)];
        const page = await this.#client.ask("READDIR", nodeid, ...where);
        if (page.length === 0) return listing;
        // `fuse_dirent`: ino u64, off u64, namelen u32, type u32, the name, padded to 8 bytes.
        for (let at = 0; at < page.length; ) {
          const end = at + STRUCT_BYTES.dirent + page.readUInt32LE(at + 16);
          listing.names.push(page.toString("utf8", at + STRUCT_BYTES.dirent, end));
          listing.stats.push({ ino: inoOf(page, at), mode: page.readUInt32LE(at + 20) << 12 });
          offset = Number(page.readBigUInt64LE(at + 8));
          at = (end + 7) & ~7;
        }
      }
    } finally {
      await this.#client.ask("RELEASEDIR", nodeid, { u64: fh }, ...zeros(4));
    }
  }

  async #setAttributes(nodeid: number, wanted: Wanted): Promise<void> {
    const { valid, fh = 0, size = 0, atimeMs = 0, mtimeMs = 0, mode = 0, uid = 0, gid = 0 } = wanted;
    const seconds = (ms: number): Field => ({ u64: Math.floor(ms / MS_PER_SECOND) });
    const nanoseconds = (ms: number): Field => ({ u32: (ms % MS_PER_SECOND) * NS_PER_MS });
    await this.#client.ask(
      "SETATTR",
      nodeid,
      { u32: valid },
      { u32: 0 },
      { u64: fh },
      { u64: size },
      { u64: 0 },
      seconds(atimeMs),
      seconds(mtimeMs),
      { u64: 0 },
      nanoseconds(atimeMs),
      nanoseconds(mtimeMs),
      { u32: 0 },
      { u32: mode },
      { u32: 0 },
      { u32: uid },
      { u32: gid },
      { u32: 0 },
    );
  }
}

interface Wanted {
  /** `FATTR` of those that count. */
  readonly valid: number;
  readonly fh?: number;
  readonly size?: number;
  readonly atimeMs?: number;
  readonly mtimeMs?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** So many 32-bit fields that are 0. */
function zeros(count: number): Field[] {
  return [{ bytes: Buffer.alloc(4 * count) }];
}

function nodeOf(entry: Buffer): number {
  return Number(entry.readBigUInt64LE(0));
}

function handleOf(answer: Buffer, at: number): number {
  return Number(answer.readBigUInt64LE(at));
}
