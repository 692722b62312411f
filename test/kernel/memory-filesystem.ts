/**
 * A file system in memory for the transport's tests: a worker that serves one mount in the plainest loop that the
 * parts of mount/kernel/ allow. Knows nothing of books; owns what it was told through its port and the kernel.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { Doorbell } from "../../lib/doorbell.ts";
import { PollSet } from "../../lib/poll-set.ts";
import type { KernelAttributes, KernelEntry } from "../../mount/kernel/attributes.ts";
import { decodeSetattr } from "../../mount/kernel/decode-attributes.ts";
import { decodeInit } from "../../mount/kernel/decode-connection.ts";
import { decodeName } from "../../mount/kernel/decode-names.ts";
import { decodeCreate, decodeRead, decodeWrite } from "../../mount/kernel/decode-open-files.ts";
import { Device } from "../../mount/kernel/device.ts";
import { negotiate } from "../../mount/kernel/init.ts";
import { DIRENT_TYPE, FATTR, FOPEN, OPCODE, ROOT_NODEID } from "../../mount/kernel/protocol.ts";
import { ProtocolError } from "../../mount/kernel/protocol-error.ts";
import { Reply } from "../../mount/kernel/reply.ts";
import { Request } from "../../mount/kernel/request.ts";
import { Errno } from "../../schema/errors.ts";

export interface ServeData {
  doorbellFd: number;
  port: MessagePort;
}

/** Orders to the worker, the first of them `serve`; each but `leave` is answered with a ServeReport. */
export type ServeOrder =
  | { kind: "serve"; deviceFd: number }
  | { kind: "replace"; name: string; text: string }
  | { kind: "report" }
  | { kind: "leave" };

export interface ServeReport {
  minor: number;
  reads: number;
  nodeid: number;
}

interface MemoryFile {
  nodeid: number;
  data: Buffer;
}

const TTL_SECONDS = 3600;
const { doorbellFd, port } = workerData as ServeData;
const doorbell = new Doorbell(doorbellFd);
const [request, reply] = [new Request(), new Reply()];
const files = new Map<string, MemoryFile>([["hello.txt", { nodeid: 2, data: Buffer.from("hello\n") }]]);
const report: ServeReport = { minor: 0, reads: 0, nodeid: 0 };
let nextNodeid = 3;

function fileOf(nodeid: number): MemoryFile | undefined {
  return [...files.values()].find((file) => file.nodeid === nodeid);
}

function attributesOf(nodeid: number, size: number): KernelAttributes {
  const time = { atimeSeconds: 0, mtimeSeconds: 0, ctimeSeconds: 0 };
  const fractions = { atimeNanoseconds: 0, mtimeNanoseconds: 0, ctimeNanoseconds: 0 };
  const isRoot = nodeid === ROOT_NODEID;
  const [mode, nlink] = isRoot ? [0o40777, 2] : [0o100666, 1];
  const { uid, gid } = request;
  return { ino: nodeid, size, blocks: 0, ...time, ...fractions, mode, nlink, uid, gid, blksize: 4096 };
}

function entryOf({ nodeid, data }: MemoryFile): KernelEntry {
  const ttl = { entryTtlSeconds: TTL_SECONDS, attributesTtlSeconds: TTL_SECONDS };
  return { nodeid, generation: 0, ...ttl, attributes: attributesOf(nodeid, data.length) };
}

/** Builds the answer; false if there is none to send. */
function answer(): boolean {
  const file = fileOf(request.nodeid);
  switch (request.opcode) {
    case OPCODE.INIT: {
      const outcome = negotiate(decodeInit(request));
      if (outcome.kind === "refused") reply.error(Errno.EPROTO);
      else reply.init(outcome.answer);
      report.minor = outcome.kind === "agreed" ? outcome.features.minor : 0;
      return true;
    }
    case OPCODE.FORGET:
    case OPCODE.BATCH_FORGET:
    case OPCODE.INTERRUPT:
      return false;
    case OPCODE.LOOKUP: {
      const { name } = decodeName(request);
      const found = name === undefined ? undefined : files.get(name);
      if (found) reply.entry(entryOf(found));
      else reply.negativeEntry(TTL_SECONDS);
      return true;
    }
    case OPCODE.GETATTR:
      reply.attributes(attributesOf(request.nodeid, file?.data.length ?? 0), TTL_SECONDS);
      return true;
    case OPCODE.SETATTR: {
      const { valid, size } = decodeSetattr(request);
      if (file && valid & FATTR.SIZE) file.data = Buffer.concat([file.data], size);
      reply.attributes(attributesOf(request.nodeid, file?.data.length ?? 0), TTL_SECONDS);
      return true;
    }
    case OPCODE.CREATE: {
      const { name } = decodeCreate(request);
      if (name === undefined) reply.error(Errno.EINVAL);
      else {
        const created = { nodeid: nextNodeid++, data: Buffer.alloc(0) };
        files.set(name, created);
        reply.create(entryOf(created), { fh: 0, flags: FOPEN.KEEP_CACHE });
      }
      return true;
    }
    case OPCODE.OPEN:
      reply.open({ fh: 0, flags: FOPEN.KEEP_CACHE });
      return true;
    case OPCODE.READ: {
      const { offset, size } = decodeRead(request);
      report.reads++;
      reply.bytes((file?.data ?? Buffer.alloc(0)).subarray(offset, offset + size));
      return true;
    }
    case OPCODE.WRITE: {
      const { offset, data } = decodeWrite(request);
      if (file) {
        file.data = Buffer.concat([file.data], Math.max(file.data.length, offset + data.length));
        data.copy(file.data, offset);
      }
      reply.write(data.length);
      return true;
    }
    case OPCODE.READDIR:
    case OPCODE.READDIRPLUS:
      list();
      return true;
    case OPCODE.UNLINK:
      if (files.delete(decodeName(request).name ?? "")) reply.ok();
      else reply.error(Errno.ENOENT);
      return true;
    case OPCODE.STATFS:
      reply.statfs({
        blocks: 1,
        bfree: 1,
        bavail: 1,
        files: 1,
        ffree: 1,
        bsize: 4096,
        namelen: 255,
        frsize: 4096,
      });
      return true;
    case OPCODE.RELEASE:
    case OPCODE.RELEASEDIR:
      reply.ok();
      return true;
    default:
      reply.error(Errno.ENOSYS);
      return true;
  }
}

function list(): void {
  const { offset, size } = decodeRead(request);
  reply.startDirectory(size);
  const all: [string, MemoryFile | undefined][] = [[".", undefined], ["..", undefined], ...files];
  for (let index = offset; index < all.length; index++) {
    const [name, file] = all[index] as [string, MemoryFile | undefined];
    const type = file ? DIRENT_TYPE.REG : DIRENT_TYPE.DIR;
    const record = { name, ino: file?.nodeid ?? 1, type, nextOffset: index + 1 };
    const plus = request.opcode === OPCODE.READDIRPLUS;
    if (!(plus ? reply.direntplus(record, file && entryOf(file)) : reply.dirent(record))) break;
  }
  reply.finishDirectory();
}

/** False when told to leave. */
function obey(order: ServeOrder): boolean {
  if (order.kind === "leave") return false;
  if (order.kind === "replace") {
    const file = files.get(order.name);
    if (file) file.data = Buffer.from(order.text);
    report.nodeid = file?.nodeid ?? 0;
  }
  port.postMessage(report);
  return true;
}

function takeOrder(): ServeOrder | undefined {
  return receiveMessageOnPort(port)?.message as ServeOrder | undefined;
}

function serve(device: Device): void {
  const waited = new PollSet();
  waited.add(device.fd);
  waited.add(doorbell.fd);
  for (;;) {
    waited.wait();
    if (waited.isReady(1) && doorbell.clear()) {
      for (let order = takeOrder(); order; order = takeOrder()) {
        if (!obey(order)) return;
      }
    }
    if (!waited.isReady(0)) continue;
    const received = device.receive(request);
    if (received === "unmounted") return;
    if (!received) continue;
    reply.start(request);
    try {
      if (!answer()) continue;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      reply.error(Errno.EINVAL);
    }
    device.send(reply);
  }
}

/** Waits for the descriptor; everything that has to be loaded has been by then. */
function waitForDevice(): Device | undefined {
  doorbell.clear();
  port.postMessage(report);
  const waited = new PollSet();
  waited.add(doorbell.fd);
  for (;;) {
    waited.wait();
    doorbell.clear();
    const order = takeOrder();
    if (order?.kind === "serve") return new Device(order.deviceFd);
    if (order?.kind === "leave") return undefined;
  }
}

const device = waitForDevice();
if (device) {
  port.postMessage(report);
  serve(device);
  device.close();
}
port.close();
