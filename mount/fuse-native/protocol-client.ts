/**
 * Owns the asking side of the kernel's protocol, as the kernel is at the other end of /dev/fuse: writes requests to a socket
 * and finds the answers. Must never interpret what it carries. Notifications are dropped: who asks here keeps nothing.
 */
import { read as readFile, write as writeFile } from "node:fs";
import {
  INIT_FLAG,
  OPCODE,
  type OpcodeName,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR_OLDEST,
  REQUEST_BUFFER_BYTES,
  STRUCT_BYTES,
} from "../kernel/protocol.ts";

/** An answer that is an error. */
export class AnsweredError extends Error {
  /** Positive Linux error number. */
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** A piece of a request's body: 32 or 64 bits, a string with its NUL, or bytes as they are. */
export type Field = { u32: number } | { u64: number } | { text: string } | { bytes: Uint8Array };

interface Pending {
  resolve(body: Buffer): void;
  reject(error: AnsweredError): void;
}

export interface ProtocolClientOptions {
  /** A socket that keeps messages apart (SOCK_SEQPACKET), of which this client is the only reader. */
  readonly fd: number;
  /** Who asks: who owns what is made. */
  readonly uid: number;
  readonly gid: number;
  /** The other side is gone: nothing will be answered any more. */
  onEnd(): void;
}

export class ProtocolClient {
  readonly #options: ProtocolClientOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #answer = Buffer.alloc(REQUEST_BUFFER_BYTES);
  /** Requests that wait for room in the socket, in order; the first is being written. */
  readonly #outgoing: Buffer[] = [];
  /** Counts as the kernel does, by twos: odd ones are interrupts. */
  #unique = 0;

  constructor(options: ProtocolClientOptions) {
    this.#options = options;
  }

  /** The first exchange; nothing else is to be asked before it. Offers as little as possible: nobody here keeps pages or names. */
  async start(): Promise<void> {
    this.#receive();
    const offer = [{ u32: PROTOCOL_MAJOR }, { u32: PROTOCOL_MINOR_OLDEST }, { u32: 0 }];
    await this.ask("INIT", 0, ...offer, { u32: INIT_FLAG.BIG_WRITES | INIT_FLAG.ATOMIC_O_TRUNC });
  }

  /** Asks, and resolves with the body of the answer. Rejects with an AnsweredError. */
  ask(name: OpcodeName, nodeid: number, ...fields: Field[]): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#pending.set(this.#send(name, nodeid, fields), { resolve, reject });
    return promise;
  }

  /** Gives lookups back, one for each time that a node is named. Has no answer. */
  forget(nodeids: readonly number[]): void {
    if (nodeids.length === 0) return;
    const forgotten = nodeids.flatMap((nodeid): Field[] => [{ u64: nodeid }, { u64: 1 }]);
    this.#send("BATCH_FORGET", 0, [{ u32: nodeids.length }, { u32: 0 }, ...forgotten]);
  }

  #send(name: OpcodeName, nodeid: number, fields: readonly Field[]): number {
    this.#unique += 2;
    const { uid, gid } = this.#options;
    const body = Buffer.concat(fields.map(encode));
    // No process: which program asks is not known here.
    const header: Field[] = [
      { u32: STRUCT_BYTES.in_header + body.length },
      { u32: OPCODE[name] },
      { u64: this.#unique },
      { u64: nodeid },
      { u32: uid },
      { u32: gid },
      { u32: 0 },
      { u32: 0 },
    ];
    if (this.#outgoing.push(Buffer.concat([...header.map(encode), body])) === 1) this.#write();
    return this.#unique;
  }

  /** Not at once: who waited here for room would take no answers, and the other side gives up one that finds none. */
  #write(): void {
    const [request] = this.#outgoing;
    if (request === undefined) return;
    writeFile(this.#options.fd, request, (error) => {
      if (error !== null) return this.#options.onEnd();
      this.#outgoing.shift();
      this.#write();
    });
  }

  #receive(): void {
    const answer = this.#answer;
    readFile(this.#options.fd, answer, 0, answer.length, null, (error, length) => {
      if (error !== null || length === 0) return this.#options.onEnd();
      this.#take(Buffer.from(answer.subarray(0, length)));
      this.#receive();
    });
  }

  /** `fuse_out_header`: len u32, error i32, unique u64. */
  #take(answer: Buffer): void {
    const unique = Number(answer.readBigUInt64LE(8));
    const pending = this.#pending.get(unique);
    this.#pending.delete(unique);
    const error = answer.readInt32LE(4);
    if (error < 0) pending?.reject(new AnsweredError(-error));
    else pending?.resolve(answer.subarray(STRUCT_BYTES.out_header));
  }
}

function encode(field: Field): Uint8Array {
  if ("bytes" in field) return field.bytes;
  if ("text" in field) return Buffer.from(`${field.text}\0`);
  const buffer = Buffer.alloc("u32" in field ? 4 : 8);
  if ("u32" in field) buffer.writeUInt32LE(field.u32 >>> 0);
  else buffer.writeBigUInt64LE(BigInt(field.u64));
  return buffer;
}
