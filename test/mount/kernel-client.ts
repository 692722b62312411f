/**
 * A kernel for tests: encodes requests as Linux does, hands them to a session, and reads the answers. Keeps no state but
 * the count of requests, so that tests can say exactly what is asked.
 */
import assert from "node:assert/strict";
import { FATTR, INIT_FLAG, INIT_FLAG2, OPCODE, type OpcodeName } from "../../mount/kernel/protocol.ts";
import { Reply } from "../../mount/kernel/reply.ts";
import { Request } from "../../mount/kernel/request.ts";
import type { Session } from "../../mount/session.ts";

/** A field of a request's body. */
type Field = { u32: number } | { u64: number } | { text: string | Buffer } | { bytes: Buffer };

export interface Answer {
  /** Positive; 0 is success. */
  readonly errno: number;
  readonly body: Buffer;
}

export interface EntryAnswer extends Answer {
  readonly nodeid: number;
  readonly ttlSeconds: number;
  readonly ino: number;
  readonly size: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
}

export interface OpenAnswer extends EntryAnswer {
  readonly fh: number;
  readonly flags: number;
}

export interface Ask {
  readonly nodeid: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly pid?: number;
}

export const ROOT: Ask = { nodeid: 1 };
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;

export class KernelClient {
  readonly session: Session;
  readonly #request = new Request();
  readonly #reply = new Reply();
  #unique = 0;

  constructor(session: Session) {
    this.session = session;
  }

  /** Sends a request; undefined if it was not answered (yet). */
  send(name: OpcodeName, ask: Ask, ...fields: Field[]): Answer | undefined {
    return this.sendRaw(OPCODE[name], ask, Buffer.concat(fields.map(encode)));
  }

  /** Sends a request with any body. */
  sendRaw(
    opcode: number,
    { nodeid, uid = 1000, gid = 1000, pid = process.pid }: Ask,
    body: Buffer,
  ): Answer | undefined {
    this.#unique += 2;
    const header = Buffer.concat(
      [
        { u32: 40 + body.length },
        { u32: opcode },
        { u64: this.#unique },
        { u64: nodeid },
        { u32: uid },
        { u32: gid },
        { u32: pid },
        { u32: 0 },
      ].map(encode),
    );
    header.copy(this.#request.buffer);
    body.copy(this.#request.buffer, header.length);
    this.#request.load(header.length + body.length);
    if (!this.session.handle(this.#request, this.#reply)) return undefined;
    return readAnswer(this.#reply.buffer.subarray(0, this.#reply.length), this.#unique);
  }

  /** The same; fails if there is no answer. */
  ask(name: OpcodeName, ask: Ask, ...fields: Field[]): Answer {
    const answer = this.send(name, ask, ...fields);
    assert.ok(answer, `${name} was not answered`);
    return answer;
  }

  /** `unique` of the last request. */
  get lastUnique(): number {
    return this.#unique;
  }

  init({ flags = ALL_FLAGS, flags2 = ALL_FLAGS, minor = 45 } = {}): Answer {
    const rest = Buffer.alloc(44);
    return this.ask(
      "INIT",
      { nodeid: 0 },
      { u32: 7 },
      { u32: minor },
      { u32: 131072 },
      { u32: flags },
      { u32: flags2 },
      { bytes: rest },
    );
  }

  lookup(parent: Ask, name: string | Buffer): EntryAnswer {
    return asEntry(this.ask("LOOKUP", parent, { text: name }));
  }

  getattr(ask: Ask, fh?: number): EntryAnswer {
    const answer = this.ask("GETATTR", ask, { u32: fh === undefined ? 0 : 1 }, { u32: 0 }, { u64: fh ?? 0 });
    return { ...answer, nodeid: ask.nodeid, ttlSeconds: u64(answer.body, 0), ...attributes(answer.body, 16) };
  }

  mkdir(parent: Ask, name: string | Buffer, mode = 0o755): EntryAnswer {
    return asEntry(this.ask("MKDIR", parent, { u32: mode }, { u32: 0o22 }, { text: name }));
  }

  create(parent: Ask, name: string | Buffer, { mode = 0o100644, flags = O_RDWR } = {}): OpenAnswer {
    const answer = this.ask(
      "CREATE",
      parent,
      { u32: flags },
      { u32: mode },
      { u32: 0o22 },
      { u32: 0 },
      { text: name },
    );
    return { ...asEntry(answer), fh: u64(answer.body, 128), flags: u32(answer.body, 136) };
  }

  open(ask: Ask, flags = O_RDONLY): OpenAnswer {
    const answer = this.ask("OPEN", ask, { u32: flags }, { u32: 0 });
    return {
      ...asEntry({ ...answer, body: Buffer.alloc(0) }),
      fh: u64(answer.body, 0),
      flags: u32(answer.body, 8),
    };
  }

  read(ask: Ask, fh: number, { offset = 0, size = 4096 } = {}): Answer {
    return this.ask(
      "READ",
      ask,
      { u64: fh },
      { u64: offset },
      { u32: size },
      { u32: 0 },
      { u64: 0 },
      { u32: 0 },
      { u32: 0 },
    );
  }

  write(
    ask: Ask,
    fh: number,
    data: string | Buffer,
    { offset = 0, writeFlags = 0, flags = O_RDWR } = {},
  ): Answer {
    const bytes = Buffer.from(data as string);
    return this.ask(
      "WRITE",
      ask,
      { u64: fh },
      { u64: offset },
      { u32: bytes.length },
      { u32: writeFlags },
      { u64: 0 },
      { u32: flags },
      { u32: 0 },
      { bytes },
    );
  }

  /** truncate(2), or ftruncate(2) with a handle; the errno. */
  setSize(ask: Ask, size: number, fh?: number): number {
    const body = Buffer.alloc(88);
    body.writeUInt32LE(FATTR.SIZE | (fh === undefined ? 0 : FATTR.FH), 0);
    body.writeBigUInt64LE(BigInt(fh ?? 0), 8);
    body.writeBigUInt64LE(BigInt(size), 16);
    return this.send("SETATTR", ask, { bytes: body })?.errno ?? 0;
  }

  flush(ask: Ask, fh: number): Answer | undefined {
    return this.send("FLUSH", ask, { u64: fh }, { u64: 0 }, { u64: 0 });
  }

  release(ask: Ask, fh: number): Answer {
    return this.ask("RELEASE", ask, { u64: fh }, { u32: 0 }, { u32: 0 }, { u64: 0 });
  }

  unlink(parent: Ask, name: string | Buffer): Answer | undefined {
    return this.send("UNLINK", parent, { text: name });
  }

  rename(
    parent: Ask,
    name: string | Buffer,
    newParent: Ask,
    newName: string | Buffer,
    flags = 0,
  ): Answer | undefined {
    return this.send(
      "RENAME2",
      parent,
      { u64: newParent.nodeid },
      { u32: flags },
      { u32: 0 },
      { text: name },
      { text: newName },
    );
  }

  forget(ask: Ask, count: number): void {
    assert.equal(this.send("FORGET", ask, { u64: count }), undefined);
  }

  /** Names and cookies of a listing, asked for in parts of `size` bytes. */
  list(
    ask: Ask,
    { plus = false, size = 4096 } = {},
  ): { name: string; ino: number; cookie: number; nodeid: number }[] {
    const all: { name: string; ino: number; cookie: number; nodeid: number }[] = [];
    for (;;) {
      const offset = all.at(-1)?.cookie ?? 0;
      const answer = this.ask(
        plus ? "READDIRPLUS" : "READDIR",
        ask,
        { u64: 0 },
        { u64: offset },
        { u32: size },
        { u32: 0 },
        { u64: 0 },
        { u64: 0 },
      );
      assert.equal(answer.errno, 0);
      if (answer.body.length === 0) return all;
      for (let at = 0; at < answer.body.length; ) {
        const nodeid = plus ? u64(answer.body, at) : 0;
        const dirent = at + (plus ? 128 : 0);
        const length = u32(answer.body, dirent + 16);
        const name = answer.body.toString("utf8", dirent + 24, dirent + 24 + length);
        all.push({ name, ino: u64(answer.body, dirent), cookie: u64(answer.body, dirent + 8), nodeid });
        at = (dirent + 24 + length + 7) & ~7;
      }
    }
  }

  /** Makes a file with these bytes, closed again; what `create` answered. */
  save(parent: Ask, name: string, data: string): OpenAnswer {
    const made = this.create(parent, name);
    assert.equal(made.errno, 0);
    this.write(made, made.fh, data);
    this.flush(made, made.fh);
    this.release(made, made.fh);
    return made;
  }
}

const ALL_FLAGS = Object.values({ ...INIT_FLAG, ...INIT_FLAG2 }).reduce((all, flag) => all | flag, 0) >>> 0;

function encode(field: Field): Buffer {
  if ("bytes" in field) return field.bytes;
  if ("text" in field) return Buffer.concat([Buffer.from(field.text as string), Buffer.alloc(1)]);
  const buffer = Buffer.alloc("u32" in field ? 4 : 8);
  if ("u32" in field) buffer.writeUInt32LE(field.u32 >>> 0);
  else buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(field.u64)));
  return buffer;
}

/** Reads an answer as the kernel would. */
export function readAnswer(message: Buffer, unique: number): Answer {
  assert.equal(message.readUInt32LE(0), message.length, "the answer's length");
  assert.equal(Number(message.readBigUInt64LE(8)), unique, "the answer's request");
  return { errno: 0 - message.readInt32LE(4), body: Buffer.from(message.subarray(16)) };
}

function u32(body: Buffer, at: number): number {
  return body.length >= at + 4 ? body.readUInt32LE(at) : 0;
}

function u64(body: Buffer, at: number): number {
  return body.length >= at + 8 ? Number(body.readBigUInt64LE(at)) : 0;
}

function attributes(body: Buffer, at: number): Omit<EntryAnswer, "errno" | "body" | "nodeid" | "ttlSeconds"> {
  return {
    ino: u64(body, at),
    size: u64(body, at + 8),
    mode: u32(body, at + 60),
    nlink: u32(body, at + 64),
    uid: u32(body, at + 68),
    gid: u32(body, at + 72),
  };
}

function asEntry(answer: Answer): EntryAnswer {
  return {
    ...answer,
    nodeid: u64(answer.body, 0),
    ttlSeconds: u64(answer.body, 16),
    ...attributes(answer.body, 40),
  };
}
